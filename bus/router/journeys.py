"""How long letters take from step to step, by the ledger's own times.

Each pair of facts is observed once, by the router that entered the later one: it notes the numbers of what it enters,
and looks them up afterwards, away from the append lock, in small portions. What it cannot keep up with it leaves out
and counts. The two facts come in either order: a receipt may be entered before the confirm of the broker is.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Self

from prometheus_client import CollectorRegistry, Counter, Histogram

from bus.documents.notice import Event
from bus.errors import Transient
from bus.identifiers import AgencyCode
from bus.ledger.database import reading
from bus.ledger.entry import Entry, Kind
from bus.ledger.measures import Measures
from bus.ledger.recipient_sets import KeptSets, Lost, RecipientSets
from bus.ledger.store import Ledger
from bus.process import pause

_EVERY = 2.0
_MOST_WAITING, _MOST_AT_ONCE = 200_000, 2_000
_MOST_IN_MEMORY = 50_000
"""Recipients of the letters that are remembered, all together."""
_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
BUCKETS = (
    *(0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0),
    *(_MINUTE, 5 * _MINUTE, 15 * _MINUTE, _HOUR, 4 * _HOUR),
    *(_DAY, 2 * _DAY, 4 * _DAY, 8 * _DAY),
)


class Step(StrEnum):
    """The facts of a letter's way, each with the one before it as its beginning."""

    ACCEPTED = "accepted"
    """From the receipt of the submission by a router to its acceptance."""
    CONSIGNED = "consigned"
    DELIVERED = "delivered"
    REGISTERED = "registered"


_ORDER = (Step.CONSIGNED, Step.DELIVERED, Step.REGISTERED)
_SAID: dict[str | None, Step] = {Event.DELIVERED: Step.DELIVERED, Event.REGISTERED: Step.REGISTERED}
_WAY = (Kind.ACCEPTED, Kind.CONSIGNED, Kind.NOTICE)
Observed = tuple[Step, float]


class Entered:
    """The numbers of the entries that this router has made and that were not looked at yet."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._ranges: deque[range] = deque()
        self._count = 0
        self._missed = Counter(
            "saraban_router_journey_missed_total",
            "Entries whose times were not observed, because more were made than could be looked at.",
            registry=registry,
        )

    def add(self, made: range) -> None:
        """Note entries that are committed."""
        if not made:
            return
        last = self._ranges[-1] if self._ranges else None
        if last and last.stop == made.start and len(last) < _MOST_AT_ONCE:
            self._ranges[-1] = range(last.start, made.stop)
        else:
            self._ranges.append(made)
        self._count += len(made)
        while self._count > _MOST_WAITING:
            dropped = self._ranges.popleft()
            self._count -= len(dropped)
            self._missed.inc(len(dropped))

    def take(self) -> list[range]:
        """Take the oldest of them, as many as are looked at at once."""
        taken: list[range] = []
        while self._ranges and sum(map(len, taken)) < _MOST_AT_ONCE:
            taken.append(self._ranges.popleft())
        self._count -= sum(map(len, taken))
        return sorted(taken, key=lambda made: made.start)

    def put_back(self, taken: list[range]) -> None:
        """Look at these again later."""
        self._ranges.extendleft(reversed(taken))
        self._count += sum(map(len, taken))


@dataclass(slots=True)
class _Way:
    """What is known of one letter: of each recipient, for each step, the first entry that has it, and its time."""

    accepted_at: str
    numbers: dict[AgencyCode, int]
    through: int
    facts: dict[Step, dict[AgencyCode, tuple[int, str]]] = field(default_factory=lambda: defaultdict(dict))

    @classmethod
    def begun(cls, accepted: Entry) -> Self:
        """A letter as its acceptance says, which has its recipients by agency."""
        body = accepted.body
        return cls(
            body["at"], {code: one["consignment"] for code, one in body["recipients"].items()}, accepted.seq
        )

    def learn(self, entry: Entry) -> None:
        """Take up an entry about it; only the first fact of a kind counts, and corrections are none."""
        self.through = entry.seq
        for step, agency in self.facts_in(entry):
            self.facts[step].setdefault(agency, (entry.seq, entry.body["at"]))

    def facts_in(self, entry: Entry) -> Iterator[tuple[Step, AgencyCode]]:
        """Yield the steps that an entry is about, with the recipients."""
        body = entry.body
        if body["kind"] == Kind.CONSIGNED:
            for agency, numbers in body["recipients"].items():
                if self.numbers.get(agency) in numbers:
                    yield Step.CONSIGNED, agency
        elif (step := _SAID.get(body.get("event"))) and body["agency"] in self.numbers:
            yield step, body["agency"]

    def observed(self, entry: Entry) -> Iterator[Observed]:
        """Yield the times between each fact of an entry and the one before it, and the one after if that came first."""
        for step, agency in self.facts_in(entry):
            if self.facts[step].get(agency, (0, ""))[0] != entry.seq:
                continue
            place, at = _ORDER.index(step), entry.body["at"]
            before = self.facts[_ORDER[place - 1]].get(agency) if place else (0, self.accepted_at)
            if before and before[0] < entry.seq:
                yield step, seconds_between(before[1], at)
            after = self.facts[_ORDER[place + 1]].get(agency) if place + 1 < len(_ORDER) else None
            if after and after[0] < entry.seq:
                yield _ORDER[place + 1], 0.0


class Journeys:
    """Looks up what this router has entered, and observes the times.

    Where it has entered one after another, all that was said of a letter since it was known is at hand; only where
    somebody else entered between is the ledger asked for the letter.
    """

    def __init__(self, ledger: Ledger, entered: Entered, registry: CollectorRegistry) -> None:
        self._ledger = ledger
        self._entered = entered
        self._ways: OrderedDict[int, _Way] = OrderedDict()
        self._size = 0
        self._unbroken = range(0)
        """The numbers that have been looked at last, one after another without a gap."""
        self._sets = KeptSets()
        self._histogram = Histogram(
            "saraban_router_journey_seconds",
            "Seconds from the step before to this step of a letter, for each recipient, by the times of the ledger.",
            ["step"],
            buckets=BUCKETS,
            registry=registry,
        )
        self._of_step = {step: self._histogram.labels(step) for step in Step}

    async def run(self, stop: asyncio.Event) -> None:
        """Look again and again, until stopped."""
        while not stop.is_set():
            await self.look()
            await pause(stop, _EVERY)

    async def look(self) -> None:
        """Observe some of what has been entered."""
        if not (taken := self._entered.take()):
            return
        try:
            found = await asyncio.to_thread(self._look, taken)
        except Transient:
            self._entered.put_back(taken)
            return
        for step, seconds in found:
            self._of_step[step].observe(seconds)

    def _look(self, taken: list[range]) -> list[Observed]:
        found: list[Observed] = []
        with reading(self._ledger.engine) as connection:
            measures, sets = Measures(connection), RecipientSets(connection, self._sets)
            for some in taken:
                if some.start != self._unbroken.stop:
                    self._unbroken = range(some.start, some.start)
                for entry in measures.numbered(some):
                    self._take_up(sets, entry)
                    found += self._of(measures, entry)
                self._unbroken = range(self._unbroken.start, some.stop)
        return found

    def _take_up(self, sets: RecipientSets, entry: Entry) -> None:
        """Learn of an entry's letter by the entry itself, where nothing can have been said of it between."""
        if entry.letter is None or entry.body["kind"] not in _WAY:
            return
        way = self._ways.get(entry.letter)
        if way is not None and self._unbroken.start <= way.through < entry.seq:
            way.learn(entry)
        elif way is None and entry.body["kind"] == Kind.ACCEPTED:
            with suppress(Lost):  # `ledger verify` finds it
                self._remember(entry.letter, _Way.begun(sets.expanded(entry)))

    def _of(self, measures: Measures, entry: Entry) -> Iterator[Observed]:
        body = entry.body
        if body["kind"] == Kind.ACCEPTED:
            yield Step.ACCEPTED, seconds_between(body["receivedAt"], body["at"])
            return
        if entry.letter is None or not (body["kind"] == Kind.CONSIGNED or body.get("event") in _SAID):
            return
        if way := self._way(measures, entry.letter, entry.seq):
            yield from way.observed(entry)

    def _way(self, measures: Measures, letter: int, seq: int) -> _Way | None:
        """Return what is known of a letter, at least up to an entry; None where its beginning is lost."""
        way = self._ways.get(letter)
        if way is None or way.through < seq:
            try:
                entries = measures.way_of(letter, way.through if way else 0)
            except Lost:
                return None  # `ledger verify` finds it
            way = way or _Way.begun(entries.pop(0))
            for entry in entries:
                way.learn(entry)
        self._remember(letter, way)
        return way

    def _remember(self, letter: int, way: _Way) -> None:
        """Have a letter's way in the place of those that were not asked for the longest."""
        if letter not in self._ways:
            self._size += len(way.numbers)
        self._ways[letter] = way
        self._ways.move_to_end(letter)
        while self._size > _MOST_IN_MEMORY and len(self._ways) > 1:
            _, oldest = self._ways.popitem(last=False)
            self._size -= len(oldest.numbers)


def seconds_between(first: str, second: str) -> float:
    """Return the seconds from one time of the ledger to another, 0 where clocks differ and it is the earlier."""
    return max(0.0, (datetime.fromisoformat(second) - datetime.fromisoformat(first)).total_seconds())
