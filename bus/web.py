"""Serving an application on this machine: uvicorn ends here."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self.ready.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the process, which has more to end than this server."""
        yield


@asynccontextmanager
async def serving(app: Starlette, host: str, port: int) -> AsyncIterator[None]:
    """Serve an application until the end of the block; requests under way are finished."""
    config = uvicorn.Config(app, host=host, port=port, log_config=None, access_log=False, server_header=False)
    server = _Server(config)
    running = asyncio.create_task(server.serve(), name=f"serving {port}")
    try:
        started = asyncio.create_task(server.ready.wait())
        await asyncio.wait({started, running}, return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        if running.done():
            running.result()
            raise OSError(f"port {port} of {host} cannot be served")
        yield
    finally:
        server.should_exit = True
        await asyncio.gather(running, return_exceptions=True)


def health_app(*, reasons: Callable[[], Sequence[str]], metrics: Callable[[], bytes]) -> Starlette:
    """Return an application with `/healthz`, `/readyz` and `/metrics`; `reasons` say why it is not ready."""

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def readyz(_request: Request) -> Response:
        found = reasons()
        if not found:
            return PlainTextResponse("ready\n")
        return PlainTextResponse("".join(f"{line}\n" for line in ("not ready", *found)), 503)

    async def exposition(_request: Request) -> Response:
        return Response(metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return Starlette(
        routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", exposition)]
    )
