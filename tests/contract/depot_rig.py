"""What the depot's tests stand on: a real server in a thread, and a line that breaks on purpose."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import uvicorn
from starlette.applications import Starlette

from bus.connections import Limits as ConnectionLimits
from bus.depot.app import Access, build_app
from bus.depot.store import Depot, Limits, open_local_depot
from bus.documents.seal import Seal
from bus.documents.tokens import request_token
from bus.identifiers import RawDigest
from bus.web import server_config
from tests.assets import factory
from tests.assets.digests import raw_digest
from tests.assets.factory import OCS, OPM, SOC

TLS = ssl.create_default_context()
"""One for all clients: each would read the system's certificates for itself."""


def some_file(size: int, seed: int = 1) -> tuple[bytes, RawDigest]:
    """Bytes that look like nothing else, and their SHA-256."""
    data = random.Random(seed).randbytes(size)
    return data, raw_digest(data)


@dataclass
class World:
    """The parts of the bus around a depot: seals, directory and ledger, as plain data that a test may change."""

    folder: Path
    limits: Limits = field(default_factory=Limits)
    database_url: str | None = None
    seals: dict[str, Seal] = field(default_factory=dict)
    suspended: set[str] = field(default_factory=set)
    to_be_pinned: dict[str, Seal] = field(default_factory=dict)
    """What another version of the directory pins, once the depot looks for one."""
    parties: set[tuple[str, str]] = field(default_factory=set)
    now: Callable[[], float] = lambda: datetime.now(UTC).timestamp()
    url: str = ""

    def __post_init__(self) -> None:
        self.seals = {code: factory.seal(code) for code in (OPM, OCS, SOC, "bus")}

    def open_depot(self, *, reserve: int = 0) -> Depot:
        """A depot over this world's folder and ledger."""
        return open_local_depot(
            self.folder,
            parties=lambda agency, sha256: (agency, sha256) in self.parties,
            named=lambda sha256: any(sha256 == named for _, named in self.parties),
            database_url=self.database_url,
            limits=self.limits,
            reserve=reserve,
            clock=lambda: self.now(),
        )

    def access(self) -> Access:
        """The directory in force."""
        return Access(
            pins_of=lambda code: [factory.pin(self.seals[code])] if code in self.seals else [],
            suspended=lambda code: code in self.suspended,
            renewed=self.take_up,
        )

    def take_up(self) -> bool:
        """Put in force what waits to be pinned, and say whether there was something."""
        pinned = len(self.to_be_pinned)
        self.seals |= self.to_be_pinned
        self.to_be_pinned = {}
        return pinned > 0

    def ask(
        self,
        agency: str,
        method: str,
        path: str,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        content: bytes | Iterator[bytes] | None = None,
    ) -> httpx.Response:
        """One request of one agency, with a token of its own unless one is given."""
        if token is None:
            at = datetime.fromtimestamp(self.now(), UTC)
            token = request_token(self.seals[agency], agency, method, path, at=at)
        headers = {"Authorization": f"Bearer {token}", **(headers or {})}
        return httpx.request(
            method, self.url + path, headers=headers, content=content, timeout=20, verify=TLS
        )


class _Server(uvicorn.Server):
    """uvicorn looks ten times a second whether it should end; this one is told."""

    def __init__(self, app: Starlette) -> None:
        super().__init__(server_config(app, ConnectionLimits(most_body=None)))
        self.up = threading.Event()

    async def main_loop(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        await self.on_tick(0)
        self.up.set()
        await self._end.wait()

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)


@contextlib.contextmanager
def serving(app: Starlette) -> Iterator[str]:
    """Serve on a port of its own until the block ends; yields the URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = _Server(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        assert server.up.wait(20)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.end()
        thread.join(20)
        listener.close()


@contextlib.contextmanager
def depot_at(world: World, *, reserve: int = 0, idle_seconds: float = 20.0) -> Iterator[Depot]:
    """A running depot in this world."""
    depot = world.open_depot(reserve=reserve)
    app = build_app(depot, world.access(), idle_seconds=idle_seconds, clock=lambda: world.now())
    try:
        with serving(app) as world.url:
            yield depot
    finally:
        depot.close()


class BreakingLine:
    """A TCP relay that cuts its first connections after so many bytes, one way or the other.

    What it passed on may still be on its way, and is lost by the cut: `once` says when enough has arrived.
    """

    def __init__(
        self,
        target: str,
        *,
        up: int | None = None,
        down: int | None = None,
        cuts: int = 1,
        once: Callable[[], bool] = lambda: True,
    ) -> None:
        host, _, port = target.removeprefix("http://").partition(":")
        self._target = (host, int(port))
        self._limits = {"up": up, "down": down}
        self._cuts_left = cuts
        self._once = once
        self.cuts = 0
        self.carried = {"up": 0, "down": 0}
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]
        self._open: list[socket.socket] = []

    def __enter__(self) -> BreakingLine:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        # Closing alone would not wake the thread that waits for a connection.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        # A client's end of a connection may be closed by an event loop that stands still here.
        for near in self._open:
            _end(near)
        for thread in self._threads:
            thread.join(20)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(near)
            thread = threading.Thread(target=self._relay, args=(near,))
            self._threads.append(thread)
            thread.start()

    def _relay(self, near: socket.socket) -> None:
        with near, socket.create_connection(self._target) as far:
            back = threading.Thread(target=self._pump, args=(far, near, "down"))
            back.start()
            self._pump(near, far, "up")
            back.join(20)

    def _pump(self, source: socket.socket, sink: socket.socket, way: str) -> None:
        carried = 0
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
                carried += len(data)
                self.carried[way] += len(data)
                if self._cut_at(way, carried):
                    break
        _end(source)
        _end(sink)

    def _cut_at(self, way: str, carried: int) -> bool:
        limit = self._limits[way]
        with self._lock:
            if limit is None or carried < limit or not self._cuts_left:
                return False
            self._cuts_left -= 1
        deadline = time.monotonic() + 20
        while not self._once():
            assert time.monotonic() < deadline, "nothing arrives"
            time.sleep(0.001)
        self.cuts += 1
        return True


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
