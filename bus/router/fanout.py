"""Fan-out: pending consignments to one cluster's inboxes, confirmed one by one; one dead agency delays nobody.

Each agency has a courier with at most `OUTSTANDING` publishes under way. The first publish of a channel to a quorum
queue waits for the queue's answer, and everything else on that channel with it: for a minute, if the queue does not
answer. That is so again for every new channel, however often the queue has answered on others. So each courier has a
lane of its own, and another while its circuit is open; only beyond `LANES` agencies do some share one. What fails
stays pending and is tried again when the circuit lets it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

from bus import logs
from bus.broker.link import Link
from bus.broker.messages import Closed, Nacked, Rejected, Returned, Unconfirmed
from bus.errors import Transient
from bus.failpoints import reached
from bus.identifiers import MAIN, AgencyCode
from bus.ledger.group import GroupCommit
from bus.ledger.rows import Consignment
from bus.ledger.store import Ledger
from bus.ledger.work import ANYONE, Lease, Whose
from bus.process import either
from bus.retry import CONSIGN
from bus.router.alarms import Alarms
from bus.router.budget import MOST_IN_MEMORY, Bodies, OnTheWay
from bus.router.confirmations import Confirmations
from bus.router.couriers import LANES, OUTSTANDING, Courier, Sent, give_up, message_of, note_failure
from bus.router.recording import LEASE_FOR
from bus.thai import now

_CONFIRM_WITHIN = 20.0
_MOST_WAITING, _MOST_WAITING_IN_ALL = 256, 2_000
"""Consignments kept in memory for one agency and for all (budget.py limits their bytes): a broker that takes nothing
must not fill the memory."""
_log = logs.get("fanout")


class Fanout:
    """Publishes what is pending and records what the broker confirmed."""

    def __init__(
        self,
        link: Link,
        ledger: Ledger,
        appends: GroupCommit,
        *,
        router: str,
        alarms: Alarms,
        cluster: str = MAIN,
        whose: Callable[[], Whose] = lambda: ANYONE,
        most_bytes: int = 2 * 1024 * 1024,
        head: Callable[[], str | None] = lambda: None,
        on_trouble: Callable[[AgencyCode, str], None] = lambda agency, reason: None,
        on_entered: Callable[[range], None] = lambda made: None,
    ) -> None:
        self._link = link
        self._ledger = ledger
        self._appends = appends
        self._router = router
        self._alarms = alarms
        self._cluster = cluster
        self._whose = whose
        """Returns the agencies that are on this cluster now."""
        self._most_bytes = most_bytes
        """What the broker takes in one message (its `max_message_size`)."""
        self._head = head
        self._on_trouble = on_trouble
        self._couriers: dict[AgencyCode, Courier] = {}
        self._kick = asyncio.Event()
        self._confirmations = Confirmations(appends, alarms, self._kick.set, on_entered)
        self._waiting = 0
        self._bodies = Bodies()
        self._on_the_way = OnTheWay()
        self._cut_off: dict[AgencyCode, Courier] = {}
        """Who was being published to when the link was lost: all go on at once when it is back."""
        self._returning: asyncio.Task[None] | None = None
        self._more = False
        """Whether the last sweep may have left something."""
        self._delivered_to: set[AgencyCode] = set()
        self.published = 0
        """How many consignments the broker has confirmed since the start."""

    @property
    def open_circuits(self) -> list[AgencyCode]:
        """The agencies whose inbox failed at the last attempt."""
        return sorted(courier.agency for courier in self._couriers.values() if courier.failures)

    def take_delivered_to(self) -> set[AgencyCode]:
        """Return the agencies that something was delivered to since this was asked last."""
        taken, self._delivered_to = self._delivered_to, set()
        return taken

    def publish(self, consignments: Iterable[Consignment]) -> None:
        """Publish consignments that this router has just committed and leased."""
        for consignment in consignments:
            courier = self._courier(consignment.agency)
            if len(consignment.body) > self._most_bytes:
                give_up(consignment, "too-large", self._appends, self._alarms)
            elif len(courier.waiting) < _MOST_WAITING and self._fits():
                courier.waiting.append(consignment)
                self._waiting += 1
                self._bodies.add(consignment.body)
            else:
                courier.behind = True
            self._start(courier)

    def _fits(self) -> bool:
        return self._waiting < _MOST_WAITING_IN_ALL and self._bodies.size < MOST_IN_MEMORY

    def sweep_now(self) -> None:
        """Look for pending consignments without waiting for the next sweep."""
        self._kick.set()

    async def run(self, stop: asyncio.Event, *, interval: float) -> None:
        """Sweep for pending consignments and record confirmations until stopped; then finish what is under way."""
        recorder = asyncio.create_task(self._confirmations.run(), name="record consigned")
        self._alarms.watch(recorder, "record consigned")
        try:
            while not stop.is_set():
                await self._sweep()
                if recorder.done():
                    recorder.result()  # a fault: what is confirmed would be published for ever
                await either(stop, self._kick, timeout=interval * random.uniform(0.8, 1.2))
                self._kick.clear()
        finally:
            for courier in self._couriers.values():
                self._drop(courier)
            if self._returning:
                self._returning.cancel()
            if answers := [one for courier in self._couriers.values() for one in courier.in_flight.values()]:
                await asyncio.wait(answers, timeout=_CONFIRM_WITHIN)
            recorder.cancel()
            await asyncio.gather(recorder, return_exceptions=True)
            await self._confirmations.record()

    async def _sweep(self) -> None:
        """Lease what no router has leased, agencies with open circuits only when their pause is over."""
        clock = asyncio.get_running_loop().time()
        busy = [
            courier.agency
            for courier in self._couriers.values()
            if courier.resume_at > clock or len(courier.waiting) >= OUTSTANDING
        ]
        try:
            found = await asyncio.to_thread(self._lease, busy)
        except Transient as away:
            _log.warning("sweep-postponed", reason=away)
            return
        self.publish(found)
        for courier in self._couriers.values():
            self._start(courier)
        self._more = len(found) >= OUTSTANDING * 2

    def _lease(self, busy: list[AgencyCode]) -> list[Consignment]:
        """Lease what is free; what was leased and not kept is free again once its courier is idle."""
        caught_up = [
            courier for courier in list(self._couriers.values()) if courier.behind and not courier.busy
        ]
        for courier in caught_up:
            courier.behind = False
            self._ledger.release_leases(self._router, courier.agency)
        lease = Lease(self._router, now() + LEASE_FOR)
        theirs = self._whose()
        whose = replace(theirs, without=[*theirs.without, *busy])
        return self._ledger.lease(lease, limit=1000, per_agency=OUTSTANDING * 2, whose=whose)

    def _drop(self, courier: Courier) -> None:
        """Keep no more of a courier's consignments in memory: they stay pending."""
        self._waiting -= len(courier.waiting)
        for consignment in courier.waiting:
            self._bodies.remove(consignment.body)
        courier.behind = courier.behind or bool(courier.waiting)
        courier.waiting.clear()

    def _courier(self, agency: AgencyCode) -> Courier:
        return self._couriers.setdefault(agency, Courier(agency, len(self._couriers) % LANES))

    def _start(self, courier: Courier) -> None:
        if not courier.waiting or courier.resume_at > asyncio.get_running_loop().time():
            return
        while courier.waiting and courier.free_slots > 0:
            consignment = courier.waiting[0]
            if not self._on_the_way.take(courier, len(consignment.body)):
                return
            courier.waiting.popleft()
            self._waiting -= 1
            self._bodies.remove(consignment.body)
            if consignment.number in courier.in_flight:
                self._go_on(consignment)
                continue
            self._publish(courier, consignment)

    def _publish(self, courier: Courier, consignment: Consignment) -> None:
        sent = Sent(courier, consignment, self._link.connections, courier.rounds, courier.lane)
        try:
            reached("router.before-publish")
            message = message_of(consignment, self._head())
            answer = self._link.begin(message, deadline=_CONFIRM_WITHIN, lane=sent.lane)
        except Exception as failure:
            answer = asyncio.get_running_loop().create_future()
            answer.set_exception(failure)
        courier.in_flight[consignment.number] = answer
        answer.add_done_callback(partial(self._answered, sent))

    def _answered(self, sent: Sent, answer: asyncio.Future[None]) -> None:
        """Go on after a publish has ended, in whatever way."""
        courier = sent.courier
        del courier.in_flight[sent.consignment.number]
        if answer.cancelled():  # with the whole process: it stays pending
            return
        if failure := answer.exception():
            self._not_confirmed(sent, failure)
        else:
            reached("router.after-confirm")
            if courier.failures and courier.rounds == sent.rounds:
                courier.failures, courier.resume_at, courier.pauses = 0, 0.0, CONSIGN.backoff()
            self.published += 1
            self._delivered_to.add(courier.agency)
            self._confirmations.add(sent.consignment)
        self._go_on(sent.consignment)
        self._start(courier)
        if not courier.busy and (courier.behind or self._more):
            self._kick.set()

    def _not_confirmed(self, sent: Sent, failure: BaseException) -> None:
        courier, consignment = sent.courier, sent.consignment
        if isinstance(failure, Rejected):
            give_up(consignment, "rejected", self._appends, self._alarms)
            return
        self._put_back(courier, consignment)
        if not isinstance(failure, Transient):
            # Whether it went out is unknown: it stays pending, and this inbox pauses as it does for any failure.
            self._alarms.ring("background-failed", work="publish", agency=courier.agency, exc_info=failure)
            self._failed(courier, consignment, failure)
        elif isinstance(failure, Unconfirmed) and self._link_failed(sent.connection):
            self._cut(courier)
        elif courier.rounds == sent.rounds:
            if isinstance(failure, Nacked):
                self._link.renew(sent.lane)
            self._failed(courier, consignment, failure)

    def _go_on(self, done: Consignment) -> None:
        """Have the next courier go on that waited for room on the way."""
        if courier := self._on_the_way.give_back(len(done.body)):
            self._start(courier)

    def _put_back(self, courier: Courier, consignment: Consignment) -> None:
        courier.waiting.appendleft(consignment)
        self._waiting += 1
        self._bodies.add(consignment.body)
        if len(courier.waiting) > OUTSTANDING * 2:
            self._drop(courier)

    def _link_failed(self, connection: int) -> bool:
        """Whether it was the link that failed or is blocked, and not a channel or an inbox alone."""
        link = self._link
        return not link.connected or link.blocked or link.connections != connection

    def _cut(self, courier: Courier) -> None:
        """Begin anew when the link is back: that it was lost says nothing of the inbox."""
        courier.resume_at = float("inf")
        self._cut_off[courier.agency] = courier
        if self._returning is None or self._returning.done():
            reason = "what was being consigned is consigned again when it is back"
            _log.warning("link-failed", cluster=self._cluster, reason=reason)
            self._returning = asyncio.create_task(self._when_back(), name="consign again")
            self._alarms.watch(self._returning, "consign again")

    async def _when_back(self) -> None:
        try:
            await self._link.wait_connected()
        except Closed:
            return
        couriers, self._cut_off = self._cut_off, {}
        for courier in couriers.values():
            courier.resume_at = 0.0
            self._start(courier)
        _log.info("link-back", cluster=self._cluster, agencies=len(couriers))
        self._kick.set()

    def _failed(self, courier: Courier, consignment: Consignment, failure: BaseException) -> None:
        """Open the circuit: everything for this agency goes back to the pending list until the pause is over."""
        reason = type(failure).__name__
        first = courier.failures == 0
        courier.failures, courier.rounds = courier.failures + 1, courier.rounds + 1
        pause = next(courier.pauses)
        courier.resume_at = asyncio.get_running_loop().time() + pause
        self._on_trouble(courier.agency, reason)
        _log.warning("consignment-not-confirmed", agency=courier.agency, reason=reason, pause=round(pause, 1))
        if first and self._link.connected:
            note_failure(consignment, reason, self._appends, self._alarms)
        if isinstance(failure, Returned):
            self._alarms.ring("inbox-missing", agency=courier.agency)
        asyncio.get_running_loop().call_later(pause, self._start, courier)
