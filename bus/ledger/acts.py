"""Entries in pages, either way: those of some kinds, as an operator's acts, or of one agency."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from heapq import nlargest, nsmallest

from sqlalchemy import Connection, select

from bus.identifiers import AgencyCode
from bus.ledger.entry import Entry, Kind
from bus.ledger.tables import entries


class Acts:
    """Questions about entries that go back from the newest, or forward again, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def older(
        self,
        kinds: Collection[Kind] = (),
        *,
        agency: AgencyCode | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[Entry]:
        """Return entries of these kinds (of all, if none is named) below a number, the newest first."""
        return self._read(nlargest(limit, self._numbers(kinds, agency, before, limit, back=True)))

    def newer(
        self,
        kinds: Collection[Kind] = (),
        *,
        agency: AgencyCode | None = None,
        after: int = 0,
        limit: int = 100,
    ) -> list[Entry]:
        """Return the entries that follow on a number, the newest first, as a page before that one has them."""
        found = nsmallest(limit, self._numbers(kinds, agency, after, limit, back=False))
        return self._read(sorted(found, reverse=True))

    def _numbers(
        self, kinds: Collection[Kind], agency: AgencyCode | None, past: int | None, limit: int, *, back: bool
    ) -> Iterable[int]:
        """Numbers of so many entries of each kind: one walk along an index for each, of which none can be long.

        An agency's entries of some kinds are found along the agency's, of which most are of kinds that are asked for.
        """
        seq = entries.c.seq
        query = select(seq).order_by(seq.desc() if back else seq).limit(limit)
        if past is not None:
            query = query.where(seq < past if back else seq > past)
        if agency is not None:
            query = query.where(entries.c.agency == agency)
            yield from self._connection.scalars(query.where(entries.c.kind.in_(kinds)) if kinds else query)
        elif not kinds:
            yield from self._connection.scalars(query)
        for kind in kinds if agency is None else ():
            yield from self._connection.scalars(query.where(entries.c.kind == kind))

    def _read(self, numbers: list[int]) -> list[Entry]:
        query = select(entries.c.body).where(entries.c.seq.in_(numbers)).order_by(entries.c.seq.desc())
        return [Entry(json.loads(text)) for text in self._connection.scalars(query)] if numbers else []
