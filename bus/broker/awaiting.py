"""Small things for turning callbacks into something to await."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


def resolve(answer: asyncio.Future[Any]) -> Callable[[Any], None]:
    """A callback that completes a future, unless nobody waits for it any more."""

    def callback(value: Any) -> None:
        if not answer.done():
            answer.set_result(value)

    return callback


async def first(*futures: asyncio.Future[Any], within: float | None = None) -> None:
    """Wait until one of them is done, and leave the others alone."""
    await asyncio.wait(futures, timeout=within, return_when=asyncio.FIRST_COMPLETED)


def in_words(reason: BaseException | None) -> str:
    """Why a connection or a channel is gone; libraries close without any reason, and raise without any message."""
    if reason is None:
        return "closed"
    return str(reason) or type(reason).__name__
