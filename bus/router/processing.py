"""A router's work on submissions: through the gates into the ledger, and how each is settled after the commit.

| What happened                       | Ledger                                   | To the broker                       |
|-------------------------------------|------------------------------------------|-------------------------------------|
| accepted, refused                   | entry, consignments, answer              | ACK after the commit                |
| answered before                     | nothing new; the same answer again       | ACK                                 |
| database or depot away              | nothing                                  | RETRY_LATER: channel reopened       |
| any other exception                 | an entry when it is read from the parked | PARK: reject towards `dead`; alarm  |

The gates run in a thread beside the event loop, appends in another (group commit), so that heartbeats and confirms go
on while a large circular is written.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from enum import Enum
from functools import partial

from bus import logs
from bus.depot.client import PresenceClient
from bus.errors import Transient
from bus.failpoints import reached
from bus.identifiers import AgencyCode, RawDigest
from bus.ledger.entry import Kind
from bus.ledger.group import GroupCommit
from bus.ledger.reading import Reader
from bus.ledger.store import Ledger
from bus.process import pause
from bus.retry import AWAY
from bus.router import parking
from bus.router.activation import Versions, calendar_in_force, directory_in_force, versions
from bus.router.alarms import Alarms
from bus.router.concluding import conclude, files_of
from bus.router.delivery import Delivery, LetterChecked, Outcome, ReportAccepted
from bus.router.fanouts import Fanouts
from bus.router.gates import Rules, examine, to_be_inspected
from bus.router.inspecting import Inspected
from bus.router.inspectors import Inspectors
from bus.router.metrics import Metrics
from bus.router.recording import Recorded, Recorder, Stale
from bus.router.shares import Shares

_log = logs.get("router")
_MOST_REEXAMINATIONS = 20
_MOST_FAULTS = 1_000
_FRUITLESS = ("refused", "counted", "repeated")
"""Outcomes of submissions that cost the bus work and brought nobody anything."""


class Settlement(Enum):
    """What the broker is told about a submission."""

    ACK = "ack"
    RETRY_LATER = "retry later"
    PARK = "park"


class Processor:
    """Takes submissions through the gates into the ledger, and says how each is to be settled."""

    def __init__(
        self,
        *,
        rules: Rules,
        examined_under: Versions,
        ledger: Ledger,
        depot: PresenceClient,
        appends: GroupCommit,
        recorder: Recorder,
        fanouts: Fanouts,
        metrics: Metrics,
        shares: Shares,
        alarms: Alarms,
        inspectors: Inspectors | None = None,
    ) -> None:
        self.rules = rules
        self._versions = examined_under
        self._ledger = ledger
        self._depot = depot
        self._appends = appends
        self._recorder = recorder
        self._fanouts = fanouts
        self._metrics = metrics
        self._taking_up = threading.Lock()
        self._gates: Executor = ThreadPoolExecutor(1, "gates")
        self._shares = shares
        self._alarms = alarms
        self._inspectors = inspectors  # None: the thread of the gates inspects too
        self.faults: dict[RawDigest, str] = {}
        """By submission, the class of the fault that it met here lately: until it comes back from the parked queue."""
        self.waits_for: str | None = None
        """Why nothing is taken now: the ledger or the depot is away."""
        self._outage_events: list[asyncio.Event] = []
        self._asking = asyncio.Lock()

    def outage_event(self) -> asyncio.Event:
        """Return an event that is set whenever ledger or depot is found to be away; only its owner clears it.

        One for each consumer: what a consumer handed in and got back as RETRY_LATER it has to give back itself.
        """
        self._outage_events.append(event := asyncio.Event())
        return event

    async def until_back(self, stop: asyncio.Event) -> None:
        """Return when ledger and depot answer, or when stopped; of several that wait, one asks."""
        async with self._asking:
            for seconds in AWAY.backoff():
                if self.waits_for is None or stop.is_set():
                    return
                if await self.all_answer():
                    self.waits_for = None
                    _log.info("dependencies-back")
                    return
                await pause(stop, seconds)

    async def come_round(self) -> None:
        """Return once the thread of the gates has ended what it has to do now."""
        await asyncio.get_running_loop().run_in_executor(self._gates, int)

    def close(self) -> None:
        """End the thread of the gates, and the processes of the inspectors."""
        self._gates.shutdown()
        if self._inspectors:
            self._inspectors.close()

    async def process(self, deliveries: Sequence[Delivery]) -> list[Settlement]:
        """Take submissions through all gates; return what the broker is to be told of each, after the commit."""
        settled: dict[int, Settlement] = {}
        waiting = dict(enumerate(deliveries))
        rounds = 0
        try:
            inspected = await self._inspect(deliveries)
        except Transient as away:
            self._wait_because(away)
            return [Settlement.RETRY_LATER] * len(deliveries)
        while waiting and rounds < _MOST_REEXAMINATIONS:
            try:
                found, examined_under = await self._in_gates(list(waiting.values()), inspected)
            except Transient as away:
                self._wait_because(away)
                settled.update(dict.fromkeys(waiting, Settlement.RETRY_LATER))
                break
            except Exception as bug:
                alone = await self._each_alone(list(waiting.values()), bug)
                settled.update(zip(waiting, alone, strict=True))
                break
            outcomes = await self._append(found, examined_under)
            again = {}
            for (place, delivery), outcome in zip(waiting.items(), outcomes, strict=True):
                if isinstance(outcome, Stale):
                    again[place] = delivery
                else:
                    settled[place] = await self._settle(delivery, outcome)
            # A round that settles some of a batch comes nearer to its end, however many there are of one letter.
            rounds = rounds + 1 if len(again) == len(waiting) else 0
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

    async def _inspect(self, deliveries: Sequence[Delivery]) -> dict[RawDigest, Inspected | Exception]:
        raws = {one.sha256: one.raw for one in deliveries if to_be_inspected(one)}
        return await self._inspectors.inspect(raws) if self._inspectors else {}

    async def _in_gates(
        self, deliveries: list[Delivery], inspected: Mapping[RawDigest, Inspected | Exception]
    ) -> tuple[list[Outcome | Exception], Versions]:
        in_thread = partial(asyncio.get_running_loop().run_in_executor, self._gates)
        found, rules, examined_under = await in_thread(self._examine, deliveries, inspected)
        wanted = files_of(found)
        said = await self._depot.hold(wanted) if wanted else []
        return await in_thread(conclude, found, said, rules), examined_under

    def _examine(
        self, deliveries: list[Delivery], inspected: Mapping[RawDigest, Inspected | Exception]
    ) -> tuple[list[LetterChecked | Outcome | Exception], Rules, Versions]:
        reached("router.before-gates", (delivery.sha256 for delivery in deliveries))
        with self._ledger.read() as reader:
            self._take_up(reader)
            with self._metrics.gates.time():
                found = examine(deliveries, self.rules, reader, inspected)
            return found, self.rules, self._versions

    def refresh(self) -> None:
        """Take up the directory and the calendar in force. Raises Transient when the ledger is away."""
        with self._ledger.read() as reader:
            self._take_up(reader)

    def _take_up(self, reader: Reader) -> None:
        """Judge by the directory and the calendar that are in force."""
        with self._taking_up:
            if (in_force := versions(reader)) != self._versions:
                _, directory = directory_in_force(reader)
                _, calendar = calendar_in_force(reader)
                self._versions = in_force
                _log.info("versions-taken-up", directory=directory.version, calendar=calendar.version)
                self.rules = replace(self.rules, directory=directory, calendar=calendar)

    def watch_share(self, agency: AgencyCode, *, fruitless: int = 0) -> None:
        """Raise the alarm, once in a window, if an agency sends more than its share: all others go before it."""
        if fruitless:
            self._shares.use(agency, fruitless=fruitless)
        if not self._shares.to_be_informed(agency):
            return
        used = self._shares.used(agency)
        self._metrics.note_exceeded(agency)
        self._alarms.ring("share-exceeded", agency=agency, percent=used)
        entering = self._appends.submit(
            lambda writer: writer.entry(Kind.SHARE_EXCEEDED, agency=agency, percent=used)
        )
        self._alarms.watch(entering, "enter an exceeded share")

    async def _append(
        self, found: list[Outcome | Exception], examined_under: Versions
    ) -> list[Recorded | Exception]:
        """Record a batch in one append; if a bug is met in it, each by itself, so that only its own letter suffers."""
        examined = [one for one in found if not isinstance(one, Exception)]
        try:
            recorded = iter(await self._recorded(examined, examined_under))
        except Transient as away:
            return [one if isinstance(one, Exception) else away for one in found]
        return [one if isinstance(one, Exception) else next(recorded) for one in found]

    async def _recorded(
        self, examined: list[Outcome], examined_under: Versions
    ) -> list[Recorded | Exception]:
        append = partial(self._recorder.record_all, examined, examined_under)
        about = "reports" if all(isinstance(one, ReportAccepted) for one in examined) else "submissions"
        try:
            return list(await asyncio.wrap_future(self._appends.submit(append, about=about)))
        except Transient:
            raise
        except Exception as bug:
            if len(examined) == 1:
                return [bug]
            return [outcome for one in examined for outcome in await self._recorded([one], examined_under)]

    async def _settle(self, delivery: Delivery, outcome: Recorded | Exception) -> Settlement:
        if isinstance(outcome, Recorded):
            self._metrics.submissions.labels(outcome.outcome).inc()
            self._metrics.entered.add(outcome.entries)
            if outcome.outcome in _FRUITLESS and delivery.agency:
                self.watch_share(delivery.agency, fruitless=1)
            self._fanouts.publish(outcome.consignments)
            if outcome.left:
                self._fanouts.sweep_now()
            for alarm, fields in outcome.alarms:
                self._alarms.ring(alarm, **fields)
            return Settlement.ACK
        if isinstance(outcome, Transient):
            self._wait_because(outcome)
            return Settlement.RETRY_LATER
        self._metrics.submissions.labels("parked").inc()
        if delivery.agency:
            self.watch_share(delivery.agency, fruitless=1)
        self._note_fault(delivery.sha256, type(outcome).__name__)
        self._alarms.ring("bug-met", raw_sha256=delivery.sha256, agency=delivery.agency, exc_info=outcome)
        if delivery.replay is not None:
            name = type(outcome).__name__
            failed = self._appends.submit(lambda writer: parking.replay_failed(writer, delivery, name))
            await asyncio.wrap_future(failed)
        return Settlement.PARK

    def _note_fault(self, sha256: RawDigest, fault: str) -> None:
        self.faults.pop(sha256, None)
        self.faults[sha256] = fault
        if len(self.faults) > _MOST_FAULTS:
            del self.faults[next(iter(self.faults))]

    def _wait_because(self, away: Transient) -> None:
        if self.waits_for is None:
            _log.warning("dependency-away", reason=away)
            self.waits_for = logs.in_words(away)
        for event in self._outage_events:
            event.set()

    async def all_answer(self) -> bool:
        """Whether ledger and depot are there, and the processes that inspect."""
        try:
            await asyncio.to_thread(self._probe)
        except Transient:
            return False
        return await self._depot.ready() and (self._inspectors is None or await self._inspectors.ready())

    def _probe(self) -> None:
        """Raise Transient while nothing can be appended."""
        with self._ledger.append():
            pass
