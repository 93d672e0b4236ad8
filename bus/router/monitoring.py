"""A router looks after what it depends on also while nothing is to be done.

A broker with a memory or disk alarm says so only to a connection that publishes, and a depot is asked only about files:
an idle router would call itself ready until the first letter comes. So both are asked every few seconds; each broker
cluster by itself, for one that does not answer must not keep the others from being looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from bus import logs
from bus.broker import topology
from bus.broker.link import Link
from bus.depot.client import PresenceClient
from bus.directory import Directory
from bus.directory.clusters import unknown_clusters
from bus.errors import Transient
from bus.ledger.entry import Kind
from bus.ledger.store import Ledger
from bus.process import pause
from bus.router.alarms import Alarms
from bus.router.watchers import Watchers

_EVERY = 2.0
_ANSWER_WITHIN = 5.0
_log = logs.get("watching")


class Watching:
    """What was last seen of the depot, the parked list and the directory's clusters."""

    def __init__(
        self,
        *,
        depot: PresenceClient,
        ledger: Ledger,
        alarms: Alarms,
        directory: Callable[[], Directory],
        clusters: Collection[str],
        watchers: Watchers,
    ) -> None:
        """`directory` returns the one in force; `clusters` are those that the settings have."""
        self._depot = depot
        self._ledger = ledger
        self._alarms = alarms
        self._directory = directory
        self._clusters = clusters
        self._watchers = watchers
        self._looked_at: Directory | None = None
        self.parked = 0
        self._counted_at: tuple[int, int] | None = None
        """The newest entries of parked and of replayed submissions when they were counted."""
        self.depot_away: str | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Look again and again, until stopped."""
        while not stop.is_set():
            await asyncio.gather(self._ask_depot(), self._count_parked())
            self.look_at_directory()
            self._watchers.look()
            await pause(stop, _EVERY)

    async def _ask_depot(self) -> None:
        self.depot_away = None if await self._depot.ready() else "the depot does not say that it is ready"

    async def _count_parked(self) -> None:
        try:
            self.parked, self._counted_at = await asyncio.to_thread(self._parked)
        except Transient:
            return  # the database is away, and the count is as it was

    def _parked(self) -> tuple[int, tuple[int, int]]:
        """Count them, if one was parked or replayed since: all that ever were are looked at."""
        with self._ledger.read() as reader:
            newest = reader.latest_seq(Kind.PARKED), reader.latest_seq(Kind.REPLAYED)
            return self.parked if newest == self._counted_at else reader.parked.count(), newest

    def look_at_directory(self) -> None:
        """Raise the alarm, once for each version, if it puts agencies on clusters that the settings do not have."""
        directory = self._directory()
        if directory is self._looked_at:
            return
        self._looked_at = directory
        for cluster in unknown_clusters(directory, self._clusters):
            count = len(directory.inboxes_on(cluster))
            self._alarms.ring("cluster-unknown", cluster=cluster, agencies=count, version=directory.version)


class WatchingBroker:
    """What was last seen of one broker cluster."""

    def __init__(self, outlet: Link) -> None:
        self._outlet = outlet
        self._silent: str | None = None

    @property
    def away(self) -> str | None:
        """Why nothing can be published now, None while it can."""
        if self._outlet.blocked:
            return "the broker blocks publishers: it has a memory or disk alarm"
        return self._silent

    async def run(self, stop: asyncio.Event) -> None:
        """Look again and again, until stopped."""
        while not stop.is_set():
            await self._ask_broker()
            await pause(stop, _EVERY)

    async def _ask_broker(self) -> None:
        if not self._outlet.connected:
            return
        try:
            await self._outlet.probe(topology.DELIVER, topology.PROBE, deadline=_ANSWER_WITHIN)
            self._silent = None
        except Transient as silent:
            self._silent = logs.in_words(silent)
