"""Whether the clerks of every agency look at what comes: a central mailbox is to be looked at twice a day.

So says the regulation on correspondence (No. 4, B.E. 2564). An agency is unread when a letter was delivered to it, its
clerks have said nothing of any letter since (registered, refused, opened, …), and half a working day has gone by since
then, of its own working days. What it sends is no sign that it reads. Nobody is accused by it: it is for the operators,
who call the agency.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from time import monotonic

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bus import logs
from bus.calendar import Calendar
from bus.directory import Directory
from bus.errors import Transient
from bus.identifiers import AgencyCode
from bus.ledger.measures import NOTHING_READ, Reading, measuring
from bus.ledger.store import Ledger
from bus.process import pause
from bus.router.gauges import SHARE
from bus.thai import now

_EVERY = 5.0
_AT_ONCE = 100
"""Agencies that are looked at together; of eight thousand each has its turn within seven minutes."""
_log = logs.get("clerks")


class WatchingClerks(Collector):
    """What was last seen of each agency."""

    def __init__(
        self,
        ledger: Ledger,
        directory: Callable[[], Directory],
        calendar: Callable[[], Calendar],
        registry: CollectorRegistry,
        *,
        named: bool,
    ) -> None:
        """`directory` and `calendar` return those in force; `named`: whether there is a series for each agency."""
        self._ledger = ledger
        self._directory = directory
        self._calendar = calendar
        self._named = named
        self._readings: dict[AgencyCode, Reading] = {}
        self._to_do: list[AgencyCode] = []
        self._logged: set[AgencyCode] = set()
        self._reckoned_by: Calendar | None = None
        self._unread_from: dict[AgencyCode, tuple[str, datetime]] = {}
        """By agency: since when it has something unread, and when half a working day has gone by since then."""
        registry.register(self)

    async def run(self, stop: asyncio.Event) -> None:
        """Look again and again, until stopped."""
        while not stop.is_set():
            began = monotonic()
            await self.look()
            await pause(stop, max(_EVERY, SHARE * (monotonic() - began)))

    async def look(self) -> None:
        """Look at those whose turn it is, and log who has come to be unread and who has read since."""
        if not self._to_do:
            active = (code for code, one in self._directory().agencies.items() if one.inbox and one.active)
            self._to_do = sorted(active, reverse=True)
            known = set(self._to_do)
            self._readings = {code: one for code, one in self._readings.items() if code in known}
            self._logged &= known
            self._unread_from = {code: one for code, one in self._unread_from.items() if code in known}
        some, self._to_do = self._to_do[-_AT_ONCE:], self._to_do[:-_AT_ONCE]
        try:
            self._readings.update(await asyncio.to_thread(self._ask, some))
        except Transient:
            return
        at = now()
        for code in some:
            self._note(code, at)

    def unread(self, at: datetime) -> list[AgencyCode]:
        """Return the agencies whose clerks have read nothing for half a working day."""
        return sorted(code for code in self._readings if self._is_unread(code, at))

    def collect(self) -> Iterable[Metric]:
        """Show how many there are, and each agency where that is wanted."""
        at = now()
        yield GaugeMetricFamily(
            "saraban_router_agencies_unread",
            "Agencies with a delivered letter whose clerks have read nothing since, for half a working day.",
            value=len(self.unread(at)),
        )
        idle = GaugeMetricFamily(
            "saraban_router_clerk_idle_seconds",
            "Seconds since an agency's clerks did something with a letter last, by agency if agencies are named.",
            labels=["agency"],
        )
        for code, reading in self._readings.items() if self._named else ():
            if reading.acted_at:
                acted = datetime.fromisoformat(reading.acted_at)
                idle.add_metric([code], max(0.0, (at - acted).total_seconds()))
        yield idle

    def _ask(self, some: list[AgencyCode]) -> dict[AgencyCode, Reading]:
        known = {code: self._readings.get(code, NOTHING_READ) for code in some}
        with measuring(self._ledger) as measures:
            # Mostly nobody has said anything since the last look.
            answered = measures.last_answers(some)
            more = (code for code in some if answered[code] > known[code].through)
            return known | {code: measures.reading_of(code, known[code]) for code in more}

    def _is_unread(self, code: AgencyCode, at: datetime) -> bool:
        since = self._readings[code].unread_since
        return since is not None and self._half_a_day_from(since, code) <= at

    def _half_a_day_from(self, since: str, code: AgencyCode) -> datetime:
        """Reckoned once for each delivery, and not at every question: that walks through the calendar."""
        calendar = self._calendar()
        if calendar is not self._reckoned_by:
            self._reckoned_by = calendar
            self._unread_from.clear()
        known = self._unread_from.get(code)
        if known is None or known[0] != since:
            until = calendar.after_working(calendar.half_day, datetime.fromisoformat(since), code)
            known = self._unread_from[code] = (since, until)
        return known[1]

    def _note(self, code: AgencyCode, at: datetime) -> None:
        unread = self._is_unread(code, at)
        if unread and code not in self._logged:
            self._logged.add(code)
            _log.warning("mailbox-unread", agency=code, since=self._readings[code].unread_since)
        elif not unread and code in self._logged:
            self._logged.discard(code)
            _log.info("mailbox-read", agency=code)
