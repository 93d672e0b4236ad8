"""The ledger's database as a router has it: what it is, what its role may do there, and how safe a commit is."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, text

from bus.ledger.database import open_engine, reading
from bus.ledger.reading import Reader
from bus.ledger.rights import CONSOLE, ROUTER, Rights
from bus.ledger.tables import REMEMBERED

_RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE")
_REMEMBERED = frozenset(table.name for table in REMEMBERED)
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
    """What it needs, as a router or as the console, and may not do."""
    unsafe: tuple[str, ...] = ()
    """Settings of the server with which a committed entry may be lost."""
    console: OfConsole | None = None
    """The console's role, where another one was asked for and looks."""


@dataclass(frozen=True, slots=True)
class OfConsole:
    """What the console's role may do otherwise than it should."""

    excess: tuple[str, ...]
    lacking: tuple[str, ...]


@contextmanager
def snapshot(url: str) -> Iterator[Reader]:
    """Give one consistent look at a ledger that nothing is kept open for. Raises Transient when it is away."""
    engine = open_engine(url)
    try:
        with reading(engine) as connection:
            yield Reader(connection)
    finally:
        engine.dispose()


@dataclass(frozen=True, slots=True)
class Glance:
    """What a look at a database costs nothing to find out."""

    product: str
    clock: datetime | None
    standbys: int | None
    """Other servers that follow it; None where there are none to be."""


def glance(engine: Engine) -> Glance:
    """Look at a ledger's database by connections that are there already. Raises Transient when it is away."""
    with reading(engine) as connection:
        if engine.dialect.name != "postgresql":
            return Glance(_sqlite(connection).product, None, None)
        version = connection.scalar(text("SHOW server_version"))
        clock: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        standbys = connection.scalar(text("SELECT count(*) FROM pg_stat_replication"))
        return Glance(f"PostgreSQL {version}", clock.astimezone(UTC), int(standbys or 0))


def look_at(url: str, console: str | None = None) -> Seen:
    """Look at a ledger's database, which has its tables, and at the rights of the console's role, where there is one.

    Raises Transient when it is away.
    """
    engine = open_engine(url)
    try:
        with reading(engine) as connection:
            return (
                _postgresql(connection, console)
                if engine.dialect.name == "postgresql"
                else _sqlite(connection)
            )
    finally:
        engine.dispose()


def _sqlite(connection: Connection) -> Seen:
    return Seen(f"SQLite {connection.scalar(text('SELECT sqlite_version()'))}", None)


def _postgresql(connection: Connection, console: str | None) -> Seen:
    version = connection.scalar(text("SHOW server_version"))
    clock: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    shown = {name: str(connection.scalar(text(f"SHOW {name}"))) for name in _DURABLE}
    own = str(connection.scalar(text("SELECT current_user")))
    of_console = _of_console(connection, console) if console else None
    is_console = own == console
    if of_console and is_console:
        excess, lacking = of_console.excess, of_console.lacking
    else:
        excess = tuple(_excess(connection, own, ROUTER, _REMEMBERED))
        lacking = tuple(_lacking(connection, own, ROUTER))
    return Seen(
        f"PostgreSQL {version}",
        clock.astimezone(UTC),
        excess=excess,
        lacking=lacking,
        unsafe=tuple(f"{name} = {value}" for name, value in shown.items() if value in ("off", "local")),
        console=None if is_console else of_console,
    )


def _of_console(connection: Connection, role: str) -> OfConsole:
    if not connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role}):
        return OfConsole((), ("do anything: there is no such role",))
    excess = _excess(connection, role, CONSOLE, frozenset(CONSOLE))
    return OfConsole(tuple(excess), tuple(_lacking(connection, role, CONSOLE)))


def _excess(connection: Connection, role: str, rights: Rights, guarded: Collection[str]) -> Iterator[str]:
    """Yield what a role may do to guarded tables beyond its rights."""
    superuser = text("SELECT rolsuper FROM pg_roles WHERE rolname = :role")
    if connection.scalar(superuser, {"role": role}):
        yield "everything: it is a superuser"
        return
    for right in _RIGHTS:
        beyond = [name for name, may in rights.items() if right not in may and name in guarded]
        if names := [name for name in beyond if _may(connection, role, name, right)]:
            yield f"{right} {', '.join(names)}"


def _lacking(connection: Connection, role: str, rights: Rights) -> Iterator[str]:
    for right in _RIGHTS:
        needed = [name for name, may in rights.items() if right in may]
        if names := [name for name in needed if not _may(connection, role, name, right)]:
            yield f"{right} {', '.join(names)}"


def _may(connection: Connection, role: str, table: str, right: str) -> bool:
    asked = text("SELECT has_table_privilege(CAST(:role AS name), CAST(:name AS text), CAST(:right AS text))")
    return bool(connection.scalar(asked, {"role": role, "name": table, "right": right}))
