"""The directory in force here: its records, kept up to date by what the bus consigns of each version."""

from __future__ import annotations

from enum import StrEnum
from threading import Lock

from sqlalchemy import Connection, bindparam, delete, func, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from adapters.mailbox.arrivals import conclude
from adapters.mailbox.database import Database
from adapters.mailbox.messages import Arrival, ArrivalState
from adapters.mailbox.tables import directories, directory_records
from bus.directory import Changes, Directory, Records, directory_of, require_readable
from bus.directory.records import changed, content_of, digest_of, records_in, unreadable
from bus.directory.statement import Statement
from bus.thai import now


class Taken(StrEnum):
    """What became of a statement."""

    IN_FORCE = "in-force"
    KNOWN = "known"
    LACKING = "lacking"
    """What it changes does not lead to it from the version that is held: the whole has to be fetched."""


class Directories:
    """One version is held; the directory that it is, once read, is kept in memory.

    Only the process that runs on the mailbox adds versions, so that in it what is in memory needs no second look.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._latest: Directory | None = None
        self._looked = 0
        """In which run of this process the latest one was looked up, if none has come since."""

    def receive(self, arrival: Arrival, statement: Statement) -> Taken:
        """Put a version in force whose statement was signed by the bus, as far as what it changes leads to it.

        Raises Misconfigured for one with records that cannot be read.
        """
        with self._database.writing() as connection:
            held = _held(connection)
            if statement.version <= held:
                conclude(connection, arrival.id, ArrivalState.DUPLICATE)
                return Taken.KNOWN
            changes = statement.changes
            if changes is None or statement.since != held:
                return Taken.LACKING
            records = changed(_records(connection), changes)
            if digest_of(content_of(records)) != statement.digest:
                return Taken.LACKING
            require_readable(records, (key for key, line in changes.items() if line is not None))
            _keep(connection, statement, changes)
            conclude(connection, arrival.id, ArrivalState.DONE)
        self._forget()
        return Taken.IN_FORCE

    def receive_whole(self, statement: Statement, content: bytes) -> bool:
        """Put a version in force that was fetched; False if it is not newer than the one held.

        Raises Misconfigured unless it is the content of the statement, and one that can be read.
        """
        if digest_of(content) != statement.digest:
            raise unreadable("what was fetched has another digest than the bus stated")
        records = records_in(content)
        require_readable(records, records)
        with self._database.writing() as connection:
            if newer := statement.version > _held(connection):
                connection.execute(delete(directory_records))
                _keep(connection, statement, records)
        self._forget()
        return newer

    def latest(self) -> Directory | None:
        """The version in force, None before the first has come."""
        with self._lock:
            run = self._database.run
            if not run or self._looked != run:
                with self._database.reading() as connection:
                    self._latest = self._read(connection)
                self._looked = run
            return self._latest

    def came_at(self) -> str | None:
        """When the version in force came (ISO 8601), None before the first."""
        query = select(directories.c.arrived_at).order_by(directories.c.version.desc()).limit(1)
        return self._database.scalar(query)

    def _read(self, connection: Connection) -> Directory | None:
        held = _held(connection)
        if held == 0 or (self._latest is not None and self._latest.version == held):
            return self._latest
        return directory_of(held, _records(connection))

    def _forget(self) -> None:
        with self._lock:
            self._looked = 0


def _held(connection: Connection) -> int:
    return connection.execute(select(func.max(directories.c.version))).scalar() or 0


def _records(connection: Connection) -> Records:
    return {row.key: row.line for row in connection.execute(select(directory_records))}


def _keep(connection: Connection, statement: Statement, changes: Changes) -> None:
    values = {"version": statement.version, "digest": statement.digest, "arrived_at": now().isoformat()}
    connection.execute(insert(directories).values(**values))
    gone = [{"gone": key} for key, line in changes.items() if line is None]
    if gone:
        connection.execute(
            delete(directory_records).where(directory_records.c.key == bindparam("gone")), gone
        )
    rows = [{"key": key, "line": line} for key, line in changes.items() if line is not None]
    if rows:
        insertion = upsert(directory_records)
        connection.execute(insertion.on_conflict_do_update(set_={"line": insertion.excluded.line}), rows)
