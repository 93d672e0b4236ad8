"""The lasting connection to the broker: publish with confirms, consume, reconnect for ever.

`Link` replaces connections and channels (channel.py) that are gone, and is all that the rest of the project knows.

Nothing but `Transient` leaves it. A connection that is away is not an error to a link, only a reason to wait; to
a publisher it becomes one at its deadline.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import Self

from bus import logs
from bus.broker.channel import Channel, Connection, parameters_of
from bus.broker.confirms import expire
from bus.broker.messages import Away, Closed, Depth, Outgoing, Returned, Unconfirmed
from bus.broker.order import Order
from bus.broker.subscription import Subscription
from bus.retry import AWAY

_log = logs.get("broker")
_NOBODY = "nobody"


class Link:
    """A lasting connection to one vhost as one user; an asynchronous context manager.

    `url` carries user and password (`amqp://` or `amqps://`); `name` is what the broker's operators see.
    Publish and consume over separate links: a broker in need blocks the connections that publish.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str,
        heartbeat: int = 30,
        connect_timeout: float = 10.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.name = name
        self._parameters = parameters_of(url, name, heartbeat, connect_timeout, tls)
        self._connection: Connection | None = None
        self._lanes: dict[str, Channel] = {}
        self._opening: dict[str, asyncio.Lock] = {}
        self._retiring: set[asyncio.Task[None]] = set()
        self._subscriptions: list[Subscription] = []
        self._keeping: asyncio.Task[None] | None = None
        self._connected = asyncio.Event()
        self._connections = 0
        self._closing = False
        self.why: str | None = None
        """Why there is no connection, by the last attempt or loss; None while there is one, or none was tried."""

    async def __aenter__(self) -> Self:
        self._keeping = asyncio.create_task(self._keep(), name=f"link {self.name}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def connected(self) -> bool:
        connection = self._connection
        return connection is not None and not connection.gone.done() and not self._closing

    @property
    def connections(self) -> int:
        """How many connections there have been: another number tells that one was lost meanwhile."""
        return self._connections

    @property
    def blocked(self) -> bool:
        """Whether the broker has stopped reading from this connection (memory or disk alarm)."""
        return self._connection is not None and not self._connection.unblocked.is_set()

    async def wait_connected(self) -> None:
        """Return when there is a connection; raise Closed when there will be none."""
        await self._connected.wait()
        while not self.connected and not self._closing:
            await asyncio.sleep(0)  # it has just been lost, and `_keep` is about to learn of it
            await self._connected.wait()
        if self._closing:
            raise Closed(f"link {self.name} is closed")

    async def publish(self, outgoing: Outgoing, *, deadline: float = 30.0, lane: str = "main") -> None:
        """Return when the broker has the message for good; else raise Returned, Nacked or Unconfirmed.

        `deadline` in seconds covers everything, also waiting for a connection. Publishes of one `lane` share a
        channel: a queue that does not answer holds up its lane and no other.
        """
        loop = asyncio.get_running_loop()
        started = loop.time()
        channel = self._lanes.get(lane)
        if channel is None or channel.gone.done() or self.blocked or self._closing:
            channel = await self._ready(lane, deadline)
        answer = channel.publish(outgoing)
        timer = expire(answer, max(0.0, deadline - (loop.time() - started)))
        try:
            await answer
        finally:
            timer.cancel()

    def renew(self, lane: str) -> None:
        """Let the next publish of a lane open a new channel; what the old one has under way still gets its answers.

        A channel that a full queue has refused goes on refusing by itself, at times long after the queue has room.
        """
        channel = self._lanes.pop(lane, None)
        if channel is not None:
            retiring = asyncio.create_task(channel.retire())
            self._retiring.add(retiring)
            retiring.add_done_callback(self._retiring.discard)

    async def probe(self, exchange: str, *, deadline: float) -> None:
        """Raise Unconfirmed unless the broker takes publishes: one that no queue is bound for comes back.

        A broker with an alarm says so only to those that publish.
        """
        nobody = Outgoing(exchange=exchange, routing_key=_NOBODY, body=b"", message_id=_NOBODY, type=_NOBODY)
        with suppress(Returned):
            await self.publish(nobody, deadline=deadline, lane=_NOBODY)

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
        if self._closing:
            return
        self._closing = True
        self._connected.set()  # whoever waits for a connection learns that there will be none
        if self._connection is not None:
            self._connection.unblocked.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                for channel in list(self._lanes.values()):
                    await channel.confirms.settled()
                await asyncio.gather(*self._retiring)
        for retiring in self._retiring:
            retiring.cancel()
        for subscription in self._subscriptions:
            await subscription.end()
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait({self._keeping})
        if self._connection is not None:
            await self._connection.close(within=min(within, 5.0))

    async def _keep(self) -> None:
        """Have a connection at all times."""
        backoff = AWAY.backoff()
        while True:
            try:
                connection = await self._connect()
            except Away as away:
                wait = next(backoff)
                self.why = str(away)
                _log.warning("broker-away", link=self.name, reason=away, pause=round(wait, 1))
                await asyncio.sleep(wait)
                continue
            backoff = AWAY.backoff()
            self._connection = connection
            self._connections += 1
            self.why = None
            self._connected.set()
            _log.info("broker-connected", link=self.name)
            reason = await asyncio.shield(connection.gone)
            self._connected.clear()
            self.why = reason
            self._connection = None
            self._lanes.clear()
            _log.warning("broker-lost", link=self.name, reason=reason)
            await asyncio.sleep(next(backoff))

    async def _connect(self) -> Connection:
        connection = Connection(self._parameters)
        try:
            await connection.wait_open()
        except asyncio.CancelledError:
            await connection.close(within=1.0)
            raise
        return connection

    async def _open(self, *, confirming: bool = False) -> Channel:
        connection = self._connection
        if connection is None:
            raise Away(f"link {self.name} is not connected")
        return await Channel.open(connection, confirming=confirming)

    async def _ready(self, lane: str, deadline: float) -> Channel:
        """A lane that can be written to; the slow path of `publish`."""
        try:
            async with asyncio.timeout(deadline), self._opening.setdefault(lane, asyncio.Lock()):
                return await self._open_lane(lane)
        except TimeoutError as exc:
            why = "the broker blocks publishers" if self.blocked else "no connection to the broker"
            raise Unconfirmed(f"{why} for {deadline:.1f} s; not sent", sent=False) from exc

    async def _open_lane(self, lane: str) -> Channel:
        backoff = AWAY.backoff()
        while True:
            await self.wait_connected()
            connection = self._connection
            if connection is not None:
                await connection.unblocked.wait()
            channel = self._lanes.get(lane)
            if channel is not None and not channel.gone.done() and not self.blocked and not self._closing:
                return channel
            try:
                self._lanes[lane] = await self._open(confirming=True)
            except Away as away:
                _log.warning("lane-not-opened", link=self.name, lane=lane, reason=away)
                await asyncio.sleep(next(backoff))
