"""Questions about parked submissions and their replays, inside one transaction."""

from __future__ import annotations

import json

from sqlalchemy import Connection, func, select

from bus.identifiers import AgencyCode, RawDigest
from bus.ledger.entry import Entry, Kind
from bus.ledger.tables import entries


class Parked:
    """Parked submissions; replays are few, for an operator asks for each."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def waiting(self) -> list[Entry]:
        """Return those that no replay has brought through the gates, in order."""
        done = self._brought_through()
        return [entry for entry in self._every(Kind.PARKED) if entry.seq not in done]

    def count(self) -> int:
        """Return how many are waiting, without reading them."""
        query = select(func.count()).select_from(entries).where(entries.c.kind == Kind.PARKED)
        return (self._connection.scalar(query) or 0) - len(self._brought_through())

    def still(self, sha256: RawDigest, agency: AgencyCode | None) -> int | None:
        """Return the newest entry by which an agency's submission of these bytes is parked and waits."""
        # Only by the bytes: with the kind beside it a database may read all that is parked.
        same = select(entries.c.seq, entries.c.kind, entries.c.agency)
        rows = self._connection.execute(same.where(entries.c.document == bytes.fromhex(sha256)))
        seqs = {row.seq for row in rows if row.kind == Kind.PARKED and row.agency == agency}
        return max(seqs - self._brought_through(), default=None) if seqs else None

    def replays_wanted(self) -> list[Entry]:
        """Return the requests to replay one that have not been carried out yet."""
        done = {entry.body["request"] for entry in self._every(Kind.REPLAYED)}
        return [entry for entry in self._every(Kind.REPLAY_REQUESTED) if entry.seq not in done]

    def replay_wanted(self, request: int) -> bool:
        """Whether a request has not been carried out yet; of several routers, one does it."""
        return all(entry.body["request"] != request for entry in self._every(Kind.REPLAYED))

    def _brought_through(self) -> set[int]:
        return {one.body["parked"] for one in self._every(Kind.REPLAYED) if one.body["outcome"] != "parked"}

    def _every(self, kind: Kind) -> list[Entry]:
        query = select(entries.c.body).where(entries.c.kind == kind).order_by(entries.c.seq)
        return [Entry(json.loads(text)) for text in self._connection.scalars(query)]
