"""The time up to which a broker cluster's intake is known to have been empty, of those whom a deadline concerns.

Each router that consumes on a cluster notes it in the `watermarks` table, afresh every few seconds while anything is
due; the broker says how many consumers there are, and what all of them have seen is known. Each cluster is looked at by
itself, so that one that is away, or does not answer, holds up only what its own agencies are parties to. When it is
back, receipts of its agencies are still on their way to it: what is seen to be empty counts only after a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta

from bus import logs
from bus.broker import topology
from bus.broker.link import Link
from bus.directory import Directory
from bus.errors import Transient
from bus.identifiers import AgencyCode
from bus.ledger.group import GroupCommit
from bus.ledger.store import Ledger
from bus.process import pause
from bus.thai import now

FRESH = timedelta(seconds=15)
"""How old a router's watermark may be; a router that died must not count for long."""
_log = logs.get("deadlines")


class Watermark:
    """What is known of one cluster's intake."""

    def __init__(
        self,
        cluster: str,
        link: Link,
        *,
        ledger: Ledger,
        appends: GroupCommit,
        router: str,
        idle: Callable[[Sequence[AgencyCode]], bool],
        directory: Callable[[], Directory],
        settle: timedelta,
    ) -> None:
        """`idle`: whether this router holds nothing unsettled of these agencies; `directory`: the one in force.

        `settle`: how long there has to have been a connection.
        """
        self.cluster = cluster
        self._link = link
        self._ledger = ledger
        self._appends = appends
        self._router = router
        self._idle = idle
        self._directory = directory
        self._settle = settle
        self._connection, self._connected_at = 0, now()
        self.newest: datetime | None = None
        """The time up to which it was last known to have been empty."""
        self._of: Collection[AgencyCode] = ()
        """Whose queues were looked at for that."""

    def of(self, agency: AgencyCode) -> datetime | None:
        """Return the time up to which this agency's intake here is known to have been empty; None if it is not."""
        return self.newest if agency in self._of else None

    async def run(self, stop: asyncio.Event, *, every: float) -> None:
        """Look again and again, until stopped."""
        while not stop.is_set():
            try:
                await self.look()
            except Transient as away:
                _log.info("deadlines-postponed", cluster=self.cluster, reason=away)
            await pause(stop, every)

    async def look(self) -> None:
        """Note this router's watermark if it can, and learn what all routers together have seen."""
        asked_at = now()
        if self._connection != self._link.connections:
            self._connection, self._connected_at = self._link.connections, asked_at
        if asked_at - self._connected_at < self._settle:
            return
        parties = await asyncio.to_thread(self._parties, asked_at)
        if not parties or not self._idle(parties):
            return
        depths = (await self._link.depths(map(topology.intake_queue, parties))).values()
        if any(depth.messages for depth in depths) or not self._idle(parties):
            return
        note = self._appends.submit(lambda writer: writer.set_watermark(self._router, self.cluster, asked_at))
        await asyncio.wrap_future(note)
        consumers = max((depth.consumers for depth in depths), default=0)
        if seen := await asyncio.to_thread(self._seen_empty_by_all, consumers):
            self.newest, self._of = seen, frozenset(parties)

    def _parties(self, moment: datetime) -> list[AgencyCode]:
        """Whose intakes a deadline waits for here; somebody whom the directory no longer has may be anywhere."""
        directory = self._directory()
        with self._ledger.read() as reader:
            due = reader.due.parties(moment)
        return [code for code in due if directory.cluster_of(code) in (self.cluster, None)]

    def _seen_empty_by_all(self, consumers: int) -> datetime | None:
        with self._ledger.read() as reader:
            words = [datetime.fromisoformat(at) for at in reader.due.watermarks(self.cluster)]
        # A watermark from the future is of a clock that was ahead: it stays fresh for ever and says nothing.
        fresh = [at for at in words if abs(at - now()) < FRESH]
        return min(fresh) if fresh and len(fresh) >= consumers else None
