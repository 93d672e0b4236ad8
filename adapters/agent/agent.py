"""The adapter at work: one process per agency that sends, receives and acknowledges."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from cryptography import x509

from adapters.agent.directories import Contents, DirectoryFetcher
from adapters.agent.fetching import Downloads, Fetcher
from adapters.agent.receiving import Deliveries, Verifying, take_in
from adapters.agent.reconciling import Reconciler
from adapters.agent.sending import Publisher, Sender, Uploads
from adapters.agent.tuning import Clock, Tuning, repeat
from adapters.agent.verifying import Verifier
from adapters.mailbox import Mailbox
from bus.broker.topology import inbox_queue
from bus.documents.seal import Seal
from bus.logs import get

_LOG = get(__name__)
_GRACE = 10.0
"""Seconds for what is being sent to be confirmed when the process is told to stop."""


Companion = Callable[[asyncio.Event], Coroutine[Any, Any, None]]


class StoppableDeliveries(Deliveries, Protocol):
    """A subscription that can be told to take no more."""

    async def stop(self) -> None:
        """Take no more; what was taken can still be acknowledged."""


class Inward(Protocol):
    """The link on which deliveries come in."""

    def subscribe(self, queue: str, *, prefetch: int) -> StoppableDeliveries:
        """Consume a queue for as long as the link lives, whatever breaks in between."""


class Depot(Uploads, Downloads, Contents, Protocol):
    """The client of the depot."""


class Agent:
    """Runs one mailbox. What it is given stays the caller's: it opens and closes neither mailbox, links nor depot.

    Two links, for a broker in need blocks those that publish, and deliveries are to come in all the same.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        *,
        seal: Seal,
        bus_certificate: x509.Certificate,
        outward: Publisher,
        inward: Inward,
        depot: Depot,
        tuning: Tuning | None = None,
    ) -> None:
        self.mailbox = mailbox
        self.tuning = tuning or Tuning()
        self._inward = inward
        self._sender = Sender(mailbox, seal, outward, depot, self.tuning)
        self._fetcher = Fetcher(mailbox, depot, self.tuning, then=self._sender.wake, seal=self._sender.seal)
        verifier = Verifier(mailbox, bus_certificate, self.tuning, own=seal.certificate)
        self._directory = DirectoryFetcher(
            mailbox, depot, self.tuning, lacked=verifier.lacked, then=self._wake
        )
        self._verifying = Verifying(
            mailbox,
            verifier,
            self.tuning,
            letters=self._fetcher.wake,
            directories=(self._sender.wake, self._directory.wake),
        )
        self._last_arrival = time.monotonic()
        self._reconciler = Reconciler(mailbox, lambda: self._last_arrival, self.tuning)
        self._seen = -1
        self._clock = Clock()
        self._rounds: Counter[str] = Counter()
        self._round_ended = asyncio.Event()
        self.running = False

    async def run(self, stop: asyncio.Event, *, beside: Sequence[Companion] = ()) -> None:
        """Work until `stop` is set; AlreadyRunning if another process works on this mailbox.

        What runs `beside` (connectors) is kept to this one process too.

        On the way out: take no more deliveries, finish and acknowledge those that were taken, let what is being sent
        be confirmed. All that is cut short is taken up again at the next start.
        """
        with self.mailbox.exclusive():
            deliveries = self._inward.subscribe(
                inbox_queue(self.mailbox.agency), prefetch=self.tuning.prefetch
            )
            _LOG.info("adapter-started", agency=self.mailbox.agency)
            async with asyncio.TaskGroup() as group:
                taking = take_in(
                    self.mailbox, deliveries, self._verifying.heed, stop, arrived=self._something_arrived
                )
                group.create_task(taking, name="take in")
                for name, work in self._works(stop).items():
                    group.create_task(work, name=name)
                for companion in beside:
                    group.create_task(companion(stop))
                self.running = True
                with self._listening():
                    await stop.wait()
                self.running = False
                await deliveries.stop()
            await self._fetcher.finish()
            await self._sender.finish(_GRACE)
            _LOG.info("adapter-stopped", agency=self.mailbox.agency)

    def _works(self, stop: asyncio.Event) -> dict[str, Coroutine[Any, Any, None]]:
        sender, verifying, fetcher = self._sender, self._verifying, self._fetcher
        attempts, every, counted = sender.attempts, self.tuning.round_every, self._counted
        return {
            "send": repeat("send", counted("send", sender.work), sender.wake, stop, every=every),
            "record": repeat("record", counted("record", attempts.record), attempts.ended, stop, every=every),
            "verify": repeat("verify", counted("verify", verifying.work), verifying.wake, stop, every=every),
            "fetch": repeat("fetch", counted("fetch", fetcher.work), fetcher.wake, stop, every=every),
            "directory": repeat("directory", self._directory.work, self._directory.wake, stop),
            "reconcile": repeat("reconcile", self._reconcile, asyncio.Event(), stop),
            "watch": repeat("watch", self._watch, asyncio.Event(), stop),
        }

    def _counted(
        self, name: str, work: Callable[[], Awaitable[float | None]]
    ) -> Callable[[], Awaitable[float | None]]:
        self._rounds[name] = 0

        async def counted() -> float | None:
            try:
                return await work()
            finally:
                self._rounds[name] += 1
                self._round_ended.set()

        return counted

    async def come_round(self) -> None:
        """Return once each of the works that no network keeps waiting has ended another round."""
        before = self._rounds.copy()
        self._wake()
        self._sender.attempts.ended.set()
        while any(self._rounds[name] == rounds for name, rounds in before.items()):
            await self._round_ended.wait()
            self._round_ended.clear()

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Be woken by what other threads of this process leave to be done, such as a connector's."""
        loop = asyncio.get_running_loop()
        wakes = {
            "outbox": self._sender.wake,
            "arrivals": self._verifying.wake,
            "inbox": self._fetcher.wake,
        }

        def wake(tables: frozenset[str]) -> None:
            for table in tables:
                loop.call_soon_threadsafe(wakes[table].set)

        deaf = self.mailbox.listen(wake)
        try:
            yield
        finally:
            deaf()

    def _something_arrived(self) -> None:
        self._last_arrival = time.monotonic()

    async def _reconcile(self) -> float:
        return await asyncio.to_thread(self._reconciler.work)

    async def _watch(self) -> float:
        """Wake everybody when another process has committed something, or the clock was put back."""
        if self._clock.put_back():
            _LOG.warning("clock-put-back")
            await asyncio.to_thread(self.mailbox.pull_in, time.time())
            self._wake()
        seen = self.mailbox.changed()
        if seen != self._seen:
            self._seen = seen
            self._wake()
        return self.tuning.watch_every

    def _wake(self) -> None:
        for part in (self._sender, self._verifying, self._fetcher):
            part.wake.set()
