"""What a copied ledger is: its schema, its size, its newest signed head, and the files that its letters name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select, text

from bus.backup.databases import copy_sqlite, dump_postgresql, file_of, kind_of, seal_copy
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


def copy_ledger(address: str, target: Path) -> Facts:
    """Copy the ledger as of one moment and return what that copy is. Raises Transient when it is away."""
    if kind_of(address) == "sqlite":
        copy_sqlite(file_of(address), target)
        with _snapshot(f"sqlite:///{target}") as copied:
            facts = facts_of(copied)
        seal_copy(target)
        return facts
    with _snapshot(address) as connection:
        # `pg_dump` may take longer than a router may be silent in a transaction.
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        snapshot = str(connection.scalar(text("SELECT pg_export_snapshot()")))
        facts = facts_of(connection)
        dump_postgresql(address, target, snapshot=snapshot)
    return facts


def facts_at(address: str) -> Facts:
    """Return what the ledger at this address is."""
    with _snapshot(address) as connection:
        return facts_of(connection)


def facts_of(connection: Connection) -> Facts:
    """Return what the ledger of this snapshot is."""
    reader = Reader(connection)
    query = select(letter_files.c.sha256).distinct().execution_options(yield_per=10_000)
    named = frozenset(bytes.fromhex(sha256) for sha256 in connection.execute(query).scalars())
    return Facts(schema.version_of(connection) or "", reader.head(), reader.heads.newest(), named)


def names_of(named: frozenset[bytes]) -> Iterator[RawDigest]:
    """Return the same as they are written."""
    return (RawDigest(one.hex()) for one in named)


@contextmanager
def _snapshot(address: str) -> Iterator[Connection]:
    engine = open_engine(address)
    try:
        with reading(engine) as connection:
            yield connection
    finally:
        engine.dispose()
