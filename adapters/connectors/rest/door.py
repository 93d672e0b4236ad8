"""The REST door, open: its application served on this machine's own address, or over TLS."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass

import httpx

from adapters.connectors.rest.access import Shared
from adapters.connectors.rest.app import create_app
from adapters.connectors.rest.keys import Rates
from adapters.connectors.rest.telling import NAME
from adapters.connectors.rest.webhooks import Poster
from adapters.mailbox import Mailbox
from bus.connections import Limits
from bus.errors import Transient
from bus.logs import get
from bus.process import pause
from bus.web import serving

_LOG = get(__name__)


@dataclass(frozen=True)
class RestDoor:
    """Serves requests until it is told to stop; `per_minute` requests of each key, files of `largest_file` bytes."""

    mailbox: Mailbox
    host: str
    port: int
    tls: ssl.SSLContext | None = None
    per_minute: int = 600
    largest_file: int = 512 * 1024 * 1024
    poll: float = 1.0
    """Seconds between looks for news to post."""
    name: str = NAME

    async def run(self, stop: asyncio.Event) -> None:
        """Be open until `stop`. Raises Misconfigured when the address cannot be had."""
        app = create_app(Shared(self.mailbox, Rates(self.per_minute), self.largest_file))
        limits = Limits(most_body=None)  # the application judges each body itself
        setting = "connectors.rest.port"
        async with (
            serving(app, self.host, self.port, setting=setting, limits=limits, tls=self.tls),
            httpx.AsyncClient(follow_redirects=False, trust_env=False) as client,
        ):
            await self._post(Poster(self.mailbox, client), stop)

    async def _post(self, poster: Poster, stop: asyncio.Event) -> None:
        """Post news until `stop`; trouble is logged, and the next round comes."""
        while not stop.is_set():
            try:
                await poster.round()
            except Transient as exc:
                _LOG.warning("connector-postponed", connector=self.name, reason=exc)
            except Exception:
                _LOG.exception("connector-failed", connector=self.name)
            await pause(stop, self.poll)
