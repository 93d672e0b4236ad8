"""Whether anybody watches: a bus whose metrics nobody asks for says so in its log."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from bus import logs

WITHIN = 15 * 60.0
"""Seconds; whoever watches asks several times a minute."""
_AGAIN_AFTER = 3600.0
_log = logs.get("watching")


class Watchers:
    """When the metrics were asked for last."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._asked_at = clock()
        self._said_at: float | None = None

    def asked(self) -> None:
        """Note that the metrics are being asked for."""
        self._asked_at, self._said_at = self._clock(), None

    def look(self) -> None:
        """Log, once an hour, that nobody has asked for 15 minutes."""
        at = self._clock()
        if at - self._asked_at < WITHIN or (self._said_at is not None and at - self._said_at < _AGAIN_AFTER):
            return
        self._said_at = at
        _log.warning("nobody-watches", minutes=round((at - self._asked_at) / 60))
