"""Whether a process can work now, and if not, why: for `/readyz`, for the log, and for Prometheus.

Each cause is looked at in one place and told in three: `/readyz` lists what holds now, the log has a line when a cause
begins and one when it ends, and the metric `…_not_ready` is 1 while it holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from time import monotonic

from prometheus_client import CollectorRegistry, Gauge

from bus import logs
from bus.process import pause

_EVERY = 0.5
_log = logs.get("readiness")

Cause = Callable[[], str | None]
"""Returns why the process cannot work, None while this is no cause. Quick, and raises nothing."""


class Readiness:
    """The causes for which a process may be unable to work."""

    def __init__(self, process: str, causes: Mapping[str, Cause], registry: CollectorRegistry) -> None:
        self._causes = causes
        self._since: dict[str, float] = {}
        gauge = Gauge(
            f"saraban_{process}_not_ready",
            "1 while the process cannot work for this cause, 0 otherwise.",
            ["cause"],
            registry=registry,
        )
        for name, look in causes.items():
            gauge.labels(name).set_function(partial(_holds, look))

    def reasons(self) -> list[str]:
        """Return what hinders the process now, a sentence each; nothing means that it is ready."""
        found = ((name, look()) for name, look in self._causes.items())
        return [f"{name}: {reason}" for name, reason in found if reason is not None]

    async def watch(self, stop: asyncio.Event) -> None:
        """Log the beginning and the end of every cause, until stopped."""
        while not stop.is_set():
            await pause(stop, _EVERY)
            self.note()

    def note(self) -> None:
        """Log what has begun and what has ended since the last look."""
        for name, look in self._causes.items():
            reason = look()
            if reason is not None and name not in self._since:
                self._since[name] = monotonic()
                _log.warning("not-ready", cause=name, reason=reason)
            elif reason is None and name in self._since:
                seconds = round(monotonic() - self._since.pop(name), 1)
                _log.info("ready-again", cause=name, seconds=seconds)


def _holds(look: Cause) -> float:
    return float(look() is not None)
