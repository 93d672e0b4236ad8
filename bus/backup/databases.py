"""Consistent copies of the two databases while they are written to, and their way back into an empty place.

SQLite: its own online backup, in one step, so that it is one snapshot; writers go on. PostgreSQL: `pg_dump` under a
snapshot that is exported to it, and `pg_restore` in one transaction. Passwords are handed over by the environment, for
every user of a machine sees the arguments of its programs.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL, create_engine, inspect, make_url

from bus.errors import BusError, Misconfigured, Problem, Transient
from bus.faults import usable
from bus.logs import in_words
from bus.platform.folders import sync_folder

_SIDES = ("-wal", "-shm", "-journal")


class ProgramFailed(BusError):
    """A program of PostgreSQL's did not do what it was asked; the message ends with its own last words."""


def kind_of(address: str) -> str:
    """Return `sqlite` or `postgresql`."""
    return make_url(address).get_backend_name()


def file_of(address: str) -> Path:
    """Return the file of a SQLite address."""
    return Path(make_url(address).database or "")


def is_there(address: str, table: str) -> bool:
    """Whether there is a database with that table; of SQLite any file of it at all, be it a log that was left alone."""
    if kind_of(address) == "sqlite":
        return any(file.exists() for file in _files(file_of(address)))
    engine = create_engine(address, connect_args={"connect_timeout": 10})
    hint = "See that it runs."
    try:
        with usable(engine.url.render_as_string(hide_password=True), "ledger.url", hint):
            try:
                return inspect(engine).has_table(table)
            except Exception as error:
                raise Transient(f"the database is not answering ({type(error).__name__})") from error
    finally:
        engine.dispose()


# ---- SQLite --------------------------------------------------------------------------------------------------------


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy a SQLite database as of one moment, into one file. Raises Transient when it is locked or damaged."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    target.touch(mode=0o600)
    uri = f"{source.absolute().as_uri()}?mode=rw"
    try:
        with (
            closing(sqlite3.connect(uri, uri=True, timeout=30)) as here,
            closing(sqlite3.connect(target)) as there,
        ):
            here.backup(there)
            # One file and no log beside it: what is hashed is all there is.
            there.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise Transient(f"{source} cannot be copied now ({in_words(error)})") from error
    _sync(target)


def put_sqlite(copy: Path, target: Path) -> None:
    """Put a copy into its empty place in one step; what an interrupted run has left beside it is removed."""
    beside = target.with_name(f".{target.name}.part")
    for file in _files(beside):
        # Its log too: SQLite would take that for the log of the next one.
        file.unlink(missing_ok=True)
    copy_sqlite(copy, beside)
    beside.replace(target)
    sync_folder(target.parent)


def _files(database: Path) -> list[Path]:
    """The file of a SQLite database, and those that SQLite may have beside it."""
    return [database, *(database.with_name(database.name + side) for side in _SIDES)]


def seal_copy(copy: Path) -> None:
    """Make a copy that was looked into one file again."""
    with closing(sqlite3.connect(copy)) as opened:
        opened.execute("PRAGMA journal_mode=DELETE")
    _sync(copy)


def _sync(file: Path) -> None:
    descriptor = os.open(file, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(file.parent)


# ---- PostgreSQL ----------------------------------------------------------------------------------------------------


def dump_postgresql(address: str, target: Path, *, snapshot: str | None = None) -> None:
    """Dump a database under an exported snapshot. Raises Misconfigured without `pg_dump`, ProgramFailed if it fails."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    target.touch(mode=0o600)
    under = [f"--snapshot={snapshot}"] if snapshot else []
    _run("pg_dump", address, ["--format=custom", *under, f"--file={target}"])
    _sync(target)


def load_postgresql(dump: Path, address: str) -> None:
    """Load a dump into an empty database, all of it or nothing; who may do what there is left to `ledger init`."""
    how = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", "--no-comments"]
    _run("pg_restore", address, [*how, str(dump)])


def _run(program: str, address: str, arguments: Sequence[str]) -> None:
    found = shutil.which(program)
    if found is None:
        fix = "Install PostgreSQL's client programs, of the server's version or newer."
        raise Misconfigured(Problem("this machine", program, "is not installed", fix))
    url = make_url(address)
    environment = {**os.environ, "LC_ALL": "C"}
    if url.password is not None:
        environment["PGPASSWORD"] = str(url.password)
    command = [found, "--no-password", f"--dbname={_without_password(url)}", *arguments]
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        raise ProgramFailed(f"{program} ended with {done.returncode}: {said[-1]}")


def _without_password(url: URL) -> str:
    bare = URL.create(
        "postgresql",
        username=url.username,
        host=url.host,
        port=url.port,
        database=url.database,
        query=url.query,
    )
    return bare.render_as_string(hide_password=False)
