"""The directory versions that the bus sent to this agency; the latest is the one in force here."""

from __future__ import annotations

from threading import Lock

from sqlalchemy import Connection, func, insert, select

from adapters.mailbox.arrivals import conclude
from adapters.mailbox.database import Database
from adapters.mailbox.messages import Arrival, ArrivalState
from adapters.mailbox.tables import directories
from bus.directory import Directory, from_json
from bus.thai import now


class Directories:
    """Versions are added; the latest one, once read, is kept in memory.

    Only the process that runs on the mailbox adds versions, so that in it what is in memory needs no second look.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._latest: Directory | None = None
        self._looked = 0
        """In which run of this process the latest one was looked up, if none has come since."""

    def receive(self, arrival: Arrival, directory: Directory, json: bytes) -> bool:
        """Keep a version whose signature held; False if it is not newer than the one held."""
        with self._database.writing() as connection:
            held = connection.execute(select(func.max(directories.c.version))).scalar() or 0
            newer = directory.version > held
            if newer:
                values = {"version": directory.version, "json": json, "arrived_at": now().isoformat()}
                connection.execute(insert(directories).values(**values))
            conclude(connection, arrival.id, ArrivalState.DONE if newer else ArrivalState.DUPLICATE)
        with self._lock:
            self._looked = 0
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

    def _read(self, connection: Connection) -> Directory | None:
        held = connection.execute(select(func.max(directories.c.version))).scalar()
        if held is None or (self._latest is not None and self._latest.version == held):
            return self._latest
        query = select(directories.c.json).where(directories.c.version == held)
        return from_json(connection.execute(query).scalar_one())
