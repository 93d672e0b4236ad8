"""One broker host, connected to for a moment as this program's user, to see how it is there."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from bus.broker.awaiting import ALARM, to_do
from bus.broker.channel import Channel
from bus.broker.connection import Connection, parameters_of
from bus.broker.hosts import Hosts
from bus.broker.messages import Away, Depth, Outgoing, Rejected, Returned, Unconfirmed
from bus.doctor import Found, fail
from bus.ends import ending
from bus.peers import valid_until, why_not
from bus.thai import now

_AMQPS = 5671
_WITHIN = 10.0
_NOBODY = "doctor.nobody"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a host says of itself, and how a queue is there."""

    product: str
    depth: Depth
    takes: bool | None = None
    """Whether it takes a message of the size that was asked about; None where none was."""


async def look_at_certificate(
    host: str, tls: ssl.SSLContext | None, *, believe: str, anew: str
) -> Found | None:
    """Return how a host's certificate is; None without TLS, or where nobody answers: who logs in is told why.

    `believe` is what to do where it is not believed, `anew` where it ends.
    """
    if tls is None:
        return None
    parts = urlsplit(f"amqps://{host}")
    try:
        until = await valid_until(parts.hostname or "", parts.port or _AMQPS, tls)
    except ssl.SSLError as exc:
        doubted = isinstance(exc, ssl.SSLCertVerificationError)
        return fail(f"TLS: {why_not(exc)}", believe if doubted else to_do("SSL"))
    except (OSError, TimeoutError):
        return None
    return ending("TLS: the broker's certificate", until, now(), anew)


async def look_at(
    hosts: Hosts,
    host: str,
    *,
    queue: str,
    name: str,
    tls: ssl.SSLContext | None,
    heartbeat: int = 30,
    largest: tuple[str, int] | None = None,
) -> Seen:
    """Connect to this host and ask for a queue. Raises Away with the reason, the queue's too.

    `largest` is an exchange and a size: a message of so many bytes is sent there for nobody, and comes back.
    """
    connection = Connection(parameters_of(hosts.url(host), name, heartbeat, tls, within=_WITHIN))
    try:
        await connection.wait_open()
        channel = await Channel.open(connection)
        depth = await channel.depth(queue)
        takes = await _takes(connection, *largest) if largest else None
        return Seen(connection.product, depth, takes)
    finally:
        await connection.close(within=2.0)


async def _takes(connection: Connection, exchange: str, size: int) -> bool:
    """Whether a message of this size is taken: the broker looks at that first, and gives back what is for nobody."""
    channel = await Channel.open(connection, confirming=True)
    sent = Outgoing(
        exchange=exchange, routing_key=_NOBODY, body=bytes(size), message_id=_NOBODY, type=_NOBODY
    )
    try:
        await channel.publish(sent, asyncio.get_running_loop().time() + _WITHIN)
    except Returned:
        return True
    except Rejected:
        return False
    except Unconfirmed as exc:
        if channel.gone.done():
            raise
        raise Away(f"it takes no message within {_WITHIN:.0f} s, as with {ALARM}") from exc
    raise Away("what is for nobody was taken by some queue")
