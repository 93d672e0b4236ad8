"""Serving an application on this machine: uvicorn ends here."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import Any, Final, cast

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bus.connections import Guard, GuardedProtocol, Limits
from bus.errors import Misconfigured, Problem
from bus.handshakes import Handshake
from bus.platform.process import OWN_ADDRESS

HEALTH_LIMITS: Final = Limits(most=100)
"""For what answers a few bytes to a few who ask."""
_TICK = 1.0
_GRACE = 10
"""Seconds for requests under way when a server ends."""


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self._ending = asyncio.Event()

    def end(self) -> None:
        """Serve no more."""
        self.should_exit = True
        self._ending.set()

    async def main_loop(self) -> None:
        """Keep the time that answers state, each second; uvicorn looks ten times as often whether it should end."""
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK):
                    await self._ending.wait()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self.ready.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the process, which has more to end than this server."""
        yield


@asynccontextmanager
async def serving(
    app: Starlette,
    host: str,
    port: int,
    *,
    setting: str,
    limits: Limits = HEALTH_LIMITS,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[None]:
    """Serve an application until the end of the block; requests under way are finished, if they do in ten seconds.

    With `tls` it is served over https, and over nothing else.
    Raises Misconfigured, naming `setting`, when the address cannot be had.
    """
    sockets = _listening(host, port, setting)
    server = _Server(server_config(app, limits, tls))
    running = asyncio.create_task(server.serve(sockets), name=f"serving {port}")
    try:
        started = asyncio.create_task(server.ready.wait())
        await asyncio.wait({started, running}, return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        if running.done():
            running.result()
            raise RuntimeError("the HTTP server ended before it began")
        yield
    finally:
        server.end()
        await asyncio.gather(running, return_exceptions=True)
        for each in sockets:
            each.close()


def server_config(app: Starlette, limits: Limits, tls: ssl.SSLContext | None = None) -> uvicorn.Config:
    """Return how uvicorn is to serve: guarded, and without what nobody here asked for.

    Of `tls` uvicorn learns nothing: the handshake is done before its protocol begins.
    """
    guard = Guard(limits)

    def protocol(**given: Any) -> asyncio.Protocol:
        plain = partial(GuardedProtocol, guard=guard, **given)
        return plain() if tls is None else Handshake(tls, guard, plain)

    return uvicorn.Config(
        app,
        # uvicorn calls it as a class, and types it as one.
        http=cast("type[asyncio.Protocol]", protocol),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        # Longer than the guard's own patience, which is what ends a connection that is kept alive.
        timeout_keep_alive=3600,
        timeout_graceful_shutdown=_GRACE,
    )


def _listening(host: str, port: int, setting: str) -> list[socket.socket]:
    """Sockets bound to every address of this host."""
    bound: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in dict.fromkeys(found):
            bound.append(socket.socket(family, kind, protocol))
            bound[-1].setsockopt(socket.SOL_SOCKET, OWN_ADDRESS, 1)
            if family == socket.AF_INET6:
                bound[-1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound[-1].bind(address)
    except OSError as exc:
        for each in bound:
            each.close()
        wrong = f"port {port} of {host} cannot be served: {(exc.strerror or type(exc).__name__).lower()}"
        fix = "Stop the program that has it, or choose another port or address."
        raise Misconfigured(Problem("settings", setting, wrong, fix)) from exc
    return bound


def health_app(
    *,
    reasons: Callable[[], Sequence[str]],
    metrics: Callable[[], bytes],
    lines: Callable[[], Iterable[str]] = tuple,
) -> Starlette:
    """Return an application with `/healthz`, `/readyz` and `/metrics`.

    `reasons` say why it is not ready; `lines` are what `/readyz` has to say more, ready or not.
    """

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def readyz(_request: Request) -> Response:
        found = reasons()
        text = "\n".join(["not ready" if found else "ready", *found, *lines(), ""])
        return PlainTextResponse(text, 503 if found else 200)

    async def exposition(_request: Request) -> Response:
        return Response(metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return Starlette(
        routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", exposition)]
    )
