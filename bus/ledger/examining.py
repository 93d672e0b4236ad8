"""The ledger's database as a router has it: what it is, what its role may do there, and how safe a commit is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, text

from bus.ledger.database import open_engine, reading
from bus.ledger.reading import Reader
from bus.ledger.tables import DISPOSABLE, REMEMBERED

_NEVER = ("UPDATE", "DELETE", "TRUNCATE")
_APPENDS = ("SELECT", "INSERT")
_WORKS = (*_APPENDS, "UPDATE", "DELETE")
_DURABLE = ("fsync", "full_page_writes", "synchronous_commit")


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found."""

    product: str
    clock: datetime | None
    """The server's; None where the database is a file of this machine."""
    excess: tuple[str, ...] = ()
    """What this role may do beyond reading and appending."""
    lacking: tuple[str, ...] = ()
    """What a router needs, and this role may not do."""
    unsafe: tuple[str, ...] = ()
    """Settings of the server with which a committed entry may be lost."""


@contextmanager
def snapshot(url: str) -> Iterator[Reader]:
    """Give one consistent look at a ledger that nothing is kept open for. Raises Transient when it is away."""
    engine = open_engine(url)
    try:
        with reading(engine) as connection:
            yield Reader(connection)
    finally:
        engine.dispose()


def look_at(url: str) -> Seen:
    """Look at a ledger's database, which has its tables. Raises Transient when it is away."""
    engine = open_engine(url)
    try:
        with reading(engine) as connection:
            return _postgresql(connection) if engine.dialect.name == "postgresql" else _sqlite(connection)
    finally:
        engine.dispose()


def _sqlite(connection: Connection) -> Seen:
    return Seen(f"SQLite {connection.scalar(text('SELECT sqlite_version()'))}", None)


def _postgresql(connection: Connection) -> Seen:
    version = connection.scalar(text("SHOW server_version"))
    clock: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    shown = {name: str(connection.scalar(text(f"SHOW {name}"))) for name in _DURABLE}
    return Seen(
        f"PostgreSQL {version}",
        clock.astimezone(UTC),
        excess=tuple(_excess(connection)),
        lacking=tuple(_lacking(connection)),
        unsafe=tuple(f"{name} = {value}" for name, value in shown.items() if value in ("off", "local")),
    )


def _excess(connection: Connection) -> Iterator[str]:
    if connection.scalar(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")):
        yield "everything: it is a superuser"
        return
    for right in _NEVER:
        if names := [table.name for table in REMEMBERED if _may(connection, table.name, right)]:
            yield f"{right} {', '.join(names)}"


def _lacking(connection: Connection) -> Iterator[str]:
    for tables, rights in ((REMEMBERED, _APPENDS), (DISPOSABLE, _WORKS)):
        for right in rights:
            if names := [table.name for table in tables if not _may(connection, table.name, right)]:
                yield f"{right} {', '.join(names)}"


def _may(connection: Connection, table: str, right: str) -> bool:
    asked = text("SELECT has_table_privilege(CAST(:name AS text), CAST(:right AS text))")
    return bool(connection.scalar(asked, {"name": table, "right": right}))
