"""Small things that the broker's tests share."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping

from bus.broker.link import Link
from bus.broker.messages import Depth, Outgoing

SENDER = "0100100000"
NEIGHBOUR = "0200200000"

_NUMBERS = itertools.count(1)


def message(
    queue: str = "",
    *,
    exchange: str = "",
    body: bytes = b"<Letter/>",
    headers: Mapping[str, str | int] | None = None,
    user_id: str | None = None,
) -> Outgoing:
    """A message of its own id for a queue (by the default exchange), or for an exchange."""
    return Outgoing(
        exchange=exchange,
        routing_key=queue,
        body=body,
        message_id=f"m-{next(_NUMBERS)}",
        type="letter",
        headers=headers or {},
        user_id=user_id,
    )


async def until(happens: Callable[[], bool], *, within: float = 60.0) -> None:
    """Wait for something that nothing announces."""
    async with asyncio.timeout(within):
        while not happens():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def depth_becomes(link: Link, queue: str, messages: int, *, within: float = 60.0) -> Depth:
    """Wait until a queue has so many ready messages: a queue settles acknowledgements in its own time."""
    async with asyncio.timeout(within):
        while (depth := await link.depth(queue)).messages != messages:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return depth
