"""Questions about parked submissions and their replays, inside one transaction.

What a replay brought through the gates is no longer parked, which its entry says: these are looked at from the parked
entry on, by the index of kinds, so that a question costs what was replayed since and not what the ledger holds.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import JSON, ColumnElement, Connection, Select, cast, func, literal_column, or_, select

from bus.identifiers import AgencyCode, RawDigest
from bus.ledger.entry import Entry, Kind, timestamp
from bus.ledger.tables import entries

_AT_ONCE = 500
"""How many numbers one statement names: databases bound the parameters of a statement."""
UNKNOWN: Final = "unknown"
"""The fault of a submission of which nobody knows what it met: the router that knew it has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhichParked:
    """What is asked of parked submissions; nothing asked means all."""

    agency: AgencyCode | None = None
    """Who submitted it."""
    fault: str | None = None
    """The class of the fault that it met last, as `KeyError`; `delivery-limit` where routers died over it."""
    since: datetime | None = None
    """Parked at this time or later."""
    until: datetime | None = None
    """Parked before this time."""


EVERY: Final = WhichParked()


@dataclass(frozen=True, slots=True)
class ParkedRow:
    """A submission that waits, with the fault that it met last."""

    entry: Entry
    fault: str


class Parked:
    """Parked submissions, of which most wait for the same fault to be mended."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def waiting(self, which: WhichParked = EVERY, *, after: int = 0, limit: int | None = None) -> list[Entry]:
        """Return those that no replay has brought through the gates, in order, of those behind a number."""
        return [row.entry for row in self.rows(which, after=after, limit=limit)]

    def rows(
        self, which: WhichParked = EVERY, *, after: int = 0, limit: int | None = None
    ) -> list[ParkedRow]:
        """The same, each with the fault that it met last."""
        found = self._waiting(which, after).order_by(_PARKED.c.seq).limit(limit)
        return [ParkedRow(_entry(body), fault) for body, fault in self._connection.execute(found)]

    def count(self, which: WhichParked = EVERY) -> int:
        """Return how many are waiting, without reading them."""
        found = self._plain(which) if which.fault is None else self._waiting(which)
        return self._connection.scalar(select(func.count()).select_from(found.subquery())) or 0

    def by_fault(self, which: WhichParked = EVERY) -> dict[str, int]:
        """Return how many wait for which fault, most first."""
        found = self._waiting(which).subquery()
        many = func.count().label("many")
        query = select(found.c.fault, many).group_by(found.c.fault).order_by(many.desc(), found.c.fault)
        return {fault: int(count) for fault, count in self._connection.execute(query)}

    def is_waiting(self, seq: int) -> bool:
        """Whether a submission is parked under this number, and waits."""
        return bool(self.still_waiting([seq]))

    def still_waiting(self, seqs: Collection[int]) -> set[int]:
        """Return which of these numbers are of parked submissions that wait."""
        found: set[int] = set()
        wanted = sorted(seqs)
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            these = select(entries.c.seq).where(entries.c.seq.in_(some), entries.c.kind == Kind.PARKED)
            there = set(self._connection.scalars(these))
            if there:
                found |= there - self._brought_through(min(there))
        return found

    def asked_for(self, after: int = 0) -> set[int]:
        """Return which submissions, of those behind a number, have a replay that is not carried out yet."""
        asked = (entry.body.get("parked") for entry in self.replays_wanted(after=after))
        return {seq for seq in asked if isinstance(seq, int)}

    def history_of(self, seq: int) -> list[Entry]:
        """Return the requests to replay one, and what became of them, in order."""
        kinds = entries.c.kind.in_((Kind.REPLAY_REQUESTED, Kind.REPLAYED))
        query = select(entries.c.body).where(
            kinds, entries.c.seq > seq, self._field(entries, "parked") == seq
        )
        return [_entry(body) for body in self._connection.scalars(query.order_by(entries.c.seq))]

    def still(self, sha256: RawDigest, agency: AgencyCode | None) -> int | None:
        """Return the newest entry by which an agency's submission of these bytes is parked and waits."""
        # Only by the bytes: with the kind beside it a database may read all that is parked.
        same = select(entries.c.seq, entries.c.kind, entries.c.agency)
        rows = self._connection.execute(same.where(entries.c.document == bytes.fromhex(sha256)))
        seqs = {row.seq for row in rows if row.kind == Kind.PARKED and row.agency == agency}
        return max(seqs - self._brought_through(min(seqs)), default=None) if seqs else None

    def replays_wanted(self, *, after: int = 0, limit: int | None = None) -> list[Entry]:
        """Return the requests to replay one that have not been carried out yet, of those behind a number."""
        query = select(entries.c.body).where(
            entries.c.kind == Kind.REPLAY_REQUESTED,
            entries.c.seq > after,
            entries.c.seq.not_in(self._carried_out(after)),
        )
        return [_entry(body) for body in self._connection.scalars(query.order_by(entries.c.seq).limit(limit))]

    def replay_wanted(self, request: int) -> bool:
        """Whether a request has not been carried out yet; of several routers, one does it."""
        # It is carried out after it was asked for.
        done = select(entries.c.seq).where(
            entries.c.kind == Kind.REPLAYED,
            entries.c.seq > request,
            self._field(entries, "request") == request,
        )
        return self._connection.scalar(done.limit(1)) is None

    def _plain(self, which: WhichParked, after: int = 0) -> Select[Any]:
        """Select the bodies of what waits, whatever fault it met."""
        query = select(_PARKED.c.body).where(_PARKED.c.kind == Kind.PARKED, _PARKED.c.seq > after)
        query = query.where(_PARKED.c.seq.not_in(self._through(after)))
        if which.agency is not None:
            query = query.where(_PARKED.c.agency == which.agency)
        if which.since is not None:
            query = query.where(_PARKED.c.at >= timestamp(which.since))
        if which.until is not None:
            query = query.where(_PARKED.c.at < timestamp(which.until))
        return query

    def _waiting(self, which: WhichParked, after: int = 0) -> Select[Any]:
        """Select body and newest fault of what waits."""
        failed = entries.alias("failed")
        again = self._field(failed, "parked").label("parked")
        newest = (
            select(again, func.max(failed.c.seq).label("seq"))
            .where(failed.c.kind == Kind.REPLAYED, failed.c.seq > after)
            .where(self._text(failed, "outcome") == "parked")
            .group_by(again)
            .subquery("newest")
        )
        said = entries.alias("said")
        fault = func.coalesce(self._text(said, "error"), self._text(_PARKED, "error"), UNKNOWN)
        joined = _PARKED.outerjoin(newest, newest.c.parked == _PARKED.c.seq)
        joined = joined.outerjoin(said, said.c.seq == newest.c.seq)
        query = self._plain(which, after).add_columns(fault.label("fault")).select_from(joined)
        return query if which.fault is None else query.where(fault == which.fault)

    def _through(self, after: int) -> Select[Any]:
        """Select the numbers of what a replay brought through the gates, entered after a number."""
        replayed = entries.alias("replayed")
        mine = self._field(replayed, "parked")
        outcome = self._text(replayed, "outcome")
        # NOT IN finds nothing beside a null.
        return (
            select(mine)
            .where(replayed.c.kind == Kind.REPLAYED, replayed.c.seq > after)
            .where(mine.is_not(None), or_(outcome.is_(None), outcome != "parked"))
        )

    def _carried_out(self, after: int) -> Select[Any]:
        replayed = entries.alias("replayed")
        request = self._field(replayed, "request")
        carried_out = select(request).where(replayed.c.kind == Kind.REPLAYED, replayed.c.seq > after)
        return carried_out.where(request.is_not(None))

    def _brought_through(self, after: int) -> set[int]:
        return set(self._connection.scalars(self._through(after)))

    def _text(self, table: Any, name: str) -> ColumnElement[Any]:
        """A field of the body, as text."""
        if self._connection.dialect.name == "sqlite":
            return func.json_extract(table.c.body, literal_column(f"'$.{name}'"))
        return cast(table.c.body, JSON).op("->>")(literal_column(f"'{name}'"))

    def _field(self, table: Any, name: str) -> ColumnElement[Any]:
        """A field of the body, as the number of an entry."""
        return cast(self._text(table, name), entries.c.seq.type)


_PARKED = entries.alias("parked")


def _entry(text: str) -> Entry:
    return Entry(json.loads(text))
