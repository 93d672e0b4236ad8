"""Consumers of several clusters share the gates: after an outage each gives back what it holds, and none misses it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Sequence
from typing import Any, cast

from bus.broker.link import Link
from bus.broker.messages import Closed, Incoming
from bus.errors import Transient
from bus.identifiers import AgencyCode
from bus.router.consumer import Consumer, Limits
from bus.router.delivery import Delivery
from bus.router.processing import Processor, Settlement
from bus.router.shares import Share, Shares
from bus.thai import now
from tests.assets.factory import DGA, OPM
from tests.unit.adapter.network import until


class Intake(Processor):
    """Gates whose depot is away until it is there again; a batch of an agency in `slow` ends when it is told to."""

    def __init__(self) -> None:
        nothing: dict[str, Any] = dict.fromkeys(inspect.signature(Processor).parameters)
        super().__init__(**nothing)
        self.there = False
        self.slow: dict[AgencyCode, asyncio.Event] = {}
        self.done: list[AgencyCode | None] = []

    async def process(self, deliveries: Sequence[Delivery]) -> list[Settlement]:
        agency = deliveries[0].agency
        if self.there:
            self.done.append(agency)
            return [Settlement.ACK] * len(deliveries)
        self._wait_because(Transient("the depot is away"))
        if agency in self.slow:
            await self.slow[agency].wait()
        return [Settlement.RETRY_LATER] * len(deliveries)

    async def all_answer(self) -> bool:
        return self.there

    def watch_share(self, agency: AgencyCode, *, fruitless: int = 0) -> None:
        pass

    def refresh(self) -> None:
        pass


class Queue:
    """A subscription to one agency's intake, with one submission in it that comes again until it is acknowledged."""

    missing = 0

    def __init__(self, agency: AgencyCode) -> None:
        self.agency = agency
        self.waiting = 1
        self.paused = 0
        self.widened: list[tuple[str, int]] = []
        self._acknowledged = False
        self._ended = False
        self._news = asyncio.Event()

    async def take(self, limit: int) -> list[Incoming]:
        while not self.waiting:
            if self._ended:
                raise Closed("stopped")
            self._news.clear()
            await self._news.wait()
        self.waiting = 0
        return [
            Incoming(
                body=b"<Letter/>",
                exchange=f"submit.{self.agency}",
                routing_key="",
                user_id=f"agency.{self.agency}",
                message_id=None,
                type=None,
                headers={},
                redelivered=False,
                received_at=now(),
                generation=self.paused,
                tag=1,
            )
        ]

    def ack_all(self, incoming: Sequence[Incoming]) -> None:
        self._acknowledged = self._acknowledged or any(one.generation == self.paused for one in incoming)

    async def pause(self) -> None:
        self.paused += 1
        self.waiting = int(not self._acknowledged)

    async def resume(self) -> None:
        self._news.set()

    async def cover(self, queues: Sequence[str]) -> None:
        pass

    async def widen(self, queue: str, prefetch: int) -> None:
        self.widened.append((queue, prefetch))

    async def stop(self) -> None:
        self._ended = True
        self._news.set()

    def subscribe(self, *queues: str, **options: Any) -> Queue:
        return self

    def comes_again(self) -> None:
        self.waiting = 1
        self._news.set()


def consuming(
    intake: Intake, queue: Queue, stop: asyncio.Event, agencies: Sequence[AgencyCode] = ()
) -> asyncio.Task[None]:
    shares = Shares(Share(1000, 1_000_000, 100, 60.0))
    consumer = Consumer(intake, shares, Limits(), lambda: [queue.agency, *agencies])
    return asyncio.create_task(consumer.run(cast(Link, queue), stop))


async def test_no_consumer_misses_an_outage_that_another_has_waited_out() -> None:
    intake, stop = Intake(), asyncio.Event()
    intake.slow[DGA] = asyncio.Event()
    near, far = Queue(OPM), Queue(DGA)
    tasks = [consuming(intake, near, stop), consuming(intake, far, stop)]
    await until(lambda: near.paused)
    assert intake.waits_for == "the depot is away"
    intake.there = True
    await until(lambda: intake.done == [OPM])
    await until(lambda: intake.waits_for is None)
    assert far.paused == 0, "its batch has not come to its end"
    intake.slow[DGA].set()
    await until(lambda: DGA in intake.done)
    assert far.paused == 1, "what it held has gone back to its queue, and came again"
    stop.set()
    await asyncio.gather(*tasks)
    intake.close()


async def submitted(intake: Intake, queue: Queue, count: int) -> None:
    """Have so many submissions come one after another, each when the one before is settled."""
    for number in range(1, count + 1):
        await until(lambda number=number: len(intake.done) == number)  # type: ignore[misc]
        if number < count:
            queue.comes_again()


async def test_in_a_country_an_agency_that_sends_one_after_another_has_more_in_hand() -> None:
    intake, stop, queue = Intake(), asyncio.Event(), Queue(OPM)
    intake.there = True
    country = [AgencyCode(f"{number:010}") for number in range(8_000)]
    task = consuming(intake, queue, stop, country)
    await submitted(intake, queue, 3)
    await until(lambda: queue.widened)
    stop.set()
    await task
    assert set(queue.widened) == {(f"intake.{OPM}", 127)}
    intake.close()


async def test_among_few_agencies_nobody_needs_more_in_hand() -> None:
    intake, stop, queue = Intake(), asyncio.Event(), Queue(OPM)
    intake.there = True
    task = consuming(intake, queue, stop)
    await submitted(intake, queue, 3)
    stop.set()
    await task
    assert queue.widened == []
    intake.close()
