"""The directory versions that the bus sent to this agency; the latest is the one in force here."""

from __future__ import annotations

from threading import Lock

from sqlalchemy import func, insert, select

from adapters.mailbox.arrivals import Arrival, Judgement, judge
from adapters.mailbox.store import Store
from adapters.mailbox.tables import directories
from bus.directory import Directory, from_json
from bus.thai import now


class Directories:
    """Versions are added; the latest one, once read, is kept in memory."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = Lock()
        self._latest: Directory | None = None

    def receive(self, arrival: Arrival, directory: Directory, json: bytes) -> bool:
        """Keep a version whose signature held; False if it is not newer than the one held."""
        with self._store.writing() as connection:
            held = connection.execute(select(func.max(directories.c.version))).scalar() or 0
            newer = directory.version > held
            if newer:
                values = {"version": directory.version, "json": json, "arrived_at": now().isoformat()}
                connection.execute(insert(directories).values(**values))
            judge(connection, arrival.id, Judgement.DONE if newer else Judgement.DUPLICATE)
        return newer

    def latest(self) -> Directory | None:
        """The version in force, None before the first has come."""
        with self._lock, self._store.reading() as connection:
            held = connection.execute(select(func.max(directories.c.version))).scalar()
            if held is not None and (self._latest is None or self._latest.version != held):
                query = select(directories.c.json).where(directories.c.version == held)
                self._latest = from_json(connection.execute(query).scalar_one())
            return self._latest
