"""What a whole ledger is as of one moment: its schema, its size, its newest signed head, the files its letters name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, select, text

from bus.identifiers import RawDigest
from bus.ledger import schema
from bus.ledger.database import open_engine, reading
from bus.ledger.reading import Reader
from bus.ledger.rows import Head
from bus.ledger.tables import letter_files


@dataclass(frozen=True, slots=True)
class Facts:
    """A ledger as of one moment."""

    schema: str
    entries: int
    head: Head | None
    named: frozenset[bytes]
    """The SHA-256 of each file that a letter names."""

    def files(self) -> Iterator[RawDigest]:
        """Yield the same as they are written."""
        return (RawDigest(one.hex()) for one in self.named)


def facts_at(url: str) -> Facts:
    """Return what the ledger at this URL is. Raises Transient when its database is away."""
    with _snapshot(url) as connection:
        return _facts(connection)


@contextmanager
def exported(url: str) -> Iterator[tuple[Facts, str]]:
    """Give what a ledger on PostgreSQL is, and the name of that snapshot, which others may read by in this block."""
    with _snapshot(url) as connection:
        # Whoever reads by it may take longer than a router may be silent in a transaction.
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        snapshot = str(connection.scalar(text("SELECT pg_export_snapshot()")))
        yield _facts(connection), snapshot


def _facts(connection: Connection) -> Facts:
    reader = Reader(connection)
    query = select(letter_files.c.sha256).distinct().execution_options(yield_per=10_000)
    named = frozenset(bytes.fromhex(sha256) for sha256 in connection.execute(query).scalars())
    return Facts(schema.version_of(connection) or "", reader.head(), reader.heads.newest(), named)


@contextmanager
def _snapshot(url: str) -> Iterator[Connection]:
    engine = open_engine(url)
    try:
        with reading(engine) as connection:
            yield connection
    finally:
        engine.dispose()
