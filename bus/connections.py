"""What an HTTP server of ours bears from whoever connects: uvicorn's protocol with deadlines, a cap and strict framing.

uvicorn itself waits for ever for the rest of a request's head or body, and h11 reads what proxies read in two ways.

| What | Then |
|---|---|
| a head that is not whole after `head_seconds` | closed |
| a body, or an answer that is not read, below `slowest` bytes a second through a whole `window` | closed |
| a body beyond `most_body` | 413 where it was announced, else closed |
| a body that goes on after its answer for another `window` | closed |
| more connections than `most` | the one that has been without a request for the longest gives way, else 503 |
| more than `most_per_address` from one address that is not this machine | 503 |
| a head that says in two ways where its request ends (`bus.framing`) | 400 |
"""

from __future__ import annotations

import asyncio
import http
import ipaddress
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from bus import logs
from bus.framing import StrictConnection

_log = logs.get("http")
_BY_ANYONE = ("Invalid HTTP request received.", "Unsupported upgrade request.")
logging.getLogger("uvicorn.error").addFilter(lambda record: record.msg not in _BY_ANYONE)
"""A line for each request that anybody sends would fill a disk; they are counted, and told by their number."""
_REPORTED_AFTER = 1.0
_REPORTED_EVERY = 60.0
"""Seconds between log lines about refused connections, however many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds, bytes and counts of one server."""

    head_seconds: float = 10.0
    window: float = 20.0
    slowest: int = 1024
    most: int = 1000
    most_per_address: int = 100
    """0 is no limit; addresses of this machine have none, as a TLS proxy's connections come from there."""
    most_body: int | None = 64 * 1024
    """None where the application judges each body itself, and by reading it."""


@dataclass(slots=True)
class Guard:
    """The connections of one server."""

    limits: Limits
    waiting: dict[GuardedProtocol, None] = field(default_factory=dict)
    """Those without a whole request, the longest first."""
    open: int = 0
    by_address: Counter[str] = field(default_factory=Counter)
    handshakes: dict[int, Callable[[str], None]] = field(default_factory=dict)
    """Of those whose TLS handshake is not done, what ends each, the oldest first."""
    refused: Counter[str] = field(default_factory=Counter)
    _reported_at: float = -_REPORTED_EVERY
    _reporting: asyncio.TimerHandle | None = None

    def note(self, why: str) -> None:
        """Count a refusal; a log line, a second later or a minute after the last one, says how many there were."""
        self.refused[why] += 1
        if self._reporting is None:
            loop = asyncio.get_running_loop()
            wait = max(_REPORTED_AFTER, self._reported_at + _REPORTED_EVERY - loop.time())
            self._reporting = loop.call_later(wait, self._report)

    def forget(self, address: str) -> None:
        """Count one connection less from an address."""
        self.by_address[address] -= 1
        if not self.by_address[address]:
            del self.by_address[address]

    def _report(self) -> None:
        self._reporting, self._reported_at = None, asyncio.get_running_loop().time()
        _log.warning("connections-refused", counts=dict(self.refused))
        self.refused.clear()


class GuardedProtocol(H11Protocol):
    """One connection. `guard` is the server's."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        guard: Guard,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.conn = StrictConnection(guard.limits.most_body)
        self._guard = guard
        self._limits = guard.limits
        self._address = ""
        self._admitted = False
        self._timer: asyncio.TimerHandle | None = None
        self._in = self._in_before = self._in_seen = 0
        """Bytes that have come: altogether, before the request's body, and when it was last looked."""
        self._unsent = 0
        self._read_on = False
        """Whether the other side has read what it was sent, since it was last looked."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or refuse it."""
        super().connection_made(transport)
        guard, most_per_address = self._guard, self._limits.most_per_address
        self._address = counted_address(self.client)
        if self._address and 0 < most_per_address <= guard.by_address[self._address]:
            return self._turn_away(503, "too many connections from one address")
        if guard.open >= self._limits.most and guard.waiting:
            next(iter(guard.waiting)).give_up("no request, and another needed the place")
        if guard.open >= self._limits.most:
            return self._turn_away(503, "too many connections")
        self._admitted = True
        guard.open += 1
        guard.by_address[self._address] += 1
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._forget()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes, unless the connection is on its way out."""
        if self.transport.is_closing():
            return
        self._in += len(data)
        super().data_received(data)
        most = self._limits.most_body
        if most is not None and self.conn.their_state is h11.SEND_BODY and self._in - self._in_before > most:
            self.give_up("a body too large")

    def handle_events(self) -> None:
        """Go on with what has come, then see what is waited for."""
        super().handle_events()
        if not self._admitted or self.transport.is_closing():
            return
        if self.conn.their_state is h11.IDLE:
            self._await_head()
        elif self in self._guard.waiting:
            del self._guard.waiting[self]
            self._in_before = self._in_seen = self._in
            self._restart(self._limits.window, self._look)

    def on_response_complete(self) -> None:
        """Answered; a body that still comes is read for one more window, so that the answer arrives, and not kept."""
        super().on_response_complete()
        if self._admitted and self.conn.their_state is h11.SEND_BODY:
            self._restart(self._limits.window, lambda: self.give_up("a body after its answer"))

    def resume_writing(self) -> None:
        """The other side has read what it was sent."""
        self._read_on = True
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Say what is wrong where no answer has begun; where one has, nothing more can be said."""
        if isinstance(self.conn, StrictConnection) and self.conn.too_large:
            self._turn_away(413, "a body too large")
        elif self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._turn_away(400, "a request that is not HTTP as it should be")
        else:
            self.give_up("a request that is not HTTP as it should be")

    def give_up(self, why: str) -> None:
        """Close without another word: whoever is that slow does not read it either."""
        self._guard.note(why)
        self._forget()
        self.transport.abort()

    def _await_head(self) -> None:
        if self not in self._guard.waiting:
            self._guard.waiting[self] = None
            self._restart(self._limits.head_seconds, self._head_is_late)

    def _head_is_late(self) -> None:
        if self.conn.trailing_data[0] or self.cycle is None:
            self.give_up("no whole request in time")
        elif self.transport.get_write_buffer_size():
            self.give_up("an answer that is not read")
        else:  # kept alive for another request, which has not come
            self._forget()
            self.transport.close()

    def _look(self) -> None:
        """Whether body and answer move on as fast as they must."""
        least = self._limits.slowest * self._limits.window
        came, self._in_seen = self._in - self._in_seen, self._in
        before, self._unsent = self._unsent, self.transport.get_write_buffer_size()
        read_on, self._read_on = self._read_on, False
        # What waits here, unread by the application, is not the other side's slowness.
        idle = not self.cycle.body and not self.flow.read_paused and not self.cycle.waiting_for_100_continue
        if self.conn.their_state is h11.SEND_BODY and idle and came < least:
            self.give_up("a body too slow")
        elif before and self._unsent and not read_on and before - self._unsent < least:
            self.give_up("an answer that is not read")
        else:
            self._restart(self._limits.window, self._look)

    def _turn_away(self, status: int, why: str) -> None:
        self._guard.note(why)
        self._forget()
        line = f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}\r\n"
        self.transport.write(f"{line}Connection: close\r\nContent-Length: 0\r\n\r\n".encode())
        self.transport.close()
        # What was written before may lie there unread, and close() waits for it.
        self.loop.call_later(self._limits.head_seconds, self.transport.abort)

    def _restart(self, seconds: float, act: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, act)

    def _forget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._guard.waiting.pop(self, None)
        if self._admitted:
            self._admitted = False
            self._guard.open -= 1
            self._guard.forget(self._address)


def counted_address(client: tuple[Any, ...] | None) -> str:
    """The address that a connection counts for; none for this machine's own."""
    if client is None or ipaddress.ip_address(client[0].partition("%")[0]).is_loopback:
        return ""
    return str(client[0])
