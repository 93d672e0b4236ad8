"""Asking for what is missing (P13): the adapter states what it has.

- Once a day, and when somebody asks.
- When a consignment is missing, though later ones have come, and still is some minutes later.
- When there is no directory, or a mailbox begins with a gap: it was made anew, or brought back from long ago.
- When an acceptance waits for the list of its recipients, and something is missing.
- When the bus has answered documents that are not here any more: it then gives copies of them.

It does so when nothing has come in for a while: what is still in the broker's queue is not missing.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from uuid import uuid4

from adapters.agent.tuning import Tuning
from adapters.mailbox import Mailbox
from adapters.mailbox.properties import RECONCILE_ASKED_AT, RECONCILE_DONE_FOR, RECONCILED_AT
from bus.documents.reports import MOST_GAPS, Reconciliation, octets
from bus.logs import get
from bus.thai import now

_LOG = get(__name__)
EVERY = timedelta(days=1)
_PATIENCE = 20
"""How many such pauses a report waits for one: in a busy office something comes in all day."""
_ASK_AGAIN_FIRST, _ASK_AGAIN_LAST = 60.0, 900.0
"""Seconds after which what was asked for by itself, and has not come, is asked for again; doubled each time."""


class Gaps:
    """When the gaps of a mailbox are to be asked about: each some minutes after it was seen, then more and more seldom.

    What overtook another consignment by seconds is no gap; and after a fault of the whole bus not every adapter asks
    in the same minute.
    """

    def __init__(self, mailbox: Mailbox, after: float) -> None:
        """`after`: seconds from the first sight of a gap to the first question."""
        self._mailbox = mailbox
        self._after = after
        self._newest = 0
        """The last number of the newest gap that was seen."""
        self._look_at = self._pause = 0.0
        self._due_at: float | None = None

    def due(self, clock: float) -> bool:
        """Whether to ask now (monotonic seconds)."""
        if clock >= self._look_at or (self._due_at is not None and clock >= self._due_at):
            self._look_at = clock + self._after / 5
            self._look(clock)
        return self._due_at is not None and clock >= self._due_at

    def asked(self, clock: float) -> None:
        """Note that they have been asked about."""
        if self._due_at is not None:
            self._pause = min(self._pause * 2, EVERY.total_seconds())
            self._due_at = clock + _jittered(self._pause)

    def _look(self, clock: float) -> None:
        gaps = self._mailbox.arrivals.gaps()
        if not gaps:
            self._due_at = None
        elif self._due_at is None or gaps[-1].last > self._newest:
            self._newest, self._pause = gaps[-1].last, self._after
            at = clock + _jittered(self._pause)
            self._due_at = at if self._due_at is None else min(at, self._due_at)


def _jittered(seconds: float) -> float:
    return random.uniform(0.8, 1.2) * seconds


class Reconciler:
    """States what has arrived, when that is due."""

    def __init__(
        self,
        mailbox: Mailbox,
        last_arrival: Callable[[], float],
        tuning: Tuning,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """`last_arrival` tells when something came in last, or could have begun to (`steady`, monotonic seconds)."""
        self._mailbox = mailbox
        self._steady = steady
        self._gaps = Gaps(mailbox, tuning.gap_after)
        self._last_arrival = last_arrival
        self._quiet = tuning.quiet
        self._look_every = tuning.look_every
        self._pause = _ASK_AGAIN_FIRST
        self._not_before = 0.0
        self._due_since: float | None = None
        self._unplaced = 0
        """The newest answer without a document that was asked about."""
        self._awaiting = 0
        """The newest acceptance without its list that was asked about."""

    def work(self) -> float:
        """State it if that is due and nothing comes in; give the seconds until the next look."""
        properties = self._mailbox.properties
        asked, done_at = properties.get(RECONCILE_ASKED_AT), properties.get(RECONCILED_AT)
        # By what was asked and not by when: clocks are put back.
        due = asked is not None and asked != properties.get(RECONCILE_DONE_FOR)
        if not due and not self._lacks_something(fresh=done_at is None):
            if done_at is None:
                # In a new mailbox nothing can be missing yet: its first day begins.
                properties.set(RECONCILED_AT, now().isoformat())
                return self._look_every
            since = now() - datetime.fromisoformat(done_at)
            if timedelta(0) <= since < EVERY:
                return self._look_every
        clock = self._steady()
        self._due_since = self._due_since or clock
        still = clock - self._last_arrival()
        if still < self._quiet and clock - self._due_since < _PATIENCE * self._quiet:
            return self._quiet - still
        self._due_since = None
        self._state(asked)
        return self._look_every

    def _lacks_something(self, *, fresh: bool) -> bool:
        """Whether there is a reason to ask that nobody has to think of; more and more seldom while it stays."""
        mailbox = self._mailbox
        unplaced = max((row for _, row in mailbox.arrivals.unplaced()), default=0)
        awaiting = self._awaiting_list()
        new = unplaced > self._unplaced or awaiting > self._awaiting or self._gaps.due(self._steady())
        # What is new is asked about at once; one report is under way at a time.
        if mailbox.outbox.reporting() or (not new and self._steady() < self._not_before):
            return False
        lacks = new or awaiting > 0 or mailbox.directory() is None
        return lacks or (fresh and bool(mailbox.arrivals.gaps()))

    def _awaiting_list(self) -> int:
        """The newest acceptance that waits for a list which may be among what is missing; 0 for none."""
        awaiting = self._mailbox.awaiting_list()
        return awaiting if awaiting and self._mailbox.arrivals.gaps() else 0

    def _state(self, asked: str | None) -> None:
        mailbox = self._mailbox
        with mailbox.transaction():
            report = reconciliation(mailbox)
            mailbox.outbox.put_report(str(report.id), octets(report), "reconciliation")
            mailbox.properties.set(RECONCILED_AT, report.at.isoformat())
            if asked is not None:
                mailbox.properties.set(RECONCILE_DONE_FOR, asked)
            self._unplaced = max((row for _, row in mailbox.arrivals.unplaced()), default=0)
            self._awaiting = self._awaiting_list()
        self._gaps.asked(self._steady())
        self._not_before = self._steady() + self._pause
        self._pause = min(self._pause * 2, _ASK_AGAIN_LAST)
        _LOG.info(
            "reconciliation-requested",
            highest=report.highest,
            gaps=len(report.missing),
            unplaced=len(report.unplaced),
        )


def reconciliation(mailbox: Mailbox) -> Reconciliation:
    """What this mailbox has of its consignments."""
    highest, gaps = mailbox.arrivals.highest(), mailbox.arrivals.gaps()
    contiguous = gaps[0].first - 1 if gaps else highest
    directory = mailbox.directory()
    # Of more gaps than a report may bear, the first; once those are closed the others are asked for.
    missing = tuple((gap.first, gap.last) for gap in gaps[:MOST_GAPS])
    unplaced = spans(number for number, _ in mailbox.arrivals.unplaced())
    return Reconciliation(
        id=uuid4(),
        agency=mailbox.agency,
        at=now(),
        contiguous=contiguous,
        highest=highest,
        missing=missing,
        unplaced=tuple(unplaced[:MOST_GAPS]),
        directory=directory.version if directory else 0,
    )


def spans(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Ascending numbers as spans, first to last."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number <= found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found
