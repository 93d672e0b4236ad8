"""The registers of letters received and sent (forms 13 and 14 of the regulation), by year, as the mailbox has them.

A page is read from an index and goes on where the last one ended, so that the newest page of a million letters costs
what that of ten does. A register loses no line: a registration that was corrected stays, beside the one that replaced
it, and so does a letter that the bus refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select

from adapters.mailbox.database import Database
from adapters.mailbox.entries import OutboxEntry, outgoing
from adapters.mailbox.inbox import InboxLetter, received
from adapters.mailbox.notices import NoticeRow, row_of
from adapters.mailbox.pings import PING
from adapters.mailbox.tables import inbox, notices, outbox
from bus.thai import BUDDHIST_OFFSET, FIRST_BUDDHIST_YEAR

COUNTED = 10_000
"""Lines up to which a register is counted; beyond, it is said that there are more."""
Place = tuple[str, int]
"""Behind which line a page begins: its time or date, and its row."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A line of the register of letters received: a registration of this office, and its letter."""

    notice: NoticeRow
    letter: InboxLetter

    @property
    def place(self) -> Place:
        """Where the next page begins."""
        return self.notice.registered_at or "", self.notice.id


class Registers:
    """Reads both registers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def received(self, year: int, *, after: Place | None = None, limit: int) -> list[Registered]:
        """The registrations of a Buddhist year, in the order of their times."""
        query = self._registrations(year).order_by(notices.c.registered_at, notices.c.id).limit(limit)
        if after is not None:
            query = query.where(_behind(notices.c.registered_at, notices.c.id, after))
        rows = self._database.rows(query, row_of)
        named = select(inbox).where(inbox.c.letter_id.in_([row.letter_id for row in rows]))
        letters: dict[tuple[object, object], InboxLetter]
        letters = {(each.letter_id, each.digest): each for each in self._database.rows(named, received)}
        found = ((row, letters.get((row.letter_id, row.letter_digest))) for row in rows)
        return [Registered(row, letter) for row, letter in found if letter is not None]

    def sent(self, year: int, *, after: Place | None = None, limit: int) -> list[OutboxEntry]:
        """The letters that bear a date of a Buddhist year, in the order of their dates."""
        query = self._of_year(year).order_by(outbox.c.date, outbox.c.id).limit(limit)
        if after is not None:
            query = query.where(_behind(outbox.c.date, outbox.c.id, after))
        return self._database.rows(query, outgoing)

    def newest_sent(self, *, before: Place | None = None, limit: int) -> list[OutboxEntry]:
        """Letters of ours, the last put in first; `before` is (created_at, id) of the last one seen."""
        query = select(outbox).where(outbox.c.date.is_not(None), outbox.c.summary != PING)
        if before is not None:
            at, row = before
            same = (outbox.c.created_at == at) & (outbox.c.id < row)
            query = query.where(outbox.c.created_at <= at, (outbox.c.created_at < at) | same)
        query = query.order_by(outbox.c.created_at.desc(), outbox.c.id.desc()).limit(limit)
        return self._database.rows(query, outgoing)

    def count_received(self, year: int) -> int:
        """How many lines a year has, counted up to one more than `COUNTED`."""
        return self._count(self._registrations(year))

    def count_sent(self, year: int) -> int:
        """The same of letters sent."""
        return self._count(self._of_year(year))

    def years_received(self) -> range:
        """From the first to the last Buddhist year of which there is a registration."""
        own = (notices.c.author == self._database.agency, notices.c.receiving_year.is_not(None))
        return self._years(
            *(select(each(notices.c.receiving_year)).where(*own) for each in (func.min, func.max))
        )

    def years_sent(self) -> range:
        """The same of letters sent."""
        found = self._years(
            *(select(each(outbox.c.date)).where(outbox.c.date.is_not(None)) for each in (func.min, func.max))
        )
        return range(found.start + BUDDHIST_OFFSET, found.stop + BUDDHIST_OFFSET) if found else found

    def _years(self, first: Select[Any], last: Select[Any]) -> range:
        begin, end = self._database.scalar(first), self._database.scalar(last)
        return range(int(str(begin)[:4]), int(str(end)[:4]) + 1) if begin is not None else range(0)

    def _registrations(self, year: int) -> Select[Any]:
        # The void ones were refused by the bus: nobody has got them.
        return select(notices).where(
            notices.c.author == self._database.agency,
            notices.c.receiving_year == year,
            notices.c.void.is_(False),
        )

    def _of_year(self, year: int) -> Select[Any]:
        first = max(year, FIRST_BUDDHIST_YEAR) - BUDDHIST_OFFSET
        begin, end = date(first, 1, 1).isoformat(), date(first + 1, 1, 1).isoformat()
        return select(outbox).where(outbox.c.date >= begin, outbox.c.date < end, outbox.c.summary != PING)

    def _count(self, query: Select[Any]) -> int:
        some = query.limit(COUNTED + 1).subquery()
        return int(self._database.scalar(select(func.count()).select_from(some)) or 0)


def _behind(order: ColumnElement[Any], row: ColumnElement[int], place: Place) -> ColumnElement[bool]:
    at, number = place
    return and_(order >= at, or_(order > at, row > number))
