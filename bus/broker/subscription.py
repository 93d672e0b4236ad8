"""A consumer of one queue, or of many, that outlives its channel.

Every loss (connection, channel, queue, a consumer cancelled by the broker) ends in the same place: what was not
acknowledged goes back to its queue, and the subscription opens another channel, with growing pauses, until stopped.
A queue that cannot be consumed beside others is left out for a while; they do not wait for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress
from itertools import islice
from typing import Protocol

from bus import logs
from bus.broker.awaiting import first
from bus.broker.messages import Away, Closed, Depth, Incoming
from bus.broker.order import InOrderOfArrival, Order
from bus.retry import AWAY

_log = logs.get("broker")
_TRY_AGAIN_AFTER = 30.0  # seconds for which one of many queues is left out
_ASKED_AT_ONCE = 32
_WIDE_AT_ONCE, _WIDE_AT_LEAST = 16, 10.0
"""Queues that have a second consumer at a time, and the seconds for which one keeps its place at least."""


class ConsumerChannel(Protocol):
    """What a subscription asks of a channel; `link.py` has the real one."""

    generation: int
    gone: asyncio.Future[str]
    """Done when the channel or its consumer is lost; the result says why."""

    async def consume(self, queue: str, prefetch: int, arrived: Callable[[Incoming], None]) -> str: ...
    async def get(self, queue: str) -> Incoming | None: ...
    async def cancel(self, consumer: str) -> None: ...
    def ack(self, tag: int, *, multiple: bool) -> None: ...
    def reject(self, tag: int) -> None: ...
    async def close(self) -> None: ...


class Subscription:
    """Messages of some queues, at most `prefetch` of each unacknowledged at a time.

    A `careful` one first takes from each queue alone, and one by one, what was delivered before to somebody who did not
    settle it: it may be what killed that one. Nothing else is unsettled meanwhile that could be blamed for it.
    """

    def __init__(
        self,
        queues: Iterable[str],
        *,
        prefetch: int,
        connected: Callable[[], Awaitable[None]],
        open_channel: Callable[[], Awaitable[ConsumerChannel]],
        depth: Callable[[str], Awaitable[Depth]],
        order: Order | None = None,
        careful: bool = False,
    ) -> None:
        self._wanted = dict.fromkeys(queues)
        """The queues to consume, in order."""
        self._left_out: dict[str, float] = {}
        """Queues that could not be consumed, and when to try again (event loop's time)."""
        self._prefetch = prefetch
        self._careful = careful
        self._connected = connected
        self._open_channel = open_channel
        self._depth = depth
        self._channel: ConsumerChannel | None = None
        self._consumers: dict[str, str] = {}
        """By queue, the consumer on the present channel."""
        self._wide: dict[str, tuple[str, float]] = {}
        """By queue, its second consumer and when it was asked for last (event loop's time); the oldest first."""
        self._arrived: Order = order if order is not None else InOrderOfArrival()
        self._unsettled: dict[int, str] = {}
        """Tags of the present channel that are neither acknowledged nor rejected, ascending; and their exchanges."""
        self._news = asyncio.Event()
        self._settled, self._going = asyncio.Event(), asyncio.Event()
        self._going.set()
        self._stopped = False
        self._changing = asyncio.Lock()
        """Held while the channel is opened or closed, or a consumer is added or removed."""
        self._tending = asyncio.create_task(self._tend(), name=f"subscription {self}")

    def __str__(self) -> str:
        return next(iter(self._wanted)) if len(self._wanted) == 1 else f"{len(self._wanted)} queues"

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

    def unsettled_from(self, exchanges: Collection[str]) -> bool:
        """Whether any of these came through one of these exchanges."""
        return not set(exchanges).isdisjoint(self._unsettled.values())

    @property
    def missing(self) -> int:
        """How many of the queues are not consumed now."""
        return len(self._wanted.keys() - self._consumers.keys())

    async def take(self, limit: int) -> list[Incoming]:
        """Wait for messages and return at least one and at most `limit`.

        After `stop` it hands out what had arrived before, then raises Closed.
        """
        while not self._arrived:
            if self._stopped:
                raise Closed(f"the subscription to {self} is stopped")
            self._news.clear()
            await self._news.wait()
        return self._arrived.take(limit)

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
        self._settled.set()

    def reject(self, incoming: Incoming) -> None:
        """Never deliver this message again: the queue dead-letters it."""
        channel = self._channel
        ours = channel is not None and incoming.generation == channel.generation
        if channel is not None and ours and incoming.tag in self._unsettled:
            del self._unsettled[incoming.tag]
            channel.reject(incoming.tag)
            self._settled.set()

    async def cover(self, queues: Iterable[str]) -> None:
        """Consume these queues too, and try those again that could not be consumed; none is ever given up."""
        self._wanted.update(dict.fromkeys(queues))
        if (channel := self._channel) and not (self._stopped or self._careful):
            for queue in list(self._wanted):
                with suppress(Away):
                    await self._begin(channel, queue)

    async def widen(self, queue: str, prefetch: int) -> None:
        """Have so many more of a queue's messages unacknowledged at a time, while it is asked for again and again.

        A second consumer takes them: on the same channel, the broker keeps their order. Few queues have one at a time;
        one that has not been asked for lately gives its place up, and so all of them together hold little.
        """
        now, channel = asyncio.get_running_loop().time(), self._channel
        if queue in self._wide:
            consumer, _ = self._wide.pop(queue)
            self._wide[queue] = (consumer, now)
            return
        oldest = next(iter(self._wide), None) if len(self._wide) >= _WIDE_AT_ONCE else None
        if channel is None or (oldest is not None and now - self._wide[oldest][1] < _WIDE_AT_LEAST):
            return
        async with self._changing:
            if self._channel is not channel or self._stopped or queue not in self._consumers:
                return
            with suppress(Away):  # with the channel gone, all begins anew
                if oldest is not None and oldest in self._wide:
                    await channel.cancel(self._wide.pop(oldest)[0])
                self._wide[queue] = (await channel.consume(queue, prefetch, self._receive), now)

    async def pause(self) -> None:
        """Close the channel: what is unacknowledged returns to the queue, and nothing comes until `resume`."""
        self._going.clear()
        async with self._changing:
            await self._close_channel()

    async def resume(self) -> None:
        """Consume again after `pause`."""
        self._going.set()

    async def stop(self) -> None:
        """Take no more from the queue; what was taken can still be acknowledged until the link is closed."""
        self._stopped = True
        async with self._changing:
            if (channel := self._channel) is not None:
                for consumer in [*self._consumers.values(), *(wide for wide, _ in self._wide.values())]:
                    with suppress(Away):
                        await channel.cancel(consumer)
        self._news.set()

    async def end(self) -> None:
        """Stop and close the channel; the link does so when it is closed."""
        self._stopped = True
        self._tending.cancel()
        await asyncio.wait({self._tending})
        await self._close_channel()
        self._news.set()

    async def _tend(self) -> None:
        backoff = AWAY.backoff()
        while not self._stopped:
            await self._going.wait()
            await self._connected()
            try:
                channel = await self._start()
            except Away as away:
                _log.warning("queue-not-consumed", queue=str(self), reason=away)
                await asyncio.sleep(next(backoff))
                continue
            if channel is None:
                continue
            reason = await asyncio.shield(channel.gone)
            if self._unsettled or self._arrived:
                backoff = AWAY.backoff()
            self._forget()
            if self._going.is_set() and not self._stopped:
                _log.warning("consumer-lost", queue=str(self), reason=reason)
                await asyncio.sleep(next(backoff))

    async def _start(self) -> ConsumerChannel | None:
        """Open a channel and consume everything over it that can be consumed now."""
        async with self._changing:
            if self._stopped or not self._going.is_set():
                return None
            channel = self._channel = await self._open_channel()
        try:
            if self._careful:
                await self._go_carefully(channel)
            for queue in list(self._wanted):
                await self._begin(channel, queue)
        except BaseException:
            self._forget()
            await channel.close()
            raise
        return channel

    async def _go_carefully(self, channel: ConsumerChannel) -> None:
        """Have each queue's redelivered messages settled one by one, before anything else is taken."""
        for queue in await self._filled(channel):
            while found := await channel.get(queue):
                self._receive(found)
                await self._all_settled(channel)
                if self._channel is not channel or self._stopped:
                    return
                if not found.redelivered:
                    break
        self._careful = False

    async def _filled(self, channel: ConsumerChannel) -> list[str]:
        """The queues in which something is ready; many are asked at once, as a missing one costs a channel."""
        filled: list[str] = []
        queues = iter(list(self._wanted))
        while some := list(islice(queues, _ASKED_AT_ONCE)):
            ready = await asyncio.gather(*(self._ready(channel, queue) for queue in some))
            filled += [queue for queue, number in zip(some, ready, strict=True) if number]
        return filled

    async def _all_settled(self, channel: ConsumerChannel) -> None:
        """Wait until everything is settled. Raises Away when the channel is lost before."""
        while self._unsettled and self._channel is channel:
            self._settled.clear()
            settling = asyncio.create_task(self._settled.wait())
            await first(settling, channel.gone)
            settling.cancel()
            if channel.gone.done():
                raise Away(channel.gone.result())

    async def _ready(self, channel: ConsumerChannel, queue: str) -> int | None:
        """How many messages are ready in a queue; None if only that one cannot be asked: it is left out for a while."""
        try:
            return (await self._depth(queue)).messages
        except Away as away:
            if channel.gone.done():
                raise
            self._leave_out(queue, away)
            return None

    async def _begin(self, channel: ConsumerChannel, queue: str) -> None:
        """Consume a queue, unless that is done already or is not to be tried yet."""
        if queue in self._consumers or self._left_out.get(queue, 0.0) > asyncio.get_running_loop().time():
            return
        # A queue that is not there, or does not answer, takes the channel with it, and all its other consumers: so each
        # is asked for over another channel before.
        if len(self._wanted) > 1 and await self._ready(channel, queue) is None:
            return
        async with self._changing:
            if self._channel is not channel or self._stopped or queue in self._consumers:
                return
            try:
                self._consumers[queue] = await channel.consume(queue, self._prefetch, self._receive)
                self._left_out.pop(queue, None)
            except Away as away:
                if len(self._wanted) > 1:
                    self._leave_out(queue, away)
                raise

    def _leave_out(self, queue: str, reason: Away) -> None:
        if queue not in self._left_out:  # once, however often it is tried again
            _log.warning("queue-not-consumed", queue=queue, reason=reason)
        self._left_out[queue] = asyncio.get_running_loop().time() + _TRY_AGAIN_AFTER

    def _receive(self, incoming: Incoming) -> None:
        if self._channel is None or incoming.generation != self._channel.generation:
            return
        self._unsettled[incoming.tag] = incoming.exchange
        self._arrived.add(incoming)
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
        self._consumers.clear()
        self._wide.clear()
        self._settled.set()
