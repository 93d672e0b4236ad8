"""HTTP/1.1 over connections that are kept open, and no more of it than the depot is asked for.

Each request of a general client costs a letter more than its seal does; here a request is one write and an answer is
read as it comes. h11 says what may be sent, and what has come. No proxy, no redirect, no cookie and no compression.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any, Final, cast
from urllib.parse import urlsplit

import h11

from bus.errors import BusError
from bus.settings.tls import trusting

Body = bytes | AsyncIterator[bytes]
_KEPT_FOR: Final = 5.0
"""Seconds for which a connection is kept that nobody uses; servers wait longer than that."""
_MOST_UNREAD: Final = 1024 * 1024
"""Bytes that may have come and not been read yet, until no more are taken from the network."""


class Failed(BusError):
    """No answer, or not all of it: by what kind of error, or by OpenSSL's name for it; `detail` may say more."""

    for_logs = True

    def __init__(self, why: str, detail: str = "") -> None:
        super().__init__(why)
        self.detail = detail or why


class Connections:
    """Connections to one server, opened as they are needed; `url` may end in a path, which all requests begin with."""

    def __init__(self, url: str, *, tls: ssl.SSLContext | bool = True, timeout: float = 60.0) -> None:
        """`timeout`: seconds for which nothing may go on."""
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port
        self._named = parts.netloc.rpartition("@")[2]
        self._secure = parts.scheme == "https"
        self._tls = tls
        self._timeout = timeout
        self._idle: list[_Line] = []
        self.prefix = parts.path.rstrip("/")

    async def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: Body | None = None,
        *,
        timeout: float | None = None,
    ) -> Answer:
        """Send a request, and return the answer once its headers have come; the caller closes it. Raises Failed."""
        within = timeout or self._timeout
        line = self._kept() or await self._opened(within)
        try:
            named = [("Host", self._named), *headers.items()]
            if isinstance(body, bytes):
                named.append(("Content-Length", str(len(body))))
            await line.send(h11.Request(method=method, target=path, headers=named), body, within)
            head = await line.event(within)
            while isinstance(head, h11.InformationalResponse):
                head = await line.event(within)
            if not isinstance(head, h11.Response):
                raise Failed("the connection was closed before an answer")
            return Answer(self, line, head, within)
        except BaseException:
            line.close()
            raise

    async def close(self) -> None:
        """Close all that are not in use."""
        while self._idle:
            self._idle.pop().close()

    def keep(self, line: _Line) -> None:
        """Take back a connection that may be used again."""
        line.kept_at = asyncio.get_running_loop().time()
        self._idle.append(line)

    def _kept(self) -> _Line | None:
        oldest = asyncio.get_running_loop().time() - _KEPT_FOR
        while self._idle:
            line = self._idle.pop()
            if line.kept_at >= oldest and not line.ended:
                return line
            line.close()
        return None

    async def _opened(self, within: float) -> _Line:
        loop, tls = asyncio.get_running_loop(), None
        if self._secure:
            if not isinstance(self._tls, ssl.SSLContext):
                self._tls = trusting(None, "depot.ca_file")
            tls = self._tls
        port = self._port or (443 if self._secure else 80)
        try:
            async with asyncio.timeout(within):
                _, line = await loop.create_connection(_Line, self._host, port, ssl=tls)
        except (OSError, TimeoutError) as exc:
            raise _failed(exc) from exc
        return line


class Answer:
    """An answer whose body is read block by block."""

    def __init__(self, connections: Connections, line: _Line, head: h11.Response, within: float) -> None:
        self.status = int(head.status_code)
        self.headers = {name.decode("ascii"): value.decode("latin-1") for name, value in head.headers}
        """By name in lower case."""
        self._connections, self._line, self._within = connections, line, within
        self._whole = False

    async def blocks(self, size: int) -> AsyncIterator[bytes]:
        """The body in blocks of `size` bytes or a little more, and what is left. Raises Failed."""
        pending = bytearray()
        while isinstance(event := await self._line.event(self._within), h11.Data):
            pending += event.data
            if len(pending) >= size:
                yield bytes(pending)
                pending.clear()
        self._whole = isinstance(event, h11.EndOfMessage)
        if pending:
            yield bytes(pending)
        if not self._whole:
            raise Failed("the connection was closed in the middle of an answer")

    async def whole(self, most: int) -> bytes:
        """All of a body of at most so many bytes. Raises Failed, for a longer one too."""
        body = bytearray()
        async for block in self.blocks(most):
            body += block
            if len(body) > most:
                raise Failed(f"more than {most} bytes")
        return bytes(body)

    async def close(self) -> None:
        """Let the connection be used again; one with an answer that is long and not read is closed."""
        if not self._whole:
            with suppress(Failed):
                # What is left of a short answer has come already, or comes at once.
                if int(self.headers.get("content-length", _MOST_UNREAD)) < _MOST_UNREAD // 16:
                    async for _ in self.blocks(_MOST_UNREAD):
                        pass
        if self._whole and self._line.begin_again():
            self._connections.keep(self._line)
        else:
            self._line.close()


class _Line(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self.kept_at = 0.0
        self._http = h11.Connection(h11.CLIENT)
        self._transport: asyncio.Transport | None = None
        self._news = asyncio.Event()
        """Something has come, or can be sent again, or the connection has ended."""
        self._full = False
        self._unread = 0
        self._lost: BaseException | None = None

    @property
    def ended(self) -> bool:
        """Whether it can be used no more."""
        return self._lost is not None or self._transport is None or self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._http.receive_data(data)
        self._unread += len(data)
        if self._unread > _MOST_UNREAD and self._transport:
            self._transport.pause_reading()
        self._news.set()

    def eof_received(self) -> None:
        self._http.receive_data(b"")
        self._lost = self._lost or ConnectionError("closed by the other side")
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = self._lost or exc or ConnectionError("closed")
        self._news.set()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._news.set()

    async def send(self, request: h11.Request, body: Body | None, within: float) -> None:
        """Send a request; its body no further than until an answer comes, which may refuse it."""
        head = self._sent(request)
        if isinstance(body, bytes | None):
            self._write(
                head + (self._sent(h11.Data(data=body)) if body else b"") + self._sent(h11.EndOfMessage())
            )
            return
        self._write(head)
        async for block in body:
            self._write(self._sent(h11.Data(data=block)))
            while self._full and not self.ended and not self._unread:
                await self._wait(within)
            if self.ended or self._unread:
                return
        self._write(self._sent(h11.EndOfMessage()))

    async def event(self, within: float) -> Any:
        """The next part of the answer; h11's ConnectionClosed once there is none. Raises Failed."""
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as exc:
                raise _failed(self._lost or exc) from exc
            if event is not h11.NEED_DATA:
                return event
            if self._lost is not None:
                raise _failed(self._lost)
            self._unread = 0
            if self._transport:
                self._transport.resume_reading()
            await self._wait(within)

    def begin_again(self) -> bool:
        """Be ready for another request; False if that cannot be."""
        if self.ended or (self._http.our_state, self._http.their_state) != (h11.DONE, h11.DONE):
            return False
        self._http.start_next_cycle()
        self._unread = 0
        return True

    def close(self) -> None:
        if self._transport:
            self._transport.abort()

    def _sent(self, event: h11.Event) -> bytes:
        try:
            return self._http.send(event) or b""
        except h11.LocalProtocolError as exc:
            raise _failed(exc) from exc

    def _write(self, data: bytes) -> None:
        if self._transport:
            self._transport.write(data)

    async def _wait(self, within: float) -> None:
        self._news.clear()
        try:
            async with asyncio.timeout(within):
                await self._news.wait()
        except TimeoutError as exc:
            raise _failed(exc) from exc


def _failed(reason: BaseException) -> Failed:
    if isinstance(reason, ssl.SSLError):
        return Failed(reason.reason or type(reason).__name__, str(reason))
    return Failed(type(reason).__name__)
