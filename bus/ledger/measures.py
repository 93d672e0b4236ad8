"""What is asked of the ledger every few seconds to be watched by: few questions, each of them by an index.

Whatever grows with the age of the ledger is not read: a work list is short, and the rest is found at its newest end.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, case, func, select, text

from bus.documents.lifecycle import RULES, Speaker
from bus.documents.notice import Event
from bus.identifiers import AgencyCode
from bus.ledger import numbers
from bus.ledger.database import reading
from bus.ledger.entry import Entry, Kind, timestamp
from bus.ledger.moments import first_since
from bus.ledger.recipient_sets import RecipientSets
from bus.ledger.rows_in import rows_in
from bus.ledger.store import Ledger
from bus.ledger.tables import (
    anchors,
    checkpoints,
    consignments,
    cosignatures,
    due,
    entries,
    pending,
    submissions,
)

_DAY: Final = timedelta(days=1)
_MOST_DUE: Final = 10_000
_FEW: Final = 20
_MANY: Final = 500
"""Submissions of an agency that are looked at first, and at most: mostly the newest act of a clerk is among the few."""
_CLERKS: Final = frozenset(event for event, rule in RULES.items() if rule.by is Speaker.CLERK)
_BYTES: Final = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
    "postgresql": "SELECT pg_database_size(current_database())",
}
_WAY: Final = (Kind.ACCEPTED, Kind.CONSIGNED, Kind.NOTICE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """How the ledger and its work lists are; times as the ledger writes them, None where there is none."""

    entries: int
    pending: int
    on_hold: int
    pending_since: str | None
    """When the oldest consignment was given that no broker has confirmed; those on hold wait for their agency."""
    passed: int
    """Deadlines that have passed and are not judged, counted up to 10,000."""
    passed_since: str | None
    overdue: int
    """Overdue notices of the last day."""
    head_at: str | None
    unsigned_since: str | None
    """When the oldest entry was made that no signed head covers."""
    anchor_at: str | None
    cosignatures: int
    """Of the newest anchor."""
    cosigned_at: str | None
    """When a witness cosigned last."""


@dataclass(frozen=True, slots=True)
class Reading:
    """When an agency's clerks did something with a letter last, and when the first was delivered since."""

    acted_at: str | None = None
    unread_since: str | None = None
    through: int = 0
    """The number of the newest answer to a submission of the agency that was looked at."""


NOTHING_READ: Final = Reading()


@contextmanager
def measuring(ledger: Ledger) -> Iterator[Measures]:
    """Give the measures over one snapshot. Raises Transient when the database is away."""
    with reading(ledger.engine) as connection:
        yield Measures(connection)


class Measures:
    """Questions for those who watch, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sets = RecipientSets(connection)

    def all(self, at: datetime) -> Measured:
        """Return how everything is at a time."""
        counts = select(pending.c.on_hold, func.count()).group_by(pending.c.on_hold)
        waiting = {held: count for held, count in self._connection.execute(counts)}
        size, head_at = self._newest_head()
        anchor, anchor_at = self._newest_anchor()
        past = select(due.c.at).where(due.c.at < timestamp(at))
        some = past.limit(_MOST_DUE).subquery()
        unsigned = select(entries.c.at).where(entries.c.seq > size).order_by(entries.c.seq).limit(1)
        cosigned = select(func.count()).where(cosignatures.c.size == anchor)
        newest = select(cosignatures.c.at).order_by(cosignatures.c.size.desc()).limit(1)
        scalar = self._connection.scalar
        return Measured(
            entries=scalar(select(func.max(entries.c.seq))) or 0,
            pending=waiting.get(False, 0),
            on_hold=waiting.get(True, 0),
            pending_since=self._pending_since(),
            passed=scalar(select(func.count()).select_from(some)) or 0,
            passed_since=scalar(past.order_by(due.c.at).limit(1)),
            overdue=self._overdue_since(at - _DAY),
            head_at=head_at,
            unsigned_since=scalar(unsigned),
            anchor_at=anchor_at,
            cosignatures=scalar(cosigned) or 0,
            cosigned_at=scalar(newest),
        )

    def bytes(self) -> int:
        """Return the size of the ledger's database; on SQLite without what its log has and the file has not."""
        return int(self._connection.scalar(text(_BYTES[self._connection.dialect.name])) or 0)

    def given_at(self, keys: Iterable[tuple[AgencyCode, int]]) -> dict[AgencyCode, str]:
        """Return when consignments were given, one of each agency."""
        key = (consignments.c.agency, consignments.c.number)
        found = select(consignments.c.agency, entries.c.at).join(
            entries, entries.c.seq == consignments.c.entry
        )
        wanted = list(keys)
        if not wanted:
            return {}
        rows = self._connection.execute(found.where(rows_in(self._connection, key, wanted)))
        return {agency: at for agency, at in rows}

    def last_numbers(self, agencies: Sequence[AgencyCode]) -> dict[AgencyCode, int]:
        """Return the newest consignment number of each of these inboxes, 0 before the first."""
        return numbers.last_numbers(self._connection, agencies)

    def last_answers(self, agencies: Sequence[AgencyCode]) -> dict[AgencyCode, int]:
        """Return the number of the newest answer to a submission of each of these agencies, 0 before the first."""
        return numbers.last_answers(self._connection, agencies)

    def numbered(self, some: range) -> list[Entry]:
        """Return the entries of these numbers, in order."""
        these = entries.c.seq.between(some.start, some.stop - 1)
        query = select(entries.c.body).where(these).order_by(entries.c.seq)
        return [Entry(json.loads(body)) for body in self._connection.scalars(query)]

    def way_of(self, letter: int, after: int) -> list[Entry]:
        """Return the entries by which a letter has gone on its way, those numbered above `after`, in order.

        The acceptance has its recipients by agency. Raises Lost where the ledger has lost its set.
        """
        mine = select(entries.c.body, entries.c.kind).where(entries.c.letter == letter, entries.c.seq > after)
        rows = self._connection.execute(mine.order_by(entries.c.seq))
        return [self._sets.expanded(Entry(json.loads(row.body))) for row in rows if row.kind in _WAY]

    def reading_of(self, agency: AgencyCode, known: Reading = NOTHING_READ) -> Reading:
        """Return when an agency's clerks acted last and when the first letter was delivered since.

        Looked at are the submissions after what is `known`, the newest 500 of them at most: of an agency that has said
        more without an act of a clerk, the oldest receipt among these counts.
        """
        unread_since: str | None = None
        through = known.through
        for most in (_FEW, _MANY):
            unread_since, seen = None, 0
            for row in self._submissions(agency, known.through, most):
                seen, through = seen + 1, max(through, row.answer)
                event = json.loads(row.body)["event"] if row.kind == Kind.NOTICE else None
                if event in _CLERKS:
                    return Reading(row.at, unread_since, through)
                if event == Event.DELIVERED:
                    unread_since = row.at
            if seen < most:
                break
        return Reading(known.acted_at, known.unread_since or unread_since, through)

    def _submissions(self, agency: AgencyCode, after: int, most: int) -> Sequence[Any]:
        """The newest submissions of an agency, of any type: whoever only sends has no others to be looked for."""
        mine = (submissions.c.agency == agency, submissions.c.answer > after)
        newest = select(submissions.c.entry, submissions.c.answer).where(*mine)
        some = newest.order_by(submissions.c.answer.desc()).limit(most).subquery()
        notice = case((entries.c.kind == Kind.NOTICE, entries.c.body), else_=None).label("body")
        query = select(entries.c.at, entries.c.kind, notice, some.c.answer)
        joined = query.join(entries, entries.c.seq == some.c.entry)
        return self._connection.execute(joined.order_by(some.c.answer.desc())).all()

    def _newest_head(self) -> tuple[int, str | None]:
        query = select(checkpoints.c.size, checkpoints.c.at).order_by(checkpoints.c.size.desc()).limit(1)
        row = self._connection.execute(query).first()
        return (row.size, row.at) if row else (0, None)

    def _newest_anchor(self) -> tuple[int, str | None]:
        query = select(anchors.c.size, anchors.c.at).order_by(anchors.c.size.desc()).limit(1)
        row = self._connection.execute(query).first()
        return (row.size, row.at) if row else (0, None)

    def _pending_since(self) -> str | None:
        # What is only said again was given long ago.
        first = select(pending.c.agency, func.min(pending.c.number).label("number"))
        waiting = first.where(~pending.c.on_hold, ~pending.c.repeat).group_by(pending.c.agency).subquery()
        same = (consignments.c.agency == waiting.c.agency) & (consignments.c.number == waiting.c.number)
        query = select(func.min(entries.c.at)).select_from(
            waiting.join(consignments, same).join(entries, entries.c.seq == consignments.c.entry)
        )
        found: str | None = self._connection.scalar(query)
        return found

    def _overdue_since(self, moment: datetime) -> int:
        first = first_since(self._connection, entries.c.seq, entries.c.at, timestamp(moment))
        if first is None:
            return 0
        query = select(func.count()).where(entries.c.kind == Kind.OVERDUE, entries.c.seq >= first)
        return self._connection.scalar(query) or 0
