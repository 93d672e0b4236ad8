"""The router's process: it takes submissions from the intake and settles each after the commit.

| What happened                       | Ledger                                   | To the broker                       |
|-------------------------------------|------------------------------------------|-------------------------------------|
| accepted, heard, refused            | entry, consignments, answer              | ACK after the commit                |
| answered before                     | nothing new; the same answer again       | ACK                                 |
| database or depot away              | nothing                                  | RETRY_LATER: channel reopened       |
| any other exception                 | an entry when it is read from the parked | PARK: reject towards `dead`; alarm  |

The gates run in a thread beside the event loop, appends in another (group commit), so that heartbeats and confirms go
on while a large circular is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial

from bus import logs
from bus.broker import topology
from bus.broker.link import Link
from bus.broker.messages import Closed, Incoming
from bus.broker.subscription import Subscription
from bus.depot.client import Holds
from bus.errors import Transient
from bus.failpoints import reached
from bus.ledger.group import GroupCommit
from bus.ledger.store import Ledger
from bus.process import pause, when
from bus.retry import AWAY
from bus.router import parking
from bus.router.delivery import Delivery, Examined, Passed, Stated
from bus.router.enforce import Versions, calendar_in_force, directory_in_force, versions
from bus.router.fanout import Fanout
from bus.router.intake import Rules, conclude, examine, files_of
from bus.router.metrics import Metrics
from bus.router.recording import Recorded, Recorder, Stale
from bus.thai import now

_log = logs.get("router")
_BATCHES_UNDER_WAY = 3
_GATHER_FOR = 0.1
"""Seconds that a batch which is not full waits at most for the end of one under way: what comes meanwhile shares its
transactions. An idle router waits for nothing; one whose depot is slow goes on with what needs no depot."""
_MOST_REEXAMINATIONS = 20


class Settlement(Enum):
    """What the broker is told about a submission."""

    ACK = "ack"
    RETRY_LATER = "retry later"
    PARK = "park"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a router takes at once."""

    batch: int = 128
    prefetch: int = 500


class Intake:
    """Takes submissions from the intake through the gates into the ledger, and settles them."""

    def __init__(
        self,
        *,
        rules: Rules,
        judged_by: Versions,
        ledger: Ledger,
        depot: Holds,
        appends: GroupCommit,
        recorder: Recorder,
        fanout: Fanout,
        metrics: Metrics,
        limits: Limits,
    ) -> None:
        self.rules = rules
        self._versions = judged_by
        self._ledger = ledger
        self._depot = depot
        self._appends = appends
        self._recorder = recorder
        self._fanout = fanout
        self._metrics = metrics
        self._limits = limits
        self._gates: Executor = ThreadPoolExecutor(1, "gates")
        self._in_hand = 0
        self._subscription: Subscription | None = None
        self._room = asyncio.Semaphore(_BATCHES_UNDER_WAY)
        self._away = asyncio.Event()
        self._away_because = ""

    @property
    def idle(self) -> bool:
        """Whether no submission is in hand, taken or not."""
        return self._in_hand == 0 and (self._subscription is None or self._subscription.unsettled == 0)

    @property
    def waits_for(self) -> str | None:
        """Why nothing is taken now: the ledger or the depot is away."""
        return self._away_because if self._away.is_set() else None

    async def run(self, link: Link, stop: asyncio.Event) -> None:
        """Consume the intake until stopped; then finish and acknowledge what is in hand."""
        # The first message may be what killed the router before: alone in the channel, it is parked alone.
        subscription = self._subscription = link.subscribe(topology.INTAKE, prefetch=1)
        stopping = asyncio.create_task(when(stop, subscription.stop))
        settling: set[asyncio.Task[None]] = set()
        narrow = True
        try:
            while True:
                # First room, then messages: what arrives while there is none makes the next batch larger.
                await self._room.acquire()
                if settling and subscription.waiting < self._limits.batch:
                    await asyncio.wait(settling, timeout=_GATHER_FOR, return_when=asyncio.FIRST_COMPLETED)
                batch = await self._next(subscription, settling, stop)
                if narrow and not batch[0].redelivered:
                    await subscription.widen(self._limits.prefetch)
                    narrow = False
                self._in_hand += len(batch)
                task = asyncio.create_task(self._take(subscription, batch))
                settling.add(task)
                task.add_done_callback(settling.discard)
        except Closed:
            pass
        finally:
            await asyncio.gather(*settling, return_exceptions=True)
            stopping.cancel()
            self._gates.shutdown()

    async def _next(
        self, subscription: Subscription, settling: set[asyncio.Task[None]], stop: asyncio.Event
    ) -> list[Incoming]:
        """Wait for the next batch; if something is found to be away meanwhile, wait for that first."""
        taking = asyncio.create_task(subscription.take(self._limits.batch))
        while not taking.done():
            away = asyncio.create_task(self._away.wait())
            await asyncio.wait({taking, away}, return_when=asyncio.FIRST_COMPLETED)
            away.cancel()
            if self._away.is_set():
                await asyncio.gather(*settling)
                await self._wait_for_dependencies(subscription, stop)
        return taking.result()

    async def _take(self, subscription: Subscription, batch: Sequence[Incoming]) -> None:
        try:
            deliveries = [delivery_of(incoming) for incoming in batch]
            settlements = await self.process(deliveries)
            reached("router.before-ack")
            acknowledged = [i for i, s in zip(batch, settlements, strict=True) if s is Settlement.ACK]
            subscription.ack_all(acknowledged)
            for incoming, settlement in zip(batch, settlements, strict=True):
                if settlement is Settlement.PARK:
                    subscription.reject(incoming)
        finally:
            self._in_hand -= len(batch)
            self._room.release()

    async def process(self, deliveries: Sequence[Delivery]) -> list[Settlement]:
        """Take submissions through all gates; return what the broker is to be told of each, after the commit."""
        settled: dict[int, Settlement] = {}
        waiting = dict(enumerate(deliveries))
        for _ in range(_MOST_REEXAMINATIONS):
            if not waiting:
                break
            try:
                found, judged_by = await self._in_gates(list(waiting.values()))
            except Transient as away:
                self._wait_because(away)
                settled.update(dict.fromkeys(waiting, Settlement.RETRY_LATER))
                break
            except Exception as bug:
                alone = await self._each_alone(list(waiting.values()), bug)
                settled.update(zip(waiting, alone, strict=True))
                break
            outcomes = await self._append(found, judged_by)
            again = {}
            for (place, delivery), outcome in zip(waiting.items(), outcomes, strict=True):
                if isinstance(outcome, Stale):
                    again[place] = delivery
                else:
                    settled[place] = await self._settle(delivery, outcome)
            waiting = again
        for place, delivery in waiting.items():
            if place not in settled:
                settled[place] = await self._settle(delivery, RuntimeError("examined too often"))
        return [settled[place] for place in range(len(deliveries))]

    async def _each_alone(self, deliveries: list[Delivery], bug: Exception) -> list[Settlement]:
        """Settle what was met by a bug that no single one could be blamed for: alone, only its cause suffers."""
        if len(deliveries) == 1:
            return [await self._settle(deliveries[0], bug)]
        return [one for delivery in deliveries for one in await self.process([delivery])]

    async def _in_gates(self, deliveries: list[Delivery]) -> tuple[list[Examined | Exception], Versions]:
        in_thread = partial(asyncio.get_running_loop().run_in_executor, self._gates)
        found, rules, judged_by = await in_thread(self._examine, deliveries)
        wanted = files_of(found)
        said = await self._depot.hold(wanted) if wanted else []
        return await in_thread(conclude, found, said, rules), judged_by

    def _examine(
        self, deliveries: list[Delivery]
    ) -> tuple[list[Passed | Examined | Exception], Rules, Versions]:
        reached("router.before-gates", (delivery.sha256 for delivery in deliveries))
        with self._ledger.read() as reader:
            if (in_force := versions(reader)) != self._versions:
                _, directory = directory_in_force(reader)
                _, calendar = calendar_in_force(reader)
                self._versions = in_force
                _log.info("versions-taken-up", directory=directory.version, calendar=calendar.version)
                self.rules = replace(self.rules, directory=directory, calendar=calendar)
            with self._metrics.gates.time():
                return examine(deliveries, self.rules, reader), self.rules, self._versions

    async def _append(
        self, found: list[Examined | Exception], judged_by: Versions
    ) -> list[Recorded | Exception]:
        """Record a batch in one append; if a bug is met in it, each by itself, so that only its own letter suffers."""
        examined = [one for one in found if not isinstance(one, Exception)]
        try:
            recorded = iter(await self._recorded(examined, judged_by))
        except Transient as away:
            return [one if isinstance(one, Exception) else away for one in found]
        return [one if isinstance(one, Exception) else next(recorded) for one in found]

    async def _recorded(self, examined: list[Examined], judged_by: Versions) -> list[Recorded | Exception]:
        append = partial(self._recorder.record_all, examined, judged_by)
        about = "statements" if all(isinstance(one, Stated) for one in examined) else "submissions"
        try:
            return list(await asyncio.wrap_future(self._appends.submit(append, about=about)))
        except Transient:
            raise
        except Exception as bug:
            if len(examined) == 1:
                return [bug]
            return [outcome for one in examined for outcome in await self._recorded([one], judged_by)]

    async def _settle(self, delivery: Delivery, outcome: Recorded | Exception) -> Settlement:
        if isinstance(outcome, Recorded):
            self._metrics.submissions.labels(outcome.outcome).inc()
            self._fanout.give(outcome.consignments)
            if outcome.left:
                self._fanout.sweep_now()
            return Settlement.ACK
        if isinstance(outcome, Transient):
            self._wait_because(outcome)
            return Settlement.RETRY_LATER
        self._metrics.submissions.labels("parked").inc()
        _log.error("bug-met", submission=delivery.sha256, agency=delivery.agency, error=outcome)
        if delivery.replay is not None:
            name = type(outcome).__name__
            failed = self._appends.submit(lambda writer: parking.replay_failed(writer, delivery, name))
            await asyncio.wrap_future(failed)
        return Settlement.PARK

    def _wait_because(self, away: Transient) -> None:
        if not self._away.is_set():
            _log.warning("dependency-away", reason=str(away))
            self._away_because = str(away)
            self._away.set()

    async def _wait_for_dependencies(self, subscription: Subscription, stop: asyncio.Event) -> None:
        """Give everything in hand back to the queue and take no more until ledger and depot answer."""
        await subscription.pause()
        for seconds in AWAY.waits():
            if stop.is_set() or await self._all_answer():
                break
            await pause(stop, seconds)
        self._away.clear()
        await subscription.resume()
        _log.info("dependencies-back")

    async def _all_answer(self) -> bool:
        try:
            await asyncio.to_thread(self._probe)
        except Transient:
            return False
        return await self._depot.ready()

    def _probe(self) -> None:
        """Raise Transient while nothing can be appended."""
        with self._ledger.append():
            pass


def delivery_of(incoming: Incoming) -> Delivery:
    """Return a message as a submission received now."""
    agency, user = parking.origin(incoming)
    announced = (incoming.type, incoming.message_id) if incoming.type and incoming.message_id else None
    return Delivery(raw=incoming.body, agency=agency, user=user, received_at=now(), announced=announced)
