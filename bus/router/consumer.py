"""A router's consumer: it takes submissions from a cluster's intake queues, in turn, and settles each.

Agencies take turns, and who exceeds its share waits until nobody else does (shares.py). What a router takes at once is
bounded by the time that it has taken lately, for whoever comes next waits for it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bus import logs
from bus.broker import topology
from bus.broker.link import Link
from bus.broker.messages import Closed, Incoming
from bus.broker.subscription import Subscription
from bus.errors import Transient
from bus.failpoints import reached
from bus.identifiers import AgencyCode
from bus.process import pause, when
from bus.router import parking
from bus.router.delivery import Delivery
from bus.router.processing import Processor, Settlement
from bus.router.shares import FairOrder, Shares
from bus.thai import now

_log = logs.get("router")
_BATCHES_UNDER_WAY = 3
_GATHER_FOR = 0.1
"""Seconds that a batch which is not full waits at most for the end of one under way: what comes meanwhile shares its
transactions. An idle router waits for nothing; one whose depot is slow goes on with what needs no depot."""
_BATCH_TAKES = 0.75
"""Seconds that a batch should take at most: whoever comes next waits for those under way."""
_FEWEST = 8
_COVER_EVERY = 1.0
"""Seconds between looks for agencies that are new in the directory."""
_IN_HAND = 4_000
"""Submissions that a router holds unacknowledged: of each agency its part of these, and at most `prefetch`."""
_WIDE = 128
"""So many of an agency are held that sends one after another, where its part is smaller: in a country it is one."""
_ONE_AFTER_ANOTHER = 0.5
"""Seconds between the end of an agency's batch and its next submission."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a router takes at once."""

    batch: int = 128
    prefetch: int = 500


class Consumer:
    """Consumes the intake queue of every agency on one broker cluster and hands batches to the gates."""

    def __init__(
        self, intake: Processor, shares: Shares, limits: Limits, codes: Callable[[], Sequence[AgencyCode]]
    ) -> None:
        """`codes` returns the agencies that are on the cluster now."""
        self._intake = intake
        self._codes = codes
        self._outage = intake.outage_event()
        self._shares = shares
        self._limits = limits
        self._order = FairOrder(shares, limits.batch)
        self._seconds_each = 0.01
        """What a submission has taken lately, with those that were under way beside it."""
        self._in_flight: Counter[AgencyCode | None] = Counter()
        """Of each agency, how many are taken and not settled yet."""
        self._subscription: Subscription | None = None
        self._settled_at: dict[AgencyCode, float] = {}
        """When a batch with submissions of an agency was settled last (event loop's time)."""
        self._free_batches = asyncio.Semaphore(_BATCHES_UNDER_WAY)

    def idle_of(self, agencies: Sequence[AgencyCode]) -> bool:
        """Whether no submission of these agencies has arrived and is not settled."""
        if any(self._in_flight[agency] for agency in agencies):
            return False
        exchanges = [topology.submit_exchange(agency) for agency in agencies]
        return self._subscription is None or not self._subscription.unsettled_from(exchanges)

    @property
    def missing(self) -> int:
        """How many agencies' intake queues are not consumed now."""
        return self._subscription.missing if self._subscription else 0

    async def run(self, link: Link, stop: asyncio.Event) -> None:
        """Consume these intakes until stopped; then finish and acknowledge what was taken."""
        codes = self._codes()
        prefetch = max(1, min(self._limits.prefetch, _IN_HAND // max(1, len(codes))))
        subscription = self._subscription = link.subscribe(
            *map(topology.intake_queue, codes), prefetch=prefetch, order=self._order, careful=True
        )
        stopping = asyncio.create_task(when(stop, subscription.stop))
        covering = asyncio.create_task(self._cover(subscription, stop), name="cover new agencies")
        settling: set[asyncio.Task[None]] = set()
        try:
            while True:
                # First room, then messages: what arrives while there is none makes the next batch larger.
                await self._free_batches.acquire()
                if settling and self._order.only_exceeding:
                    await asyncio.wait(settling)
                elif settling and subscription.waiting < self._limits.batch:
                    await asyncio.wait(settling, timeout=_GATHER_FOR, return_when=asyncio.FIRST_COMPLETED)
                batch = await self._next(subscription, settling, stop)
                self._in_flight.update(map(_agency_of, batch))
                task = asyncio.create_task(self._take(subscription, batch, prefetch))
                settling.add(task)
                task.add_done_callback(settling.discard)
        except Closed:
            pass
        finally:
            covering.cancel()
            await asyncio.gather(covering, *settling, return_exceptions=True)
            stopping.cancel()

    async def _cover(self, subscription: Subscription, stop: asyncio.Event) -> None:
        """Take up a new directory or calendar, and consume the queues of new agencies."""
        while not stop.is_set():
            await pause(stop, _COVER_EVERY)
            try:
                await asyncio.to_thread(self._intake.refresh)
            except Transient as away:
                _log.info("versions-not-read", reason=away)
                continue
            await subscription.cover(map(topology.intake_queue, self._codes()))

    async def _next(
        self, subscription: Subscription, settling: set[asyncio.Task[None]], stop: asyncio.Event
    ) -> list[Incoming]:
        """Wait for the next batch; if something is found to be away meanwhile, wait for that first."""
        taking = asyncio.create_task(subscription.take(self._batch_size()))
        while not taking.done():
            away = asyncio.create_task(self._outage.wait())
            await asyncio.wait({taking, away}, return_when=asyncio.FIRST_COMPLETED)
            away.cancel()
            if self._outage.is_set():
                await asyncio.gather(*settling)
                await self._wait_for_dependencies(subscription, stop)
        return taking.result()

    def _batch_size(self) -> int:
        """How many submissions to take at once, so that those who come next do not wait long for them."""
        return max(_FEWEST, int(_BATCH_TAKES / self._seconds_each))

    async def _take(self, subscription: Subscription, batch: Sequence[Incoming], prefetch: int) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        agencies = {agency for agency in map(_agency_of, batch) if agency is not None}
        busy = {one for one in agencies if began - self._settled_at.get(one, 0.0) < _ONE_AFTER_ANOTHER}
        try:
            deliveries = [self._delivery_of(incoming) for incoming in batch]
            settlements = await self._intake.process(deliveries)
            reached("router.before-ack")
            acknowledged = [i for i, s in zip(batch, settlements, strict=True) if s is Settlement.ACK]
            subscription.ack_all(acknowledged)
            for incoming, settlement in zip(batch, settlements, strict=True):
                if settlement is Settlement.PARK:
                    subscription.reject(incoming)
            self._settled_at.update(dict.fromkeys(agencies, clock()))
            if (more := min(_WIDE, self._limits.prefetch) - prefetch) > 0:
                for agency in busy:
                    await subscription.widen(topology.intake_queue(agency), more)
        finally:
            if len(batch) >= _FEWEST:  # in a smaller one, most of the time is not that of its submissions
                self._seconds_each += 0.3 * ((clock() - began) / len(batch) - self._seconds_each)
            self._in_flight.subtract(map(_agency_of, batch))
            self._free_batches.release()

    def _delivery_of(self, incoming: Incoming) -> Delivery:
        """Once in a window, have an agency that exceeds its share told so by the answer to one of its submissions."""
        if (agency := _agency_of(incoming)) is None:
            return delivery_of(incoming)
        self._intake.watch_share(agency)
        return delivery_of(incoming, exceeding=self._shares.to_be_flagged(agency))

    async def _wait_for_dependencies(self, subscription: Subscription, stop: asyncio.Event) -> None:
        """Give everything unsettled back to the queue and take no more until ledger and depot answer."""
        await subscription.pause()
        self._outage.clear()
        await self._intake.until_back(stop)
        await subscription.resume()


def _agency_of(incoming: Incoming) -> AgencyCode | None:
    return topology.agency_of_exchange(incoming.exchange)


def delivery_of(incoming: Incoming, *, exceeding: bool = False) -> Delivery:
    """Return a message as a submission received now; `exceeding` as in Delivery."""
    agency, user = parking.origin(incoming)
    announced = (incoming.type, incoming.message_id) if incoming.type and incoming.message_id else None
    return Delivery(
        raw=incoming.body,
        agency=agency,
        user=user,
        received_at=now(),
        announced=announced,
        asked=incoming.asked,
        exceeding=exceeding,
    )
