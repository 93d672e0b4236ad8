"""One channel of a connection to the broker, as something to await. pika ends here and in connection.py.

What is gone stays gone; `Link` replaces it. Nothing but `Transient` and `Rejected` leaves it.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Self

import pika
from pika.exceptions import AMQPError

from bus.broker.awaiting import first, in_words, resolve
from bus.broker.confirms import Confirms, Publish
from bus.broker.connection import Connection
from bus.broker.messages import Away, Depth, Incoming, Outgoing, Unconfirmed
from bus.failpoints import reached

_GENERATIONS = itertools.count(1)
_PERSISTENT = 2
_PRECONDITION_FAILED = 406
_ASKING = ("expiration", "priority", "reply_to")
_ANSWER_WITHIN = 30.0
"""Seconds for the broker to answer anything but a publish; a channel that takes longer is given up."""


class Channel:
    """One channel, from the attempt to open it until it is gone."""

    def __init__(self, connection: Connection, suspected: Callable[[Publish], None] | None = None) -> None:
        self.generation = next(_GENERATIONS)
        self.gone: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.confirms = Confirms(connection.evidence, suspected)
        self._opened: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        try:
            self._pika = connection.pika.channel(on_open_callback=resolve(self._opened))
        except AMQPError as exc:
            raise Away(in_words(exc)) from exc
        self._pika.add_on_close_callback(lambda _, reason: self._closed(reason))
        self._pika.add_on_cancel_callback(self._consumer_cancelled)
        self._pika.add_on_return_callback(self._returned)

    @classmethod
    async def open(
        cls,
        connection: Connection,
        *,
        confirming: bool = False,
        suspected: Callable[[Publish], None] | None = None,
    ) -> Self:
        """A channel ready for use; `suspected` as in Confirms."""
        channel = cls(connection, suspected)
        try:
            await channel._answer(channel._opened)
            if confirming:
                await channel._call(channel._pika.confirm_delivery, ack_nack_callback=channel._confirmed)
        except BaseException:
            channel.drop("could not be opened")
            raise
        return channel

    def publish(self, outgoing: Outgoing, until: float) -> asyncio.Future[None]:
        """Send now; the future is the broker's answer, awaited until that time (event loop's). Raises Unconfirmed."""
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
        return self.confirms.expect(outgoing, until)

    async def consume(self, queue: str, prefetch: int, arrived: Callable[[Incoming], None]) -> str:
        """Start a consumer of its own limit, and return its name."""

        def deliver(_: object, method: Any, properties: Any, body: bytes) -> None:
            arrived(self._incoming(method, properties, body))

        await self._call(self._pika.basic_qos, prefetch_count=prefetch)
        answer = await self._call(self._pika.basic_consume, queue=queue, on_message_callback=deliver)
        return str(answer.method.consumer_tag)

    async def get(self, queue: str) -> Incoming | None:
        """Take one message, to be acknowledged like any other; None if none is ready."""
        found: asyncio.Future[Incoming | None] = asyncio.get_running_loop().create_future()
        self._pika.add_callback(lambda _: resolve(found)(None), [pika.spec.Basic.GetEmpty], one_shot=True)
        try:
            self._pika.basic_get(
                queue,
                lambda _, method, properties, body: resolve(found)(self._incoming(method, properties, body)),
            )
        except AMQPError as exc:
            raise Away(in_words(exc)) from exc
        incoming: Incoming | None = await self._answer(found)
        return incoming

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

    def _closed(self, reason: BaseException) -> None:
        # The broker checks a message only for its size and its user; on a channel that publishes nothing else is a 406.
        over_a_message = getattr(reason, "reply_code", None) == _PRECONDITION_FAILED
        self._lost(in_words(reason), over_a_message=over_a_message)

    def _lost(self, reason: str, *, over_a_message: bool = False) -> None:
        if not self.gone.done():
            self.gone.set_result(reason)
        self.confirms.lost(reason, over_a_message=over_a_message)

    def _incoming(self, method: Any, properties: Any, body: bytes) -> Incoming:
        return Incoming(
            body=body,
            exchange=method.exchange,
            routing_key=method.routing_key,
            user_id=properties.user_id,
            message_id=properties.message_id,
            type=properties.type,
            headers=properties.headers or {},
            asked=_asked(properties),
            redelivered=method.redelivered,
            received_at=datetime.now(UTC),
            generation=self.generation,
            tag=method.delivery_tag,
        )


def _asked(properties: Any) -> tuple[str, ...]:
    """What the publisher asked the broker to do with its message; RabbitMQ itself sets none of these."""
    return tuple(name for name in _ASKING if getattr(properties, name) is not None)
