"""TLS before an HTTP server of ours, so that the guard of its connections counts from the first byte of a handshake.

A server of asyncio's hands a connection over once its handshake is done, and bounds neither how many there are before
that nor, for a whole minute, how long each takes. Here a handshake has the patience of a request's head, counts for its
address, and gives way, the oldest first, where places are short.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import cast

from bus.connections import Guard, counted_address


class Handshake(asyncio.Protocol):
    """One connection until its handshake is done; then it is that of the protocol which `make` returns."""

    def __init__(self, tls: ssl.SSLContext, guard: Guard, make: Callable[[], asyncio.Protocol]) -> None:
        self._tls = tls
        self._guard = guard
        self._make = make
        self._address = ""
        self._early = bytearray()
        """What came right behind the handshake, before there was anybody to take it."""
        self._lost = False
        self._transport: asyncio.Transport | None = None
        self._shaking: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake, or turn the connection away: before it is done nothing can be said."""
        guard, limits = self._guard, self._guard.limits
        self._transport = cast("asyncio.Transport", transport)
        self._address = counted_address(transport.get_extra_info("peername"))
        if self._address and 0 < limits.most_per_address <= guard.by_address[self._address]:
            return self._abort("too many connections from one address")
        if guard.handshakes and guard.open + len(guard.handshakes) >= limits.most:
            oldest = next(iter(guard.handshakes))
            guard.handshakes.pop(oldest)("no handshake, and another needed the place")
        guard.handshakes[id(self)] = self._abort
        guard.by_address[self._address] += 1
        self._shaking = asyncio.create_task(self._shake(self._transport))

    def data_received(self, data: bytes) -> None:
        """Keep what is already for the protocol."""
        self._early += data

    def connection_lost(self, exc: Exception | None) -> None:
        """There is nobody to be handed over."""
        self._lost = True

    async def _shake(self, transport: asyncio.Transport) -> None:
        try:
            secured = await asyncio.get_running_loop().start_tls(
                transport,
                self,
                self._tls,
                server_side=True,
                ssl_handshake_timeout=self._guard.limits.head_seconds,
            )
        except OSError:  # ssl.SSLError is one, and so is a handshake that took too long
            if id(self) in self._guard.handshakes:  # else it was ended here, and counted
                self._guard.note("no TLS handshake")
            transport.abort()
            return
        finally:
            self._guard.handshakes.pop(id(self), None)
            self._guard.forget(self._address)
        if secured is None or self._lost:
            return
        protocol = self._make()
        secured.set_protocol(protocol)
        protocol.connection_made(secured)
        if self._early:
            protocol.data_received(bytes(self._early))

    def _abort(self, why: str) -> None:
        self._guard.note(why)
        if self._transport is not None:
            self._transport.abort()
