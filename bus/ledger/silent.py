"""Questions about deadlines that passed in silence, and what was said of their letters afterwards, in one transaction.

Every question walks the index of kinds, or that of a letter's entries, from a number on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, select

from bus.identifiers import AgencyCode
from bus.ledger.entry import Entry, Kind
from bus.ledger.tables import consignments, entries, pending

CARRIED: Final = (
    Kind.ACCEPTED,
    Kind.CONSIGNED,
    Kind.CONSIGNMENT_FAILED,
    Kind.RELEASED,
    Kind.NOTICE,
    Kind.OVERDUE,
    Kind.DEADLINE_EXTENDED,
)
"""What tells how a letter was carried, and what its parties said of it."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A consignment that the broker has not confirmed: whose, and until when which router has it."""

    agency: AgencyCode
    number: int
    on_hold: bool
    leased_by: str | None
    leased_until: str | None


class Silent:
    """What passed in silence, and what waits to be tried again."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def begins_at(self, most: int) -> int:
        """Return the number behind which the newest `most` silent deadlines stand; 0 where there are not so many."""
        newest = select(entries.c.seq).where(entries.c.kind == Kind.OVERDUE).order_by(entries.c.seq.desc())
        return self._connection.scalar(newest.offset(most).limit(1)) or 0

    def notices_on(self, letters: Sequence[int], *, after: int) -> list[Entry]:
        """Return what was said of these letters behind a number, in order."""
        query = select(entries.c.body).where(
            entries.c.letter.in_(letters), entries.c.kind == Kind.NOTICE, entries.c.seq > after
        )
        return [Entry(json.loads(body)) for body in self._connection.scalars(query.order_by(entries.c.seq))]

    def notices_since(self, after: int, *, limit: int) -> list[Entry]:
        """Return the next notices behind a number, in order."""
        query = select(entries.c.body).where(entries.c.kind == Kind.NOTICE, entries.c.seq > after)
        found = self._connection.scalars(query.order_by(entries.c.seq).limit(limit))
        return [Entry(json.loads(body)) for body in found]

    def attempts(self, letter: int, *, limit: int) -> list[Attempt]:
        """Return the consignments of a letter that the broker has not confirmed, by agency, up to `limit`."""
        query = (
            select(
                pending.c.agency,
                pending.c.number,
                pending.c.on_hold,
                pending.c.leased_by,
                pending.c.leased_until,
            )
            .join(
                consignments,
                (consignments.c.agency == pending.c.agency) & (consignments.c.number == pending.c.number),
            )
            .where(consignments.c.entry == letter, consignments.c.letter == letter)
        )
        found = self._connection.execute(query.order_by(pending.c.agency).limit(limit))
        return [Attempt(row[0], row[1], bool(row[2]), row[3], row[4]) for row in found]

    def chain(self, letter: int, *, after: int, limit: int) -> list[Entry]:
        """Return the next entries about a letter behind a number, in order; who read or opened it is not among them."""
        these = (entries.c.letter == letter, entries.c.seq > after, entries.c.kind.in_(CARRIED))
        query = select(entries.c.body).where(*these).order_by(entries.c.seq)
        found = self._connection.scalars(query.limit(limit))
        return [Entry(json.loads(body)) for body in found]

    def last_at(self, letter: int, before: int) -> str | None:
        """Return when the entry about a letter was made that stands last up to a number."""
        these = (entries.c.letter == letter, entries.c.seq <= before, entries.c.kind.in_(CARRIED))
        query = select(entries.c.at).where(*these)
        return self._connection.scalar(query.order_by(entries.c.seq.desc()).limit(1))

    def chain_of(self, letter: int, agency: AgencyCode, sender: AgencyCode) -> list[Entry]:
        """Return the entries of which the state of a letter at one recipient follows, in order."""
        # Others of thousands have each said something of it too: that is no business of this one.
        theirs = entries.c.agency.in_((agency, sender)) | entries.c.agency.is_(None)
        query = select(entries.c.body).where(entries.c.letter == letter, theirs)
        return [Entry(json.loads(body)) for body in self._connection.scalars(query.order_by(entries.c.seq))]

    def size_of(self, letter: int, most: int) -> int:
        """Return how many entries are about a letter, counted up to `most`."""
        some = select(entries.c.seq).where(entries.c.letter == letter).limit(most).subquery()
        return self._connection.scalar(select(func.count()).select_from(some)) or 0
