"""Callbacks turned into something to await."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable
from typing import Any

from bus import logs

_REPLIES = {
    200: "closed",
    311: "CONTENT_TOO_LARGE",
    320: "CONNECTION_FORCED, by an operator or at the broker's end",
    403: "ACCESS_REFUSED, look at user, password and permissions",
    404: "NOT_FOUND, no such exchange or queue",
    405: "RESOURCE_LOCKED",
    406: "PRECONDITION_FAILED",
    501: "FRAME_ERROR",
    504: "CHANNEL_ERROR",
    530: "NOT_ALLOWED, look at the virtual host and the limits of the user",
    541: "INTERNAL_ERROR",
}

_PROBABLY = {"ProbableAuthenticationError": 403, "ProbableAccessDeniedError": 530}
"""pika's own words for a connection that the broker closed without saying why."""


_OPENSSL = re.compile(r"\[SSL: ([A-Z0-9_]+)\]")


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
    """Why something of the broker's ended: by the code of its reply (AMQP 0-9-1, 1.2), or by what kind of error."""
    if reason is None:
        return "closed"
    code = getattr(reason, "reply_code", None) or _PROBABLY.get(type(reason).__name__)
    if isinstance(code, int):
        return f"{_REPLIES.get(code, 'closed by the other side')} ({code})"
    # pika wraps an error in the phases that it went through; the innermost says what happened.
    behind = [*reason.args, *getattr(reason, "exceptions", ()), getattr(reason, "exception", None)]
    inner = [each for each in behind if isinstance(each, BaseException)]
    if inner:
        return in_words(inner[-1])
    # OpenSSL's name for it, such as CERTIFICATE_VERIFY_FAILED, and no word of the other side's. Where pika has made a
    # text of the error, it is looked for there: a broker refuses a certificate only after the handshake (TLS 1.3).
    named = reason.reason if isinstance(reason, ssl.SSLError) else None
    if found := named or next(iter(_OPENSSL.findall(str(reason))), None):
        return f"{logs.in_words(reason)}: {found}"
    return logs.in_words(reason)
