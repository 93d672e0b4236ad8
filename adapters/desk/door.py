"""The desk, open: its pages served on this machine's own address, or over TLS."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from adapters.desk.app import create_app
from adapters.desk.site import Site
from adapters.desk.store import Store
from adapters.mailbox import Mailbox
from adapters.mailbox.desk import NAME
from bus.connections import Limits
from bus.logs import get
from bus.pages.expiring import end_expired
from bus.settings.adapter import AdapterSettings
from bus.web import serving

_LOG = get(__name__)
_MOST_FORM = 1024 * 1024
"""Bytes of a form beside its file."""


@dataclass(frozen=True)
class DeskDoor:
    """Serves pages until it is told to stop."""

    mailbox: Mailbox
    settings: AdapterSettings
    name: str = NAME

    async def run(self, stop: asyncio.Event) -> None:
        """Be open until `stop`. Raises Misconfigured when the address cannot be had."""
        section = self.settings.desk
        tls = section.serving_tls()
        limits = Limits(most=200, most_body=section.largest_file + _MOST_FORM)
        with Store(self.settings.mailbox.folder) as store:
            site = Site(settings=self.settings, mailbox=self.mailbox, store=store)
            app, host, port = create_app(site), section.listen_host, section.listen_port
            async with serving(app, host, port, setting="desk.listen_port", limits=limits, tls=tls):
                _LOG.info("desk-serves", address=section.address)
                await end_expired(site, stop)
