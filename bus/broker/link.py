"""The lasting connection to the broker: publish with confirms, consume, reconnect for ever.

`Link` replaces channels that are gone, as its connection is replaced (keeping.py), and is all that the rest of the
project knows.

Nothing but `Transient` leaves it, and `Rejected` for what the broker will never take. A connection that is away is not
an error to a link, only a reason to wait; to a publisher it becomes one at its deadline.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from bus import logs
from bus.broker.channel import Channel
from bus.broker.confirms import Publish
from bus.broker.hosts import Hosts
from bus.broker.keeping import Keeping
from bus.broker.messages import Away, Depth, Outgoing, Returned, Unconfirmed
from bus.broker.order import Order
from bus.broker.subscription import Subscription
from bus.retry import AWAY

_log = logs.get("broker")
_ALONE = "alone"
"""The lane on which one message at a time is sent, to learn which one the broker rejects."""


class Link:
    """A lasting connection to one vhost as one user; an asynchronous context manager.

    `hosts` may be a URL with user and password; links of one process share theirs. `name` is what the broker's
    operators see.
    Publish and consume over separate links: a broker in need blocks the connections that publish.
    """

    def __init__(
        self,
        hosts: Hosts | str,
        *,
        name: str,
        heartbeat: int = 30,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.name = name
        self.hosts = Hosts(hosts) if isinstance(hosts, str) else hosts
        self._kept = Keeping(
            self.hosts, name=name, heartbeat=heartbeat, tls=tls, lost=lambda: self._lanes.clear()
        )
        self._lanes: dict[str, Channel] = {}
        self._opening: dict[str, asyncio.Lock] = {}
        self._beside: set[asyncio.Task[None]] = set()
        """What goes on beside the publishers: channels that are replaced, messages that are sent alone."""
        self._subscriptions: list[Subscription] = []
        self._judging = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._kept.begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def connected(self) -> bool:
        return self._kept.connected

    @property
    def connections(self) -> int:
        """How many connections there have been: another number tells that one was lost meanwhile."""
        return self._kept.connections

    @property
    def host(self) -> str | None:
        """The host of the connection, or of the last attempt."""
        return self._kept.host

    @property
    def why(self) -> str | None:
        """Why there is no connection, by the last attempt or loss; None while there is one, or none was tried."""
        return self._kept.why

    @property
    def trouble(self) -> str | None:
        """Why nothing gets through now, with the host and since when; None while something does."""
        return self._kept.trouble

    @property
    def blocked(self) -> bool:
        """Whether the broker has stopped reading from this connection (memory or disk alarm)."""
        connection = self._kept.connection
        return connection is not None and not connection.unblocked.is_set()

    async def wait_connected(self) -> None:
        """Return when there is a connection; raise Closed when there will be none."""
        await self._kept.wait_connected()

    async def publish(self, outgoing: Outgoing, *, deadline: float = 30.0, lane: str = "main") -> None:
        """Return when the broker has the message for good; else raise Returned, Nacked, Unconfirmed or Rejected.

        `deadline` in seconds covers everything, also waiting for a connection. Publishes of one `lane` share a
        channel: a queue that does not answer holds up its lane and no other. Where the broker closes it over one of
        several messages, each of them is sent once more, alone.
        """
        await self.begin(outgoing, deadline=deadline, lane=lane)

    def begin(
        self, outgoing: Outgoing, *, deadline: float = 30.0, lane: str = "main"
    ) -> asyncio.Future[None]:
        """Begin to publish: the future ends as `publish` would, and takes no task while its lane is open.

        Raises Unconfirmed when nothing has left.
        """
        until = asyncio.get_running_loop().time() + deadline
        channel = self._lanes.get(lane)
        if channel is None or channel.gone.done() or self.blocked or self._kept.closing:
            return asyncio.ensure_future(self._publish(outgoing, until, lane))
        return channel.publish(outgoing, until)

    async def _publish(self, outgoing: Outgoing, until: float, lane: str) -> None:
        channel = await self._ready(lane, until)
        await channel.publish(outgoing, until)

    def _suspect(self, suspected: Publish) -> None:
        if self._kept.closing:
            suspected.fail(Unconfirmed(f"link {self.name} is closed"))
        else:
            self._do_beside(self._publish_alone(suspected))

    async def _publish_alone(self, suspected: Publish) -> None:
        """Send a message once more, alone, and let its publisher have the answer to that."""
        if suspected.outgoing is None or suspected.answer.done():
            return
        try:
            async with asyncio.timeout_at(suspected.until), self._judging:
                await self._publish(suspected.outgoing, suspected.until, _ALONE)
        except (TimeoutError, Unconfirmed):
            self.renew(_ALONE)
            suspected.fail(Unconfirmed("no answer from the broker before the deadline, sent alone"))
        except asyncio.CancelledError:
            suspected.fail(Unconfirmed(f"link {self.name} is closed"))
            raise
        except Exception as error:
            suspected.fail(error)
        else:
            suspected.done()

    def _do_beside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    def renew(self, lane: str) -> None:
        """Let the next publish of a lane open a new channel; what the old one has under way still gets its answers.

        A channel that a full queue has refused goes on refusing by itself, at times long after the queue has room.
        """
        channel = self._lanes.pop(lane, None)
        if channel is not None:
            self._do_beside(channel.retire())

    async def probe(self, exchange: str, key: str, *, deadline: float) -> None:
        """Raise Unconfirmed or Nacked unless the broker takes publishes: an empty one, on a lane of its own.

        A broker with an alarm says so only to those that publish. Where no queue is bound by this key, it comes back:
        then the broker answers, and of its queues nothing is known.
        """
        probe = Outgoing(exchange=exchange, routing_key=key, body=b"", message_id=key, type=key)
        with suppress(Returned):
            await self.publish(probe, deadline=deadline, lane=key)

    def subscribe(
        self, *queues: str, prefetch: int, order: Order | None = None, careful: bool = False
    ) -> Subscription:
        """Consume queues from now until the subscription is stopped or the link closed."""
        subscription = Subscription(
            queues,
            prefetch=prefetch,
            order=order,
            careful=careful,
            connected=self.wait_connected,
            open_channel=self._open,
            depth=self.depth,
        )
        self._subscriptions.append(subscription)
        return subscription

    async def depth(self, queue: str) -> Depth:
        """Messages ready in a queue, and its consumers; raise Away when there is no broker or no such queue."""
        channel = await self._open()
        try:
            return await channel.depth(queue)
        finally:
            channel.drop("asked")

    async def look_for_consumers(self, queue: str) -> None:
        """Ask whether a queue that is consumed here has a consumer, as the host sees it; Away as for `depth`.

        A host that is cut off from the queue sees none. That counts like a publish that no queue takes (liveness.py).
        """
        depth = await self.depth(queue)
        if (connection := self._kept.connection) is not None:
            note = connection.evidence.confirmed if depth.consumers else connection.evidence.sent
            note()

    async def depths(self, queues: Iterable[str]) -> dict[str, Depth]:
        """The same for many queues, over one channel; without those that do not exist."""
        found: dict[str, Depth] = {}
        channel = await self._open()
        try:
            for queue in queues:
                try:
                    found[queue] = await channel.depth(queue)
                except Away:
                    # Asking for what does not exist closes the channel; anything else, and the next one fails too.
                    channel = await self._open()
        finally:
            channel.drop("asked")
        return found

    async def close(self, *, within: float = 10.0) -> None:
        """Wait for outstanding confirms, at most `within` seconds, then close; no task is left behind."""
        if self._kept.closing:
            return
        self._kept.announce_end()
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                for channel in list(self._lanes.values()):
                    await channel.confirms.settled()
                await asyncio.gather(*self._beside)
        for task in self._beside:
            task.cancel()
        for subscription in self._subscriptions:
            await subscription.end()
        await self._kept.end(within=min(within, 5.0))

    async def _open(self, *, confirming: bool = False) -> Channel:
        connection = self._kept.connection
        if connection is None:
            raise Away(f"link {self.name} is not connected")
        return await Channel.open(connection, confirming=confirming, suspected=self._suspect)

    async def _ready(self, lane: str, until: float) -> Channel:
        """A lane that can be written to; the slow path of `publish`."""
        try:
            async with asyncio.timeout_at(until), self._opening.setdefault(lane, asyncio.Lock()):
                return await self._open_lane(lane)
        except TimeoutError as exc:
            why = "the broker blocks publishers" if self.blocked else "there was no connection to the broker"
            raise Unconfirmed(f"{why} before the deadline; not sent", sent=False) from exc

    async def _open_lane(self, lane: str) -> Channel:
        backoff = AWAY.backoff()
        while True:
            await self.wait_connected()
            connection = self._kept.connection
            if connection is not None:
                await connection.unblocked.wait()
            channel = self._lanes.get(lane)
            if (
                channel is not None
                and not channel.gone.done()
                and not self.blocked
                and not self._kept.closing
            ):
                return channel
            try:
                self._lanes[lane] = await self._open(confirming=True)
            except Away as away:
                _log.warning("lane-not-opened", link=self.name, lane=lane, reason=away)
                await asyncio.sleep(next(backoff))
