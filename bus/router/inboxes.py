"""How full the inboxes of one broker cluster are, and since when the oldest message waits in them.

Of thousands of inboxes most are empty. Looked at are those to which this router has delivered something since, those
that were not empty when they were looked at last, and in turn some of all others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from datetime import datetime
from time import monotonic

from bus import logs
from bus.broker import topology
from bus.broker.inboxes import NEARLY_FULL
from bus.broker.link import Link
from bus.errors import Transient
from bus.identifiers import AgencyCode
from bus.ledger.measures import measuring
from bus.ledger.store import Ledger
from bus.process import pause
from bus.router.gauges import SHARE
from bus.router.metrics import Inbox, Metrics

_EVERY, _AT_LEAST_EVERY = 10.0, 300.0
_IN_TURN = 100
_log = logs.get("watching")


class WatchingInboxes:
    """What was last seen of the inboxes of one broker cluster."""

    def __init__(
        self,
        cluster: str,
        outlet: Link,
        ledger: Ledger,
        metrics: Metrics,
        *,
        delivered_to: Callable[[], Collection[AgencyCode]],
        every: Callable[[], Collection[AgencyCode]],
        limit: int | None,
    ) -> None:
        """`delivered_to` takes the agencies to which something was delivered since it was called last.

        `every` returns those that have their inboxes here; `limit` is how many messages an inbox takes.
        """
        self._cluster = cluster
        self._outlet = outlet
        self._ledger = ledger
        self._metrics = metrics
        self._delivered_to = delivered_to
        self._every = every
        self._limit = limit
        self._to_do: list[AgencyCode] = []
        self._seen: dict[AgencyCode, Inbox] = {}
        """Those that were not empty."""
        self._warned: set[AgencyCode] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Look again and again, until stopped."""
        while not stop.is_set():
            began = monotonic()
            await self.look()
            await pause(stop, min(_AT_LEAST_EVERY, max(_EVERY, SHARE * (monotonic() - began))))

    async def look(self) -> None:
        """Look at those whose turn it is; what cannot be asked now stays as it was."""
        if not self._outlet.connected:
            return
        if not self._to_do:
            self._to_do = sorted(self._every(), reverse=True)
        some, self._to_do = self._to_do[-_IN_TURN:], self._to_do[:-_IN_TURN]
        of_queue = {topology.inbox_queue(code): code for code in {*some, *self._delivered_to(), *self._seen}}
        try:
            depths = await self._outlet.depths(sorted(of_queue))
            found = {of_queue[queue]: depth.messages for queue, depth in depths.items()}
            since = await asyncio.to_thread(
                self._since, {code: count for code, count in found.items() if count}
            )
        except Transient:
            return
        for code in of_queue.values():
            self._seen.pop(code, None)
        self._seen |= {code: Inbox(count, since.get(code)) for code, count in found.items() if count}
        for code, count in found.items():
            self._note(code, count / self._limit if self._limit else 0.0)
        self._metrics.note_inboxes(self._cluster, dict(self._seen), self._limit)

    def _since(self, found: dict[AgencyCode, int]) -> dict[AgencyCode, datetime]:
        """Return when the oldest message of each was given: so many consignments before the newest of its agency.

        One that is said again stands behind newer ones, and what the adapter has not acknowledged is not counted: it is
        not the very oldest then, and hardly younger.
        """
        with measuring(self._ledger) as measures:
            newest = measures.last_numbers(list(found))
            oldest = [(code, max(1, newest[code] - count + 1)) for code, count in found.items()]
            return {code: datetime.fromisoformat(at) for code, at in measures.given_at(oldest).items()}

    def _note(self, agency: AgencyCode, fill: float) -> None:
        if fill >= NEARLY_FULL and agency not in self._warned:
            self._warned.add(agency)
            _log.warning("inbox-nearly-full", agency=agency, percent=round(fill * 100))
        elif fill < NEARLY_FULL and agency in self._warned:
            self._warned.discard(agency)
            _log.info("inbox-has-room", agency=agency, percent=round(fill * 100))
