"""The mailbox's database file: how it is opened, written, read, and kept to one running process.

SQLite in WAL mode with synchronous FULL: a commit that returned is on the disk. Every writing transaction takes the
write lock at its beginning, so that what it read is still true when it writes. The threads of one process write through
one connection, in turn: at SQLite's own lock they would sleep and try again. `run` holds the lock file for as long as
it lives; other commands only add rows, in short transactions, which `run` notices by SQLite's `data_version`.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout
from sqlalchemy import Connection, Engine, Executable, Table
from sqlalchemy.exc import InterfaceError, OperationalError, TimeoutError

from adapters.mailbox import upgrading
from adapters.mailbox.opening import KEY, driver, engine_for, known, require_owner, require_tables
from adapters.mailbox.prepared import Prepared, Row
from bus.errors import BusError, Transient
from bus.faults import usable
from bus.identifiers import AgencyCode

T = TypeVar("T")
Query = Executable | Prepared
Values = Mapping[str, Any] | None
"""Of the parameters of a statement."""
Listener = Callable[[frozenset[str]], None]
"""Is told of the tables that have more to be done: `outbox` to send, `arrivals` to verify, `inbox` to fetch."""
_LOCK, _LOCK_SECONDS = "run.lock", 0.25


class AlreadyRunning(BusError):
    """Another process runs on this mailbox."""

    for_logs = True


class _Current(threading.local):
    """The transactions that this thread is in."""

    writing: Connection | None = None
    reading: Connection | None = None
    added: frozenset[str] = frozenset()
    """The tables in which the transaction that this thread writes leaves something to do."""


class Database:
    """One mailbox folder: the database, the files beside it and the lock."""

    def __init__(self, folder: Path, agency: AgencyCode, *, only_reading: bool = False) -> None:
        """`only_reading`: nothing is made or changed. Misconfigured when there is no mailbox of this agency to read."""
        self.folder = folder
        self.agency = agency
        self._only_reading = only_reading
        self.engine = engine_for(folder / "mailbox.sqlite", only_reading=only_reading)
        self._turn = threading.Lock()
        self._current = _Current()
        self._version = 0
        self._commits = 0
        self._listeners: list[Listener] = []
        self._runs = count(1)
        self.run = 0
        """Which run of this process on the mailbox it is, 0 while it does not run on it."""
        try:
            hint = "See that its disk is there and has room."
            with usable(str(folder / "mailbox.sqlite"), KEY, hint):
                with translated(self.folder):
                    self._writer = self.engine.connect().execution_options(writes=not only_reading)
                self._prepare()
        except BaseException:
            self.engine.dispose()
            raise

    def close(self) -> None:
        """Close every connection."""
        with self._turn:
            self._writer.close()
        self.engine.dispose()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Hold the write lock and one transaction, committed at the end; Transient when the disk or lock refuses.

        Within another one of the same thread it is a part of that: undone alone if it fails, kept if the whole is.
        """
        current = self._current
        if current.writing is not None:
            with translated(self.folder), _part(driver(current.writing)):
                yield current.writing
            return
        with translated(self.folder), self._turn, self._writer.begin():
            current.writing, current.added = self._writer, frozenset()
            try:
                yield self._writer
            finally:
                current.writing = None
        self._commits += 1
        if current.added:
            for listener in tuple(self._listeners):
                listener(current.added)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that sees one consistent state; within another block of the same thread, that one's."""
        current = self._current
        outer = current.reading if current.writing is None else current.writing
        if outer is not None:
            with translated(self.folder):
                yield outer
            return
        with translated(self.folder), self.engine.connect() as connection, connection.begin():
            current.reading = connection
            try:
                yield connection
            finally:
                current.reading = None

    def rows(self, query: Query, of: Callable[[Row], T], values: Values = None) -> list[T]:
        """Everything that a question finds, each row as `of` makes it."""
        with self.reading() as connection:
            return [of(row) for row in _found(connection, query, values)]

    def first(self, query: Query, of: Callable[[Row], T], values: Values = None) -> T | None:
        """The first row that a question finds, as `of` makes it; None if it finds none."""
        with self.reading() as connection:
            found = next(iter(_found(connection, query, values)), None)
            return None if found is None else of(found)

    def scalar(self, query: Query, values: Values = None) -> Any | None:
        """The first value of the first row that a question finds; None if it finds none."""
        with self.reading() as connection:
            if isinstance(query, Prepared):
                found = query.first(connection, values or {})
                return None if found is None else found[0]
            return connection.execute(query, values).scalar()

    def execute(self, statement: Query, values: Values = None) -> int:
        """Write by one statement; give how many rows it has met."""
        with self.writing() as connection:
            if isinstance(statement, Prepared):
                return statement.run(connection, values or {})
            return connection.execute(statement, values).rowcount

    def changed(self) -> int:
        """A number that differs from the one before if another process has committed since.

        It is this process's own writer that is asked, so that its commits do not count; while it is busy, the number
        is the one before.
        """
        if self._turn.acquire(blocking=False):
            try:
                with translated(self.folder):
                    found = driver(self._writer).execute("PRAGMA data_version").fetchone()
                    self._version = int(found[0])
            finally:
                self._turn.release()
        return self._version

    def stamp(self) -> tuple[int, int]:
        """Another than the one before if anybody has committed since, be it this process or another one."""
        return self._commits, self.changed()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener`, in whatever thread, after `added` was said and is committed; what is returned ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def added(self, table: Table) -> None:
        """Say, in the transaction that does so, that this table has more to be done: listeners hear it afterwards."""
        self._current.added |= {table.name}

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Be the one process that runs on this mailbox; AlreadyRunning if another one does."""
        try:
            # Asked several times: `running` holds the lock for an instant.
            lock = self._lock().acquire(timeout=_LOCK_SECONDS)
        except Timeout as exc:
            raise AlreadyRunning(f"another process runs on {self.folder}; stop it first") from exc
        with lock:
            self.run = next(self._runs)
            try:
                yield
            finally:
                self.run = 0

    def running(self) -> bool:
        """Whether some process holds the lock."""
        if not (self.folder / _LOCK).exists():
            return False  # and asking makes no file
        try:
            with self._lock().acquire(timeout=0):
                return False
        except Timeout:
            return True

    def _lock(self) -> FileLock:
        # The system's own lock, which ends with its process; `fallback_to_soft` would leave one behind.
        return FileLock(
            self.folder / _LOCK,
            mode=0o600,
            thread_local=False,
            fallback_to_soft=False,
            preserve_lock_file=True,
        )

    def _prepare(self) -> None:
        if self._only_reading:
            with self.reading() as connection:
                require_tables(connection, self.folder)
                require_owner(known(connection), self.folder, self.agency)
            return
        with self.writing() as connection:
            layout = upgrading.layout_of(connection)
            if layout is None:
                upgrading.make(connection, self.agency)
                return
            upgrading.require_not_newer(connection, layout)
            require_owner(known(connection), self.folder, self.agency)
        if layout < upgrading.newest():
            self._upgrade()

    def _upgrade(self) -> None:
        """Bring an older layout to this one, while no other program runs; AlreadyRunning if one does."""
        try:
            lock = self._lock().acquire(timeout=_LOCK_SECONDS)
        except Timeout as exc:
            raise AlreadyRunning(f"an older version runs on {self.folder}; stop it first") from exc
        with lock, self.writing() as connection:
            upgrading.upgrade(connection)


def _found(connection: Connection, query: Query, values: Values) -> Sequence[Row]:
    if isinstance(query, Prepared):
        return query.all(connection, values or {})
    return connection.execute(query, values).mappings().all()


@contextmanager
def _part(part: sqlite3.Connection) -> Iterator[None]:
    part.execute("SAVEPOINT part")
    try:
        yield
    except BaseException as exc:
        if not part.in_transaction:
            # On a full disk SQLite undoes all of it by itself.
            raise Transient("the mailbox's database has undone the transaction") from exc
        part.execute("ROLLBACK TO part")
        part.execute("RELEASE part")
        raise
    part.execute("RELEASE part")


@contextmanager
def translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError) as exc:
        raise Transient(_not_answering(folder, exc.orig)) from exc
    except (sqlite3.OperationalError, sqlite3.InterfaceError) as exc:
        raise Transient(_not_answering(folder, exc)) from exc
    except TimeoutError as exc:
        raise Transient("the mailbox's database has no free connection") from exc


@contextmanager
def working(engine: Engine) -> Iterator[Connection]:
    """Give a writing transaction of another database in the mailbox's folder; Transient when the disk refuses."""
    folder = Path(str(engine.url.database)).parent
    with translated(folder), engine.connect() as plain:
        connection = plain.execution_options(writes=True)
        with connection.begin():
            yield connection


def _not_answering(folder: Path, error: BaseException | None) -> str:
    """What SQLite calls it: its sentences, and SQLAlchemy's, may quote a statement and so a letter."""
    if not folder.exists():
        return "the folder of `mailbox.folder` is not there any more: mount its disk, or bring it back"
    why = getattr(error, "sqlite_errorname", None) or type(error).__name__
    return f"the mailbox's database does not answer ({why}): look at its disk, its room and its rights"
