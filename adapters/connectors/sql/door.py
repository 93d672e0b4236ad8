"""The tables as a door of the adapter: read and written while the adapter runs."""

from __future__ import annotations

import asyncio

from adapters.connectors.base import serve
from adapters.connectors.sql.connector import NAME, SqlConnector
from adapters.mailbox import Mailbox
from bus.settings.office_database import SqlConnector as Settings


class SqlDoor:
    """One office's database; its connections are closed when the adapter stops."""

    name = NAME

    def __init__(self, mailbox: Mailbox, settings: Settings) -> None:
        """Raises Misconfigured for a password that cannot be read, or a driver that is not installed."""
        self._connector = SqlConnector(mailbox, settings)
        self._interval = settings.poll

    async def run(self, stop: asyncio.Event) -> None:
        """Import and export until `stop`."""
        try:
            await serve(self._connector, stop, interval=self._interval)
        finally:
            self._connector.close()
