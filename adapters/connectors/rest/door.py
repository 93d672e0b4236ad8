"""The REST door, open: its application served on this machine's own address, or over TLS."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass

from adapters.connectors.rest.access import NAME, Desk
from adapters.connectors.rest.app import create_app
from adapters.connectors.rest.keys import Rates
from adapters.mailbox import Mailbox
from bus.connections import Limits
from bus.web import serving


@dataclass(frozen=True)
class RestDoor:
    """Serves requests until it is told to stop; `per_minute` requests of each key, files of `largest_file` bytes."""

    mailbox: Mailbox
    host: str
    port: int
    tls: ssl.SSLContext | None = None
    per_minute: int = 600
    largest_file: int = 512 * 1024 * 1024
    name: str = NAME

    async def run(self, stop: asyncio.Event) -> None:
        """Be open until `stop`. Raises Misconfigured when the address cannot be had."""
        app = create_app(Desk(self.mailbox, Rates(self.per_minute), self.largest_file))
        limits = Limits(most_body=None)  # the application judges each body itself
        setting = "connectors.rest.port"
        async with serving(app, self.host, self.port, setting=setting, limits=limits, tls=self.tls):
            await stop.wait()
