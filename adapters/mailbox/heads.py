"""The ledger's signed heads as this agency has seen them: the newest that it believes, and any that contradict it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, insert, select

from adapters.mailbox.database import Database
from adapters.mailbox.prepared import Row
from adapters.mailbox.tables import alarms, arrivals, seen_heads
from bus.thai import now


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenHead:
    """A head that was found to continue the one before it."""

    size: int
    root: bytes
    note: str
    seen_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Two heads that cannot both be true, kept as evidence."""

    at: str
    reason: str
    held: str
    """The note of the head that was believed."""
    shown: str
    """The note that contradicts it."""


class SeenHeads:
    """Rows are added and read; nothing is removed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(self) -> SeenHead | None:
        """The largest head that is believed."""
        return self._database.first(select(seen_heads).order_by(seen_heads.c.size.desc()).limit(1), _head)

    def of_size(self, size: int) -> SeenHead | None:
        """The believed head of exactly this size."""
        return self._database.first(_OF_SIZE, _head, {"size": size})

    def keep(self, size: int, root: bytes, note: str) -> None:
        """Believe a head from now on."""
        values = {"size": size, "root": root, "note": note, "seen_at": now().isoformat()}
        with self._database.writing() as connection:
            if connection.execute(_OF_SIZE, {"size": size}).first() is None:
                connection.execute(insert(seen_heads), [values])

    def alarm(self, reason: str, held: str, shown: str) -> bool:
        """Keep two heads that contradict each other; False if this pair is kept already."""
        with self._database.writing() as connection:
            same = select(alarms.c.id).where(alarms.c.held == held, alarms.c.shown == shown)
            if connection.execute(same).first() is not None:
                return False
            values = {"at": now().isoformat(), "reason": reason, "held": held, "shown": shown}
            connection.execute(insert(alarms), [values])
        return True

    def alarms(self) -> list[Alarm]:
        """All that was found to contradict what was believed, newest first."""
        return self._database.rows(select(alarms).order_by(alarms.c.id.desc()), _alarm)

    def arrived_with(self, after: int, limit: int = 500) -> list[tuple[int, str]]:
        """The next messages' row numbers, in order, and the headers that each came with (JSON)."""
        with self._database.reading() as connection:
            rows = connection.execute(_ARRIVED, {"after": after, "most": limit})
            return [(row.id, row.headers) for row in rows]


def _head(row: Row) -> SeenHead:
    return SeenHead(size=row["size"], root=bytes(row["root"]), note=row["note"], seen_at=row["seen_at"])


def _alarm(row: Row) -> Alarm:
    return Alarm(**{name: row[name] for name in Alarm.__slots__})


_OF_SIZE = select(seen_heads).where(seen_heads.c.size == bindparam("size"))
_ARRIVED = (
    select(arrivals.c.id, arrivals.c.headers)
    .where(arrivals.c.id > bindparam("after"))
    .order_by(arrivals.c.id)
    .limit(bindparam("most"))
)
