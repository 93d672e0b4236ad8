"""How a mailbox's database is opened: to work on it, for which it is made, or to read it, for which nothing is.

What only reads makes no file, writes no table, and belongs to no agency afterwards that it did not belong to before.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event, inspect, select

from adapters.mailbox.tables import metadata, properties
from bus.errors import Misconfigured, Problem
from bus.faults import usable
from bus.identifiers import AgencyCode
from bus.thai import comparable

KEY = "mailbox.folder"
_BUSY_SECONDS = 20
_AT_ONCE = 12
_LOG_PAGES = 4000
"""Of 4 kB, until the log is copied into the database: a page that was written again and again is copied once."""


def engine_for(file: Path, *, only_reading: bool) -> Engine:
    """An engine over this file; Misconfigured when it is to be read and is not there."""
    folder = file.parent
    if only_reading and not os.path.exists(file):
        fix = "Mend the path, or mount its disk; the first `saraban-adapter run` makes a mailbox."
        raise Misconfigured(Problem(str(file), KEY, "there is no mailbox here", fix))
    if not only_reading:
        _make(folder)
    mode = "rw" if only_reading else "rwc"
    uri = f"{file.absolute().as_uri()}?mode={mode}"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, check_same_thread=False)
        try:
            _set_up(connection, only_reading=only_reading)
        except BaseException:
            connection.close()
            raise
        return connection

    # The connection that was used last is used next: it has in its memory what is asked for again and again.
    engine = create_engine(
        f"sqlite:///{file}", creator=connect, poolclass=QueuePool, pool_size=_AT_ONCE, pool_use_lifo=True
    )
    event.listen(engine, "begin", _begun)
    return engine


def require_tables(connection: Connection, folder: Path) -> None:
    """Raise Misconfigured where a table that is to be read is missing."""
    missing = set(metadata.tables) - set(inspect(connection).get_table_names())
    if missing:
        empty = missing == set(metadata.tables)
        wrong = "is no mailbox yet" if empty else "was made by an earlier version"
        fix = "`saraban-adapter run` brings it up to date, and afterwards it can be read."
        raise Misconfigured(Problem(str(folder / "mailbox.sqlite"), KEY, wrong, fix))


def properties_in(file: Path) -> dict[str, str]:
    """What a mailbox says of itself, whichever version made it; nothing where there is none. Raises Misconfigured."""
    if not os.path.exists(file):
        return {}
    engine = engine_for(file, only_reading=True)
    try:
        with (
            usable(str(file), KEY, "See that its disk is there and has room."),
            engine.connect() as connection,
        ):
            return known(connection) if inspect(connection).has_table(properties.name) else {}
    finally:
        engine.dispose()


def require_owner(known: Mapping[str, str], folder: Path, agency: AgencyCode) -> None:
    """Raise Misconfigured for another agency's mailbox."""
    where = str(folder)
    if known.get("agency") != agency:
        wrong = f"belongs to agency {known.get('agency', 'none')}, not to {agency}"
        raise Misconfigured(Problem(where, KEY, wrong, "Give each agency a folder of its own."))


def driver(connection: Connection) -> sqlite3.Connection:
    """SQLite's own connection under one of SQLAlchemy's."""
    return cast(sqlite3.Connection, connection.connection.driver_connection)


def _make(folder: Path) -> None:
    """Make the folder, but not those above it: where a disk is not mounted, all would be kept in its mount point."""
    try:
        folder.mkdir(exist_ok=True, mode=0o700)
    except FileNotFoundError as exc:
        wrong = f"cannot be made: {folder.parent} is not there"
        fix = "Mount its disk, or make that folder."
        raise Misconfigured(Problem(str(folder), KEY, wrong, fix)) from exc


def known(connection: Connection) -> dict[str, str]:
    """What the mailbox says of itself, by name."""
    query = select(properties.c.name, properties.c.value)
    return {name: value for name, value in connection.execute(query)}


def _set_up(connection: sqlite3.Connection, *, only_reading: bool) -> None:
    # The driver's own transactions are switched off: they would begin late, and without the write lock.
    connection.isolation_level = None
    to_write = (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"wal_autocheckpoint={_LOG_PAGES}",
    )
    for pragma in ("query_only=ON",) if only_reading else to_write:
        connection.execute(f"PRAGMA {pragma}")
    connection.create_function("comparable", 1, comparable, deterministic=True)


def _begun(connection: Connection) -> None:
    # On the driver's connection: nothing of it is for SQLAlchemy to see, and it happens all the time.
    mode = "IMMEDIATE" if connection.get_execution_options().get("writes") else "DEFERRED"
    driver(connection).execute(f"BEGIN {mode}")
