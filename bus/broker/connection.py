"""One connection to the broker: opened, watched, blocked and unblocked, lost.

pika's connection lives in the event loop and speaks in callbacks. What is gone stays gone; `Link` replaces it. Nothing
but `Transient` leaves it.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

import pika
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.exceptions import AMQPError, StreamLostError

from bus.broker.awaiting import first, in_words, resolve
from bus.broker.liveness import Evidence
from bus.broker.messages import Away

_AT_ONCE = 64 * 1024
"""Bytes that are written in one piece; what a socket takes only a part of is copied."""


class _Socket(AsyncioConnection):  # type: ignore[misc]  # pika ships no types
    """Writes what one turn of the event loop has to say in one piece: pika would write each frame by itself.

    A message is three frames, and a write costs as much as the making of one.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._said: list[bytes] = []
        self._size = 0
        super().__init__(*arguments, **named)

    def _adapter_emit_data(self, data: bytes) -> None:
        if not self._said:
            asyncio.get_running_loop().call_soon(self._write)
        self._said.append(data)
        self._size += len(data)
        if self._size >= _AT_ONCE:
            self._write()

    def _write(self) -> None:
        said, self._said, self._size = self._said, [], 0
        if said and self._transport is not None:  # it may be gone by now
            super()._adapter_emit_data(b"".join(said))


class Connection:
    """One connection, from the attempt to open it until it is gone."""

    def __init__(self, parameters: pika.connection.Parameters) -> None:
        loop = asyncio.get_running_loop()
        self.gone: asyncio.Future[str] = loop.create_future()
        self.opened: asyncio.Future[Any] = loop.create_future()
        self._closed: asyncio.Future[Any] = loop.create_future()
        """Done when nothing of it is left; `gone` may be done before."""
        self.unblocked = asyncio.Event()
        self.unblocked.set()
        self.evidence = Evidence()
        self._asked: pika.channel.Channel | None = None
        self.pika = _Socket(
            parameters,
            on_open_callback=resolve(self.opened),
            on_open_error_callback=self._lost,
            on_close_callback=self._lost,
            custom_ioloop=loop,
        )
        self.pika.add_on_connection_blocked_callback(lambda *_: self.unblocked.clear())
        self.pika.add_on_connection_unblocked_callback(lambda *_: self.unblocked.set())

    async def wait_open(self) -> None:
        """Return when it is open; raise Away when that failed."""
        await first(self.opened, self.gone)
        if self.gone.done():
            raise Away(self.gone.result())

    @property
    def bytes_received(self) -> int:
        """How many bytes have come over it."""
        return int(self.pika.bytes_received)

    @property
    def product(self) -> str:
        """What the broker calls itself, with its version."""
        said = self.pika.server_properties or {}
        return " ".join(str(said.get(name, "")) for name in ("product", "version")).strip() or "unknown"

    def ask(self) -> None:
        """Have the broker answer something, over a channel of its own, which no queue holds up."""
        with suppress(AMQPError):
            if self._asked is None or self._asked.is_closed:
                self._asked = self.pika.channel(on_open_callback=lambda _: None)
            elif self._asked.is_open:
                self._asked.basic_qos(prefetch_count=1, callback=lambda _: None)

    def abort(self, reason: str) -> None:
        """Drop the socket, as whoever is there does not answer: closing in order would wait for it."""
        if not self.gone.done():
            self.gone.set_result(reason)
        # What pika's own heartbeat does when the broker is silent; it has no public name. While a connection
        # is being opened it is the only way out: there, close() of pika 1.4 fails in an assertion.
        self.pika._terminate_stream(StreamLostError(reason))

    async def close(self, *, within: float) -> None:
        """Close in order, or after so many seconds by dropping the socket; nothing of it is left afterwards."""
        if self.opened.done():
            with suppress(AMQPError):
                self.pika.close()
            await asyncio.wait({self._closed}, timeout=within)
        if not self._closed.done():
            self.abort("given up")
            await asyncio.wait({self._closed}, timeout=within)

    def _lost(self, _: AsyncioConnection, reason: BaseException | None) -> None:
        self.unblocked.set()  # whoever waits for that must now wait for another connection
        if not self.gone.done():
            self.gone.set_result(in_words(reason))
        resolve(self._closed)(None)


def parameters_of(
    url: str, name: str, heartbeat: int, tls: ssl.SSLContext | None, *, within: float
) -> pika.URLParameters:
    """How to connect to this one host, everything up to the open connection taking so many seconds at most."""
    parts = urlsplit(url)
    parameters = pika.URLParameters(urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])))
    parameters.credentials = _credentials(parts)
    parameters.client_properties = {"connection_name": name}
    parameters.heartbeat = heartbeat
    parameters.connection_attempts = 1
    parameters.socket_timeout = parameters.stack_timeout = within
    # A blocked publisher waits for its own deadline; dropping the connection would not unblock it.
    parameters.blocked_connection_timeout = None
    if tls is not None:
        parameters.ssl_options = pika.SSLOptions(tls, parameters.host)
    return parameters


def _credentials(parts: SplitResult) -> Any:
    """Of a URL with a user and no password: whoever the certificate says that is shown (SASL EXTERNAL)."""
    if parts.password is None:
        return pika.credentials.ExternalCredentials()
    return pika.PlainCredentials(unquote(parts.username or ""), unquote(parts.password))
