"""Processes that verify parts of a ledger side by side, all of them on one snapshot.

The parts are independent of each other; what they find is put together in their order, and so is the same whoever
looked. On PostgreSQL the snapshot is exported to the workers. SQLite has no such thing: there all begin to read while
the one write lock is held, for milliseconds, so that nothing can be committed between one and the next.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from sqlalchemy import Connection, Engine, func, select

from bus.errors import BusError, Transient
from bus.ledger.database import TILES_FOLDER, open_engine, reading, translated, working
from bus.ledger.tables import entries
from bus.process import collect_rarely, keep_private

T = TypeVar("T")
_CACHE = 4_000
"""KiB of SQLite's own cache for each process: what is looked up by hashes lies everywhere in the file."""
_WORTH, _MOST = 50_000, 8
"""Entries from which on processes are started without being asked for, and how many at the most."""
_GONE = "a process that verified a part of the ledger is gone"
_AHEAD = 64
"""Parts that may be done before one that is awaited."""


class Team(Protocol):
    """Whoever takes the parts of a verification."""

    def map(self, part: Callable[..., T], asked: Iterable[tuple[Any, ...]]) -> Iterator[T]:
        """Yield what `part` gives for a connection and each of these arguments, in their order."""


class Alone:
    """This process, on its own connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def map(self, part: Callable[..., T], asked: Iterable[tuple[Any, ...]]) -> Iterator[T]:
        """Do one part after the other, each when it is asked for."""
        return (part(self._connection, *each) for each in asked)


class Workers:
    """Processes that were started, each at the other end of a pipe."""

    def __init__(self, pipes: Sequence[Pipe]) -> None:
        self._pipes = pipes

    def map(self, part: Callable[..., T], asked: Iterable[tuple[Any, ...]]) -> Iterator[T]:
        """Have the parts done side by side. Raises what a part raised, and Transient when a worker is gone."""
        waiting = enumerate(asked)
        free, busy, done = list(self._pipes), dict[Pipe, int](), dict[int, T]()
        awaited, more = 0, True
        while more or busy or done:
            while more and free and len(done) < _AHEAD:
                place, arguments = next(waiting, (-1, ()))
                if more := place >= 0:
                    pipe = free.pop()
                    _ask(pipe, (part, arguments))
                    busy[pipe] = place
            while awaited in done:
                yield done.pop(awaited)
                awaited += 1
            # One of them has to answer: nothing is awaited that is neither done nor given away.
            for pipe in cast(list[Pipe], wait(list(busy)) if busy else []):
                done[busy.pop(pipe)] = _answer(pipe)
                free.append(pipe)


@contextmanager
def side_by_side(engine: Engine, processes: int) -> Iterator[tuple[Connection, Team]]:
    """Give a connection with one snapshot, and those who verify it: so many processes, or this one alone.

    Raises Transient when the database is away.
    """
    with ExitStack() as stack:
        pipes = [stack.enter_context(_worker(engine)) for _ in range(processes)] if processes > 1 else []
        for pipe in pipes:
            _answer(pipe)
        try:
            connection = _begin_together(engine, pipes, stack)
        except Transient:
            # Whoever may not write has no lock of SQLite's, and no snapshot that others share.
            pipes.clear()
            connection = _begin_together(engine, pipes, stack)
        yield connection, Workers(pipes) if pipes else Alone(connection)


def worth_starting(engine: Engine, since: int) -> int:
    """Return as many processes as there are processors, and one for what this one does before others have begun.

    Raises Transient when the database is away.
    """
    with reading(engine) as connection:
        size = connection.scalar(select(func.max(entries.c.seq))) or 0
    return min(os.cpu_count() or 1, _MOST) if size - since >= _WORTH else 1


def _begin_together(engine: Engine, pipes: Sequence[Pipe], stack: ExitStack) -> Connection:
    if engine.dialect.name == "postgresql":
        connection = stack.enter_context(_snapshot(engine, None))
        name = connection.scalar(select(func.pg_export_snapshot())) if pipes else None
        _begin(pipes, name)
        return connection
    with working(engine) if pipes else nullcontext():
        _begin(pipes, None)
        return stack.enter_context(_snapshot(engine, None))


def _begin(pipes: Sequence[Pipe], snapshot: str | None) -> None:
    for pipe in pipes:
        _ask(pipe, snapshot)
    for pipe in pipes:
        _answer(pipe)


@contextmanager
def _snapshot(engine: Engine, name: str | None) -> Iterator[Connection]:
    """Read one snapshot, an exported one if it has a name; whoever waits for the others is not cut off meanwhile."""
    with reading(engine) as connection:
        if engine.dialect.name == "postgresql":
            if name is not None:
                connection.exec_driver_sql(f"SET TRANSACTION SNAPSHOT '{name}'")
            connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
        else:
            connection.exec_driver_sql(f"PRAGMA cache_size=-{_CACHE}")
        # SQLite takes its snapshot with the first row that is read.
        connection.execute(select(entries.c.seq).limit(1)).all()
        yield connection


@contextmanager
def _worker(engine: Engine) -> Iterator[Pipe]:
    # Started anew and not forked: a fork would share the connections of this process, and its threads' locks.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    url = engine.url.render_as_string(hide_password=False)
    folder = engine.get_execution_options()[TILES_FOLDER]
    process = context.Process(target=_serve, args=(url, folder, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        # It only reads, and what it is doing nobody waits for any more.
        process.terminate()
        process.join()


def _ask(pipe: Pipe, what: Any) -> None:
    try:
        pipe.send(what)
    except OSError as error:
        raise Transient(_GONE) from error


def _answer(pipe: Pipe) -> Any:
    try:
        raised, value = pipe.recv()
    except (EOFError, OSError) as error:
        raise Transient(_GONE) from error
    if raised:
        raise value
    return value


def _serve(url: str, tiles_folder: Path | None, pipe: Pipe) -> None:
    """What a worker runs: parts, as they come, until the other end is closed or gone."""
    # Whoever presses Ctrl-C ends the process at the other end, and with it this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_private()
    collect_rarely()
    engine = open_engine(url, tiles_folder)
    with suppress(EOFError, OSError):
        try:
            with translated(), engine.connect():
                pipe.send((False, None))
            with _snapshot(engine, pipe.recv()) as connection:
                pipe.send((False, None))
                while True:
                    part, arguments = pipe.recv()
                    pipe.send(_done(part, connection, arguments))
        except BusError as error:
            pipe.send((True, error))
    engine.dispose()


def _done(part: Callable[..., Any], connection: Connection, arguments: tuple[Any, ...]) -> tuple[bool, Any]:
    try:
        return False, part(connection, *arguments)
    except BusError as error:
        return True, error
    except Exception:
        # Whatever it is, it need not be something that can be sent.
        return True, RuntimeError(traceback.format_exc())
