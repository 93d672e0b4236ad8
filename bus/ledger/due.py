"""Questions about deadlines that have not been judged yet, and what they wait for, inside one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, select, tuple_

from bus.documents.lifecycle import Deadline
from bus.identifiers import AgencyCode
from bus.ledger.entry import timestamp
from bus.ledger.silent import Silent
from bus.ledger.tables import due, letters, recipients, watermarks

_KEY = (due.c.at, due.c.letter, due.c.deadline)


class Judgeable(NamedTuple):
    """A deadline that has passed; in the order in which they are listed."""

    at: str
    letter: int
    deadline: Deadline


class Due:
    """The deadlines that stand on the list; a judgement strikes one off (`Writer.deadline_done`)."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def silent(self) -> Silent:
        """What is asked of those that passed in silence, and of what is tried again."""
        return Silent(self._connection)

    def before(self, moment: datetime, *, limit: int, after: Judgeable | None = None) -> list[Judgeable]:
        """Return the oldest that passed before a moment; `after` is one to go on from."""
        query = select(*_KEY).where(due.c.at < timestamp(moment)).order_by(*_KEY).limit(limit)
        if after is not None:
            query = query.where(tuple_(*_KEY) > after)
        rows = self._connection.execute(query)
        return [Judgeable(row.at, row.letter, Deadline(row.deadline)) for row in rows]

    def parties(self, moment: datetime) -> list[AgencyCode]:
        """Return the senders and recipients of all letters with one that passed before a moment."""
        some = select(due.c.letter).where(due.c.at < timestamp(moment))
        senders = select(letters.c.sender).where(letters.c.letter.in_(some))
        others = select(recipients.c.agency).where(recipients.c.letter.in_(some))
        return list(self._connection.scalars(senders.union(others)))

    def parties_of(self, some: Sequence[int]) -> dict[int, set[AgencyCode]]:
        """Return the sender and the recipients of each of these letters."""
        senders = select(letters.c.letter, letters.c.sender).where(letters.c.letter.in_(some))
        others = select(recipients.c.letter, recipients.c.agency).where(recipients.c.letter.in_(some))
        found: dict[int, set[AgencyCode]] = {letter: set() for letter in some}
        for letter, agency in self._connection.execute(senders.union_all(others)):
            found[letter].add(agency)
        return found

    def of_letter(self, letter: int) -> list[Judgeable]:
        """Return the deadlines of a letter that have not been judged yet, the first one first."""
        rows = self._connection.execute(select(*_KEY).where(due.c.letter == letter).order_by(due.c.at))
        return [Judgeable(row.at, row.letter, Deadline(row.deadline)) for row in rows]

    def routers(self) -> list[tuple[str, str, str]]:
        """Return (router, cluster, when it last saw the intake there empty), by router."""
        query = select(watermarks).order_by(watermarks.c.router, watermarks.c.cluster)
        return [(row.router, row.cluster, row.empty_at) for row in self._connection.execute(query)]

    def watermarks(self, cluster: str) -> list[str]:
        """Return when each router that has seen a broker cluster's intake empty last did so."""
        return list(self._connection.scalars(select(watermarks.c.empty_at).filter_by(cluster=cluster)))
