"""Alarms: what somebody has to look at goes through here, to the log, to a metric, and to whoever else listens."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter

from bus import logs
from bus.errors import Transient

_log = logs.get("alarms")
Listener = Callable[[str, dict[str, Any]], None]
"""Takes an alarm's code and its fields, which hold nothing that may not stand in a log."""


class Alarms:
    """The one place where a router raises an alarm."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._raised = Counter(
            "saraban_router_alarms_total", "Alarms raised, by alarm.", ["alarm"], registry=registry
        )
        self.listeners: list[Listener] = []

    def ring(self, alarm: str, **fields: Any) -> None:
        """Say that somebody has to look; `exc_info` may be the fault itself."""
        self._raised.labels(alarm).inc()
        _log.error(alarm, **fields)
        for listener in self.listeners:
            listener(alarm, {name: value for name, value in fields.items() if name != "exc_info"})

    def watch(self, work: asyncio.Future[Any] | concurrent.futures.Future[Any], name: str) -> None:
        """Raise an alarm if work that nobody waits for meets a fault; what is away for now is no fault."""
        work.add_done_callback(lambda done: self._look(done, name))

    def _look(self, done: asyncio.Future[Any] | concurrent.futures.Future[Any], name: str) -> None:
        if done.cancelled():
            return
        fault = done.exception()
        if fault is not None and not isinstance(fault, Transient):
            self.ring("background-failed", work=name, exc_info=fault)
