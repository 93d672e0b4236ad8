"""How the ledger is, as gauges: asked every few seconds by each router, all of which show the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial
from math import inf
from time import monotonic

from prometheus_client import CollectorRegistry, Gauge

from bus.directory import Directory
from bus.errors import Transient
from bus.ledger.measures import Measured, measuring
from bus.ledger.store import Ledger
from bus.metrics import Counted
from bus.process import pause
from bus.thai import now

_EVERY = 5.0
SHARE = 20
"""A look that takes long is made as much less often: it may use a twentieth of the time."""
_BYTES_EVERY = 60.0
_GAUGES: dict[str, tuple[str, Callable[[Measured], float]]] = {
    "pending_consignments": (
        "Consignments in the ledger that no broker has confirmed, of active agencies.",
        lambda found: found.pending,
    ),
    "on_hold_consignments": (
        "Consignments in the ledger that wait because their agency is suspended.",
        lambda found: found.on_hold,
    ),
    "pending_oldest_seconds": (
        "Seconds since the oldest consignment was given that no broker has confirmed, 0 without one.",
        lambda found: _age(found.pending_since),
    ),
    "deadlines_passed": (
        "Deadlines that have passed and are not judged yet, counted up to 10,000.",
        lambda found: found.passed,
    ),
    "deadline_lag_seconds": (
        "Seconds since the oldest deadline passed that is not judged yet, 0 without one.",
        lambda found: _age(found.passed_since),
    ),
    "overdue_of_a_day": (
        "Overdue notices that all routers have issued within a day.",
        lambda found: found.overdue,
    ),
    "head_age_seconds": (
        "Seconds since a head of the ledger was signed last, +Inf before the first; an idle ledger needs none.",
        lambda found: _age(found.head_at, without=inf),
    ),
    "unsigned_seconds": (
        "Seconds since the oldest entry was made that no signed head covers, 0 without one.",
        lambda found: _age(found.unsigned_since),
    ),
    "anchor_age_seconds": (
        "Seconds since witnesses were asked last to cosign a head, +Inf before the first time.",
        lambda found: _age(found.anchor_at, without=inf),
    ),
    "anchor_cosignatures": (
        "Witnesses that have cosigned the head about which they were asked last.",
        lambda found: found.cosignatures,
    ),
    "cosigned_age_seconds": (
        "Seconds since a witness cosigned a head last, +Inf before the first.",
        lambda found: _age(found.cosigned_at, without=inf),
    ),
}


class Gauges:
    """What was last seen of the ledger."""

    def __init__(
        self, ledger: Ledger, directory: Callable[[], Directory], registry: CollectorRegistry
    ) -> None:
        """`directory` returns the one in force."""
        self._ledger = ledger
        self._directory = directory
        self._registry = registry
        self._measured: Measured | None = None
        self._bytes, self._bytes_at = 0, -inf

    async def run(self, stop: asyncio.Event) -> None:
        """Look again and again, until stopped."""
        while not stop.is_set():
            began = monotonic()
            await self.look()
            await pause(stop, max(_EVERY, SHARE * (monotonic() - began)))

    async def look(self) -> None:
        """Ask the ledger; while it is away everything stays as it was, and ages grow."""
        try:
            found = await asyncio.to_thread(self._ask)
        except Transient:
            return
        first, self._measured = self._measured is None, found
        if first:
            # Nothing is shown before it is known: a gauge of 0 would say that all is well.
            self._show()

    def _ask(self) -> Measured:
        with measuring(self._ledger) as measures:
            if monotonic() >= self._bytes_at + _BYTES_EVERY:
                self._bytes, self._bytes_at = measures.bytes(), monotonic()
            return measures.all(now())

    def _show(self) -> None:
        for name, (sentence, value) in _GAUGES.items():
            self._gauge(name, sentence, partial(self._value, value))
        self._gauge("ledger_bytes", "Bytes of the ledger's database.", lambda: self._bytes)
        self._gauge("witnesses", "Agencies of the directory that have a witness.", self._witnesses)
        sentence = "Entries of the ledger, whichever router made them."
        entries = partial(self._value, lambda found: found.entries)
        self._registry.register(Counted("saraban_router_ledger_entries", sentence, entries))

    def _gauge(self, name: str, sentence: str, value: Callable[[], float]) -> None:
        Gauge(f"saraban_router_{name}", sentence, registry=self._registry).set_function(value)

    def _value(self, value: Callable[[Measured], float]) -> float:
        return value(self._measured) if self._measured else 0.0

    def _witnesses(self) -> float:
        return sum(one.witness is not None and one.active for one in self._directory().agencies.values())


def _age(at: str | None, *, without: float = 0.0) -> float:
    return max(0.0, (now() - datetime.fromisoformat(at)).total_seconds()) if at else without
