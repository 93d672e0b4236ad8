"""The measure of the bus's speed: what pika and RabbitMQ alone do with messages of the same size.

Consume from one quorum queue, publish to another, acknowledge when that is confirmed; everything pipelined, nothing
read, checked, stored or signed. It shares no code with the bus's own link, so that neither flatters the other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pika
from pika.adapters.asyncio_connection import AsyncioConnection

SOURCE = "raw.source"
TARGET = "raw.target"
PREFETCH = 500
ACK_EVERY = 100
_PROPERTIES = pika.BasicProperties(delivery_mode=2, content_type="application/xml")


@dataclass(slots=True)
class _Confirmed:
    """Counts the publishes that are confirmed without a gap, as one ack for many needs to know."""

    through: int = 0
    _early: set[int] = field(default_factory=set)

    def note(self, method: Any) -> None:
        assert isinstance(method, pika.spec.Basic.Ack), "a queue refused a message"
        if method.multiple:
            self.through = max(self.through, method.delivery_tag)
        else:
            self._early.add(method.delivery_tag)
        while self.through + 1 in self._early:
            self.through += 1
            self._early.discard(self.through)


async def raw_forward(node_url: str, messages: int, size: int) -> float:
    """Messages of `size` bytes forwarded per second; the user of the URL must be allowed to declare queues."""
    connection = await _connect(node_url)
    try:
        consuming, publishing = await _channel(connection), await _channel(connection)
        for queue in (SOURCE, TARGET):
            await _call(publishing.queue_delete, queue=queue)
            arguments = {"x-queue-type": "quorum"}
            await _call(publishing.queue_declare, queue=queue, durable=True, arguments=arguments)
        await _fill(await _channel(connection), messages, b"x" * size)
        started = time.perf_counter()
        await _forward(consuming, publishing, messages)
        elapsed = time.perf_counter() - started
        for queue in (SOURCE, TARGET):
            await _call(publishing.queue_delete, queue=queue)
        return messages / elapsed
    finally:
        await _close(connection)


async def _fill(channel: Any, messages: int, body: bytes) -> None:
    confirmed = _Confirmed()
    done = asyncio.get_running_loop().create_future()

    def answered(frame: Any) -> None:
        confirmed.note(frame.method)
        if confirmed.through == messages:
            done.set_result(None)

    await _call(channel.confirm_delivery, ack_nack_callback=answered)
    for _ in range(messages):
        channel.basic_publish("", SOURCE, body, _PROPERTIES, mandatory=True)
    await done


async def _forward(consuming: Any, publishing: Any, messages: int) -> None:
    # Both channels are new: the nth delivery is the nth publish, and bears the same tag.
    confirmed = _Confirmed()
    acknowledged = 0
    done = asyncio.get_running_loop().create_future()

    def answered(frame: Any) -> None:
        nonlocal acknowledged
        confirmed.note(frame.method)
        last = confirmed.through == messages
        if confirmed.through - acknowledged >= ACK_EVERY or (last and acknowledged < messages):
            consuming.basic_ack(confirmed.through, multiple=True)
            acknowledged = confirmed.through
            if last:
                done.set_result(None)

    def arrived(_: object, __: object, ___: object, body: bytes) -> None:
        publishing.basic_publish("", TARGET, body, _PROPERTIES, mandatory=True)

    await _call(publishing.confirm_delivery, ack_nack_callback=answered)
    await _call(consuming.basic_qos, prefetch_count=PREFETCH)
    await _call(consuming.basic_consume, queue=SOURCE, on_message_callback=arrived)
    await done


async def _connect(url: str) -> Any:
    opened = asyncio.get_running_loop().create_future()
    connection = AsyncioConnection(
        pika.URLParameters(url),
        on_open_callback=opened.set_result,
        on_open_error_callback=lambda _, error: opened.set_exception(error),
        custom_ioloop=asyncio.get_running_loop(),
    )
    await opened
    return connection


async def _channel(connection: Any) -> Any:
    opened = asyncio.get_running_loop().create_future()
    connection.channel(on_open_callback=opened.set_result)
    return await opened


async def _call(method: Callable[..., Any], **arguments: Any) -> None:
    answered = asyncio.get_running_loop().create_future()
    method(callback=answered.set_result, **arguments)
    await answered


async def _close(connection: Any) -> None:
    closed = asyncio.get_running_loop().create_future()
    connection.add_on_close_callback(lambda *_: closed.set_result(None))
    connection.close()
    await closed


async def raw_circular(url: str, exchange: str, keys: Sequence[str], body: bytes) -> float:
    """Return in how many seconds one body is published to every key of an exchange and confirmed, all at once."""
    connection = await _connect(url)
    try:
        channel, confirmed = await _channel(connection), _Confirmed()
        done = asyncio.get_running_loop().create_future()

        def answered(frame: Any) -> None:
            confirmed.note(frame.method)
            if confirmed.through == len(keys):
                done.set_result(None)

        await _call(channel.confirm_delivery, ack_nack_callback=answered)
        started = time.perf_counter()
        for key in keys:
            channel.basic_publish(exchange, key, body, _PROPERTIES, mandatory=True)
        await done
        return time.perf_counter() - started
    finally:
        await _close(connection)
