"""Callbacks turned into something to await."""

from __future__ import annotations

import asyncio
import re
import socket
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


_FOREIGN = "IncompatibleProtocolError"
"""pika's word for an answer that is none of AMQP, such as a TLS listener's to who speaks without."""
_OPENSSL = re.compile(r"\[SSL: ([A-Z0-9_]+)\]")
_UNKNOWN_NAME = "no address is known for its name (DNS)"
_NO_AMQP = "no AMQP is spoken there without TLS"
_SCHEME = "check broker.url: amqps:// for a port with TLS, amqp:// for one without"
ALARM = "an alarm of memory or disk"
_ADVICE = {
    "(403)": "check broker.user and broker.password_file, or get a new password from whoever runs the broker",
    "(530)": "check broker.vhost, and with whoever runs the broker what this user may",
    "CERTIFICATE_VERIFY_FAILED": "check broker.ca_file and this machine's clock",
    "SSL": _SCHEME,
    _NO_AMQP: _SCHEME,
    ALARM: "free memory or disk at the broker; `rabbitmqctl status` names the alarm",
    _UNKNOWN_NAME: "check the name in broker.url, and this machine's DNS",
}
_ADVICE_OTHERWISE = (
    "check host and port in broker.url, the network and the firewall; it is tried again and again"
)


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
    if isinstance(reason, socket.gaierror):
        return _UNKNOWN_NAME
    # OpenSSL's name for it, such as CERTIFICATE_VERIFY_FAILED, and no word of the other side's. Where pika has made a
    # text of the error, it is looked for there: a broker refuses a certificate only after the handshake (TLS 1.3).
    named = reason.reason if isinstance(reason, ssl.SSLError) else None
    if found := named or next(iter(_OPENSSL.findall(str(reason))), None):
        return f"{logs.in_words(reason)}: {found}"
    if type(reason).__name__ == _FOREIGN:
        return _NO_AMQP
    return logs.in_words(reason)


def advice(reason: str) -> str:
    """What to do about a connection that `in_words` gives this reason for."""
    return next((do for word, do in _ADVICE.items() if word in reason), _ADVICE_OTHERWISE)


def to_do(reason: str) -> str:
    """The same advice as a sentence of its own."""
    words = advice(reason)
    return f"{words[:1].upper()}{words[1:]}."
