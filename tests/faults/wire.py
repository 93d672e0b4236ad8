"""Submitting bytes as an agency's broker user, past its adapter: what a copy of an adapter might do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pika

from bus.broker import topology
from bus.broker.link import Link
from bus.broker.messages import Outgoing
from bus.documents.letter import Content, Letter
from bus.documents.seal import Seal
from bus.documents.signing import sign
from bus.documents.xml import open_envelope, read
from compose.local import LocalBus


def submit(bus: LocalBus, agency: str, *submissions: bytes) -> None:
    """Publish them, one after the other, and return when the broker has confirmed all."""
    asyncio.run(_submit(bus, agency, submissions))


def under_another_id(bus: LocalBus, agency: str, raw: bytes) -> bytes:
    """A new letter with the content of this one, sealed by its agency."""
    return resealed(raw, bus.seal(agency))


def resealed(raw: bytes, seal: Seal) -> bytes:
    """A new letter with the content of this one, sealed with a key of one's own."""
    letter = read(open_envelope(raw).root)
    assert isinstance(letter, Letter)
    return sign(replace(letter, letter_id=uuid4()), seal).raw


def with_another_subject(bus: LocalBus, agency: str, raw: bytes) -> bytes:
    """The same letter under the same id with other content, sealed by its agency."""
    letter = read(open_envelope(raw).root)
    assert isinstance(letter, Letter)
    return sign(replace(letter, content=Content(subject="เรื่องอื่น (ตัวอย่าง)")), bus.seal(agency)).raw


async def _submit(bus: LocalBus, agency: str, submissions: tuple[bytes, ...]) -> None:
    user = topology.user_of(agency)
    async with Link(bus.amqp_url(user), name="another adapter") as link:
        for raw in submissions:
            await link.publish(
                Outgoing(
                    exchange=topology.submit_exchange(agency),
                    body=raw,
                    message_id=str(uuid4()),
                    type="letter",
                    user_id=user,
                )
            )


def flood(bus: LocalBus, agency: str, bodies: Sequence[bytes], **properties: Any) -> None:
    """Publish as the agency's user, with properties that no adapter sets, and return when the broker has all."""
    connection = pika.BlockingConnection(pika.URLParameters(bus.amqp_url(topology.user_of(agency))))
    with closing(connection), closing(connection.channel()) as channel:
        channel.confirm_delivery()
        for body in bodies:
            as_agency = pika.BasicProperties(
                user_id=topology.user_of(agency), message_id=str(uuid4()), type="letter", **properties
            )
            channel.basic_publish(topology.submit_exchange(agency), "", body, as_agency)
