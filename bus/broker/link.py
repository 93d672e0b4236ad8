"""The connection to the broker: publish with confirms, consume, reconnect for ever. pika ends in this module.

pika's connection lives in the event loop and speaks in callbacks. Three small classes turn it into something to
await: `_Connection` (one TCP connection, until it is gone), `_Channel` (one channel of it, until it is gone) and
`Link`, which replaces whatever is gone and is all that the rest of the project knows.

Nothing but `Transient` leaves it. A connection that is away is not an error to a link, only a reason to wait; to
a publisher it becomes one at its deadline.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import pika
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.exceptions import AMQPError, StreamLostError

from bus.broker.awaiting import first, in_words, resolve
from bus.broker.confirms import Confirms, expire
from bus.broker.messages import Away, Closed, Depth, Incoming, Outgoing, Returned, Unconfirmed
from bus.broker.subscription import Subscription
from bus.failpoints import reached
from bus.retry import AWAY

_LOG = logging.getLogger(__name__)
_GENERATIONS = itertools.count(1)
_PERSISTENT = 2
_NOBODY = "nobody"
_ANSWER_WITHIN = 30.0
"""Seconds for the broker to answer anything but a publish; a channel that takes longer is given up."""


class _Connection:
    """One connection, from the attempt to open it until it is gone."""

    def __init__(self, parameters: pika.connection.Parameters) -> None:
        loop = asyncio.get_running_loop()
        self.gone: asyncio.Future[str] = loop.create_future()
        self.opened: asyncio.Future[Any] = loop.create_future()
        self.unblocked = asyncio.Event()
        self.unblocked.set()
        self.pika = AsyncioConnection(
            parameters,
            on_open_callback=resolve(self.opened),
            on_open_error_callback=self._lost,
            on_close_callback=self._lost,
            custom_ioloop=loop,
        )
        self.pika.add_on_connection_blocked_callback(lambda *_: self.unblocked.clear())
        self.pika.add_on_connection_unblocked_callback(lambda *_: self.unblocked.set())

    async def wait_open(self) -> None:
        """Return when it is open; raise Away when that failed."""
        await first(self.opened, self.gone)
        if self.gone.done():
            raise Away(self.gone.result())

    async def close(self, *, within: float) -> None:
        """Close in order, or after so many seconds by dropping the socket; nothing of it is left afterwards."""
        if self.opened.done():
            with suppress(AMQPError):
                self.pika.close()
            await asyncio.wait({self.gone}, timeout=within)
        if not self.gone.done():
            # What pika's own heartbeat does when the broker is silent; it has no public name. While a connection
            # is being opened it is the only way out: there, close() of pika 1.4 fails in an assertion.
            self.pika._terminate_stream(StreamLostError("given up"))
            await asyncio.wait({self.gone}, timeout=within)

    def _lost(self, _: AsyncioConnection, reason: BaseException | None) -> None:
        self.unblocked.set()  # whoever waits for that must now wait for another connection
        if not self.gone.done():
            self.gone.set_result(in_words(reason))


class _Channel:
    """One channel, from the attempt to open it until it is gone."""

    def __init__(self, connection: _Connection) -> None:
        self.generation = next(_GENERATIONS)
        self.gone: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.confirms = Confirms()
        self._opened: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        try:
            self._pika = connection.pika.channel(on_open_callback=resolve(self._opened))
        except AMQPError as exc:
            raise Away(in_words(exc)) from exc
        self._pika.add_on_close_callback(lambda _, reason: self._lost(in_words(reason)))
        self._pika.add_on_cancel_callback(self._consumer_cancelled)
        self._pika.add_on_return_callback(self._returned)

    @classmethod
    async def open(cls, connection: _Connection, *, confirming: bool = False) -> Self:
        """A channel ready for use."""
        channel = cls(connection)
        try:
            await channel._answer(channel._opened)
            if confirming:
                await channel._call(channel._pika.confirm_delivery, ack_nack_callback=channel._confirmed)
        except BaseException:
            channel.drop("could not be opened")
            raise
        return channel

    def publish(self, outgoing: Outgoing) -> asyncio.Future[None]:
        """Send now; the future is the broker's answer."""
        properties = pika.BasicProperties(
            content_type=outgoing.content_type,
            delivery_mode=_PERSISTENT,
            headers=dict(outgoing.headers),
            message_id=outgoing.message_id,
            type=outgoing.type,
            user_id=outgoing.user_id,
        )
        try:
            self._pika.basic_publish(
                outgoing.exchange, outgoing.routing_key, outgoing.body, properties, mandatory=True
            )
        except AMQPError as exc:
            raise Unconfirmed(in_words(exc), sent=False) from exc
        return self.confirms.expect(outgoing)

    async def consume(self, queue: str, prefetch: int, arrived: Callable[[Incoming], None]) -> str:
        """Start a consumer of its own limit, and return its name."""

        def deliver(_: object, method: Any, properties: Any, body: bytes) -> None:
            arrived(self._incoming(method, properties, body))

        await self._call(self._pika.basic_qos, prefetch_count=prefetch)
        answer = await self._call(self._pika.basic_consume, queue=queue, on_message_callback=deliver)
        return str(answer.method.consumer_tag)

    async def cancel(self, consumer: str) -> None:
        """End a consumer; what it delivered can still be acknowledged."""
        await self._call(self._pika.basic_cancel, consumer_tag=consumer)

    def ack(self, tag: int, *, multiple: bool) -> None:
        with suppress(AMQPError):
            self._pika.basic_ack(tag, multiple=multiple)

    def reject(self, tag: int) -> None:
        with suppress(AMQPError):
            self._pika.basic_reject(tag, requeue=False)

    async def depth(self, queue: str) -> Depth:
        """Ask for a queue's length; a queue that does not exist closes the channel."""
        answer = await self._call(self._pika.queue_declare, queue=queue, passive=True)
        return Depth(messages=answer.method.message_count, consumers=answer.method.consumer_count)

    async def retire(self) -> None:
        """Close once every publish under way has its answer; they all have a deadline."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_ANSWER_WITHIN):
                await self.confirms.settled()
        self.drop("replaced by another")

    async def close(self) -> None:
        """Close and wait until it is closed; what it holds unacknowledged returns to its queue."""
        with suppress(AMQPError):
            self._pika.close()
        await asyncio.wait({self.gone}, timeout=_ANSWER_WITHIN)
        self._lost("closed")

    def drop(self, reason: str) -> None:
        """Close without waiting."""
        with suppress(AMQPError):
            self._pika.close()
        self._lost(reason)

    async def _call(self, method: Callable[..., Any], **arguments: Any) -> Any:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        try:
            method(callback=resolve(answer), **arguments)
        except AMQPError as exc:
            raise Away(in_words(exc)) from exc
        return await self._answer(answer)

    async def _answer(self, answer: asyncio.Future[Any]) -> Any:
        await first(answer, self.gone, within=_ANSWER_WITHIN)
        if answer.done():
            return answer.result()
        if not self.gone.done():
            self.drop(f"no answer from the broker within {_ANSWER_WITHIN:.0f} s")
        raise Away(self.gone.result())

    def _confirmed(self, frame: Any) -> None:
        method = frame.method
        reached("link.before-confirm")
        settle = self.confirms.acked if isinstance(method, pika.spec.Basic.Ack) else self.confirms.nacked
        settle(method.delivery_tag, multiple=method.multiple)

    def _returned(self, _: object, method: Any, properties: Any, __: bytes) -> None:
        identity = (properties.message_id, method.exchange, method.routing_key)
        self.confirms.returned(identity, f"{method.reply_text} ({method.reply_code})")

    def _consumer_cancelled(self, _: object) -> None:
        self.drop("the broker cancelled the consumer: its queue was deleted or has no leader")

    def _lost(self, reason: str) -> None:
        if not self.gone.done():
            self.gone.set_result(reason)
        self.confirms.lost(reason)

    def _incoming(self, method: Any, properties: Any, body: bytes) -> Incoming:
        return Incoming(
            body=body,
            exchange=method.exchange,
            routing_key=method.routing_key,
            user_id=properties.user_id,
            message_id=properties.message_id,
            type=properties.type,
            headers=properties.headers or {},
            redelivered=method.redelivered,
            received_at=datetime.now(UTC),
            generation=self.generation,
            tag=method.delivery_tag,
        )


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
        self._parameters = _parameters(url, name, heartbeat, connect_timeout, tls)
        self._connection: _Connection | None = None
        self._lanes: dict[str, _Channel] = {}
        self._opening: dict[str, asyncio.Lock] = {}
        self._retiring: set[asyncio.Task[None]] = set()
        self._subscriptions: list[Subscription] = []
        self._keeping: asyncio.Task[None] | None = None
        self._connected = asyncio.Event()
        self._closing = False

    async def __aenter__(self) -> Self:
        self._keeping = asyncio.create_task(self._keep(), name=f"link {self.name}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def connected(self) -> bool:
        return self._connected.is_set() and not self._closing

    @property
    def blocked(self) -> bool:
        """Whether the broker has stopped reading from this connection (memory or disk alarm)."""
        return self._connection is not None and not self._connection.unblocked.is_set()

    async def wait_connected(self) -> None:
        """Return when there is a connection; raise Closed when there will be none."""
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

    def subscribe(self, queue: str, *, prefetch: int) -> Subscription:
        """Consume a queue from now until the subscription is stopped or the link closed."""
        subscription = Subscription(
            queue, prefetch=prefetch, connected=self.wait_connected, open_channel=self._open
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
        waits = AWAY.waits()
        while True:
            try:
                connection = await self._connect()
            except Away as away:
                wait = next(waits)
                _LOG.warning("link %s: no broker (%s); next attempt in %.1f s", self.name, away, wait)
                await asyncio.sleep(wait)
                continue
            waits = AWAY.waits()
            self._connection = connection
            self._connected.set()
            _LOG.info("link %s: connected", self.name)
            reason = await asyncio.shield(connection.gone)
            self._connected.clear()
            self._connection = None
            self._lanes.clear()
            _LOG.warning("link %s: connection lost: %s", self.name, reason)
            await asyncio.sleep(next(waits))

    async def _connect(self) -> _Connection:
        connection = _Connection(self._parameters)
        try:
            await connection.wait_open()
        except asyncio.CancelledError:
            await connection.close(within=1.0)
            raise
        return connection

    async def _open(self, *, confirming: bool = False) -> _Channel:
        connection = self._connection
        if connection is None:
            raise Away(f"link {self.name} is not connected")
        return await _Channel.open(connection, confirming=confirming)

    async def _ready(self, lane: str, deadline: float) -> _Channel:
        """A lane that can be written to; the slow path of `publish`."""
        try:
            async with asyncio.timeout(deadline), self._opening.setdefault(lane, asyncio.Lock()):
                return await self._open_lane(lane)
        except TimeoutError as exc:
            why = "the broker blocks publishers" if self.blocked else "no connection to the broker"
            raise Unconfirmed(f"{why} for {deadline:.1f} s; not sent", sent=False) from exc

    async def _open_lane(self, lane: str) -> _Channel:
        waits = AWAY.waits()
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
                _LOG.warning("link %s: cannot open lane %s: %s", self.name, lane, away)
                await asyncio.sleep(next(waits))


def _parameters(
    url: str, name: str, heartbeat: int, connect_timeout: float, tls: ssl.SSLContext | None
) -> pika.URLParameters:
    parameters = pika.URLParameters(url)
    parameters.client_properties = {"connection_name": name}
    parameters.heartbeat = heartbeat
    parameters.connection_attempts = 1
    parameters.socket_timeout = connect_timeout
    parameters.stack_timeout = connect_timeout * 2
    # A blocked publisher waits for its own deadline; dropping the connection would not unblock it.
    parameters.blocked_connection_timeout = None
    if tls is not None:
        parameters.ssl_options = pika.SSLOptions(tls, parameters.host)
    return parameters
