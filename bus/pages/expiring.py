"""The end of sessions that nobody comes back with."""

from __future__ import annotations

import asyncio
from typing import Final

from bus import logs
from bus.errors import Transient
from bus.pages.site import Site
from bus.process import pause

_EVERY: Final = 60.0
"""Seconds by which the end of a session may be recorded late."""
_log = logs.get("pages")


async def end_expired(site: Site, stop: asyncio.Event) -> None:
    """End the sessions that are over until `stop`, so that their end is recorded though nobody comes back with them."""
    idle, longest = site.section.lasting
    while not stop.is_set():
        try:
            await asyncio.to_thread(site.store.end_expired, idle=idle, longest=longest)
        except Transient as away:
            _log.warning("sessions-not-ended", reason=away)
        await pause(stop, _EVERY)
