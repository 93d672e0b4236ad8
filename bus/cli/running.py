"""Running one of the bus's processes from its command."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from bus import logs
from bus.cli.common import note, settings_of
from bus.process import run_until_stopped
from bus.settings.bus import BusSettings


def run(
    service: str, config: Path | None, process: Callable[[BusSettings, asyncio.Event], Awaitable[None]]
) -> None:
    """Run a process until SIGTERM or SIGINT, then let it finish and close."""
    settings = settings_of(config)
    logs.configure(service, level=settings.log.level)
    note(f"saraban-bus {service}")
    run_until_stopped(partial(process, settings))
