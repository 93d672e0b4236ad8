"""A consumer of one queue that outlives its channel.

Every loss (connection, channel, queue, a consumer cancelled by the broker) ends in the same place: what was not
acknowledged goes back to the queue, and the subscription opens another channel, with growing pauses, until stopped.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Protocol

from bus.broker.messages import Away, Closed, Incoming
from bus.retry import AWAY

_LOG = logging.getLogger(__name__)


class ConsumerChannel(Protocol):
    """What a subscription asks of a channel; `link.py` has the real one."""

    generation: int
    gone: asyncio.Future[str]
    """Done when the channel or its consumer is lost; the result says why."""

    async def consume(self, queue: str, prefetch: int, arrived: Callable[[Incoming], None]) -> str: ...
    async def cancel(self, consumer: str) -> None: ...
    def ack(self, tag: int, *, multiple: bool) -> None: ...
    def reject(self, tag: int) -> None: ...
    async def close(self) -> None: ...


class Subscription:
    """Messages of one queue, in order of arrival, at most `prefetch` unacknowledged at a time."""

    def __init__(
        self,
        queue: str,
        *,
        prefetch: int,
        connected: Callable[[], Awaitable[None]],
        open_channel: Callable[[], Awaitable[ConsumerChannel]],
    ) -> None:
        self.queue = queue
        self._prefetch = prefetch
        self._connected = connected
        self._open_channel = open_channel
        self._channel: ConsumerChannel | None = None
        self._consumer = ""
        self._arrived: deque[Incoming] = deque()
        self._unsettled: dict[int, None] = {}
        """Tags of the present channel that are neither acknowledged nor rejected, ascending."""
        self._news = asyncio.Event()
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._stopped = False
        self._changing = asyncio.Lock()
        """Held while the channel is opened, closed or given another consumer."""
        self._tending = asyncio.create_task(self._tend(), name=f"subscription {queue}")

    @property
    def active(self) -> bool:
        """Whether a consumer is open now."""
        return self._channel is not None and not self._stopped

    @property
    def waiting(self) -> int:
        """How many messages have arrived and are not taken yet."""
        return len(self._arrived)

    @property
    def unsettled(self) -> int:
        """How many messages have arrived on the present channel and are neither acknowledged nor rejected."""
        return len(self._unsettled)

    async def take(self, limit: int) -> list[Incoming]:
        """Wait for messages and return at least one and at most `limit`.

        After `stop` it hands out what had arrived before, then raises Closed.
        """
        while not self._arrived:
            if self._stopped:
                raise Closed(f"the subscription to {self.queue} is stopped")
            self._news.clear()
            await self._news.wait()
        return [self._arrived.popleft() for _ in range(min(limit, len(self._arrived)))]

    def ack(self, incoming: Incoming) -> None:
        """Done with this message: the queue forgets it. Nothing happens if its channel is gone: it comes again."""
        self.ack_all([incoming])

    def ack_all(self, incoming: Iterable[Incoming]) -> None:
        """Acknowledge many, with one frame for all that nothing older stands before."""
        channel = self._channel
        if channel is None:
            return
        tags = {each.tag for each in incoming if each.generation == channel.generation}
        tags &= self._unsettled.keys()
        settled_through = 0
        for tag in self._unsettled:
            if tag not in tags:
                break
            settled_through = tag
        if settled_through:
            channel.ack(settled_through, multiple=True)
        for tag in sorted(tags):
            del self._unsettled[tag]
            if tag > settled_through:
                channel.ack(tag, multiple=False)

    def reject(self, incoming: Incoming) -> None:
        """Never deliver this message again: the queue dead-letters it."""
        channel = self._channel
        if (
            channel is not None
            and incoming.generation == channel.generation
            and incoming.tag in self._unsettled
        ):
            del self._unsettled[incoming.tag]
            channel.reject(incoming.tag)

    async def widen(self, prefetch: int) -> None:
        """Allow another number of unacknowledged messages; those already taken stay valid."""
        async with self._changing:
            self._prefetch = prefetch
            if self._channel is not None and not self._stopped:
                # A broker applies a new limit to new consumers only. The old one goes first, so that the two
                # together never hold more than the new limit plus what was taken; its messages stay with us.
                with suppress(Away):
                    await self._channel.cancel(self._consumer)
                    self._consumer = await self._channel.consume(self.queue, prefetch, self._receive)

    async def pause(self) -> None:
        """Close the channel: what is unacknowledged returns to the queue, and nothing comes until `resume`."""
        self._wanted.clear()
        async with self._changing:
            await self._close_channel()

    async def resume(self) -> None:
        """Consume again after `pause`."""
        self._wanted.set()

    async def stop(self) -> None:
        """Take no more from the queue; what was taken can still be acknowledged until the link is closed."""
        self._stopped = True
        async with self._changing:
            if self._channel is not None:
                with suppress(Away):
                    await self._channel.cancel(self._consumer)
        self._news.set()

    async def end(self) -> None:
        """Stop and close the channel; the link does so when it is closed."""
        self._stopped = True
        self._tending.cancel()
        await asyncio.wait({self._tending})
        await self._close_channel()
        self._news.set()

    async def _tend(self) -> None:
        waits = AWAY.waits()
        while not self._stopped:
            await self._wanted.wait()
            await self._connected()
            try:
                channel = await self._start()
            except Away as away:
                _LOG.warning("cannot consume %s: %s", self.queue, away)
                await asyncio.sleep(next(waits))
                continue
            if channel is None:
                continue
            reason = await asyncio.shield(channel.gone)
            if self._unsettled or self._arrived:
                waits = AWAY.waits()
            self._forget()
            if self._wanted.is_set() and not self._stopped:
                _LOG.warning("lost the consumer of %s: %s", self.queue, reason)
                await asyncio.sleep(next(waits))

    async def _start(self) -> ConsumerChannel | None:
        async with self._changing:
            if self._stopped or not self._wanted.is_set():
                return None
            channel = await self._open_channel()
            self._channel = channel
            try:
                self._consumer = await channel.consume(self.queue, self._prefetch, self._receive)
            except BaseException:
                self._forget()
                await channel.close()
                raise
            return channel

    def _receive(self, incoming: Incoming) -> None:
        if self._channel is None or incoming.generation != self._channel.generation:
            return
        self._unsettled[incoming.tag] = None
        self._arrived.append(incoming)
        self._news.set()

    async def _close_channel(self) -> None:
        channel = self._channel
        self._forget()
        if channel is not None:
            await channel.close()

    def _forget(self) -> None:
        self._channel = None
        self._arrived.clear()
        self._unsettled.clear()
