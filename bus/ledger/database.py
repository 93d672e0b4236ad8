"""Engines of the ledger's database, and where its append lock is taken.

**Insert order is commit order.** Two writers that append side by side would take ledger numbers in one order and
commit in the other; a reader that has seen number 8 would then meet number 7 later, a signed head could cover a row
that is rolled back, and a consignment number could be given twice. So every append holds one lock from before its
first read until its commit: on SQLite `BEGIN IMMEDIATE`, the database's single write lock; on PostgreSQL an advisory
lock of the transaction. Writers queue; to make that cheap, appends are grouped (`store.py`), and nothing slow (no
signature, no network) happens under the lock.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, Engine, Select, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, TimeoutError

from bus.errors import Transient

APPEND_LOCK = 0x5A12AB5
TILES_FOLDER = "tiles_folder"
"""The execution option of an engine that names the folder with tiles that the database no longer has (tiles.py)."""
_BUSY_SECONDS = 10
_STATEMENTS = 512
"""Statements that stay prepared on a connection to SQLite; inserts come in several sizes for each table."""
CACHE_KB = 2_000
"""Each connection to SQLite has a cache of its own: kept small, or memory grows with the ledger; a batch fits in."""
FRUGAL_KB = 500
"""The same for a process that looks at the ledger by many connections, and writes little."""
_POSTGRESQL = {
    "connect_timeout": _BUSY_SECONDS,
    # A server that has vanished from the network is noticed in seconds and not in hours.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    # A router that hangs while it holds the append lock loses it, and those that wait for it do not wait for ever.
    "options": "-c lock_timeout=30s -c idle_in_transaction_session_timeout=60s",
}
_READ_ONLY = "25006"
"""PostgreSQL's SQLSTATE when a router still talks to what has become a standby."""


def open_engine(url: str, tiles_folder: Path | None = None, *, cache_kb: int = CACHE_KB) -> Engine:
    """Return an engine for `sqlite:///file` or `postgresql://…`, set up for a ledger; it connects on first use.

    `cache_kb` is what each connection to SQLite keeps of the file, in units of 1,024 bytes.
    """
    options = {TILES_FOLDER: tiles_folder}
    if make_url(url).get_backend_name() == "sqlite":
        connecting = {"timeout": _BUSY_SECONDS, "cached_statements": _STATEMENTS}
        engine = create_engine(url, connect_args=connecting, pool_size=8, execution_options=options)
        event.listen(engine, "connect", partial(_sqlite_connect, cache_kb))
        event.listen(engine, "begin", _sqlite_begin)
        return engine
    # What a writer reads under the append lock must be what was committed when it got the lock: READ COMMITTED,
    # whatever the server's default is.
    return create_engine(
        url,
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
        pool_timeout=_BUSY_SECONDS,
        connect_args=_POSTGRESQL,
        execution_options=options,
    )


@contextmanager
def appending(engine: Engine) -> Iterator[Connection]:
    """Hold the append lock and one transaction; commit at the end. Transient when the database is away or locked."""
    with translated(), engine.connect() as plain:
        connection = plain.execution_options(append=True)
        with connection.begin():
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": APPEND_LOCK})
            yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Give a connection with one consistent snapshot. Transient when the database is away."""
    with translated(), engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection = connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        with connection.begin():
            yield connection


@contextmanager
def working(engine: Engine) -> Iterator[Connection]:
    """Give a transaction for the disposable work lists, without the append lock where the database has finer ones."""
    with translated(), engine.connect() as plain:
        connection = plain.execution_options(append=True)
        with connection.begin():
            yield connection


def tuples(
    connection: Connection, query: Select[Any], values: Mapping[str, Any] | None = None
) -> list[tuple[Any, ...]]:
    """Return the rows of a query as the driver has them, which takes half the time that SQLAlchemy's own rows take.

    What a column holds is believed as little as ever: of another type than its column's it comes as what it is.
    """
    with _cursor(connection, query, values) as cursor:
        return cast(list[tuple[Any, ...]], cursor.fetchall())


def pieces(connection: Connection, query: Select[Any], size: int) -> Iterator[Sequence[Sequence[Any]]]:
    """Yield the same rows, so many at a time, so that no more than those are in memory."""
    if connection.dialect.name == "sqlite":
        with _cursor(connection, query) as cursor:
            while some := cursor.fetchmany(size):
                yield some
    else:
        yield from connection.execute(query, execution_options={"yield_per": size}).partitions()


@contextmanager
def _cursor(
    connection: Connection, query: Select[Any], values: Mapping[str, Any] | None = None
) -> Iterator[Any]:
    dialect, result = connection.dialect, connection.execute(query, values)
    try:
        yield result.cursor
    except dialect.loaded_dbapi.Error as error:
        raise DBAPIError.instance(
            str(query), None, error, dialect.loaded_dbapi.Error, dialect=dialect
        ) from error
    finally:
        result.close()


@contextmanager
def translated() -> Iterator[None]:
    """Turn what says that the database is away, locked or full into Transient; leave every other error alone."""
    try:
        yield
    except TimeoutError as error:
        raise Transient("no connection to the ledger's database is free") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise Transient("the connection to the ledger's database was lost") from error
        if _is_a_bug(error):
            raise
        raise Transient(f"the ledger's database is not answering ({type(error).__name__})") from error


def _is_a_bug(error: DBAPIError) -> bool:
    """Whether the fault is in a statement. SQLite says so with an OperationalError whose code is SQLITE_ERROR."""
    if isinstance(error, (OperationalError, InterfaceError)):
        return getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
    return getattr(error.orig, "sqlstate", None) != _READ_ONLY


def _sqlite_connect(cache_kb: int, connection: sqlite3.Connection, _record: Any) -> None:
    # The driver's own transaction handling is switched off: it would begin late, and not IMMEDIATE.
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        # Without it INSERT OR REPLACE deletes rows past the triggers that refuse deletion.
        "recursive_triggers=ON",
        f"cache_size=-{cache_kb}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _sqlite_begin(connection: Connection) -> None:
    mode = "IMMEDIATE" if connection.get_execution_options().get("append") else "DEFERRED"
    connection.exec_driver_sql(f"BEGIN {mode}")
