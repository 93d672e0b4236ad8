"""One broker host, connected to for a moment as this program's user, to see how it is there."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from bus.broker.channel import Channel, Connection, parameters_of
from bus.broker.hosts import Hosts
from bus.broker.messages import Depth

_WITHIN = 10.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What a host says of itself, and how a queue is there."""

    product: str
    depth: Depth


async def look_at(
    hosts: Hosts, host: str, *, queue: str, name: str, tls: ssl.SSLContext | None, heartbeat: int = 30
) -> Seen:
    """Connect to this host and ask for a queue. Raises Away with the reason, the queue's too."""
    connection = Connection(parameters_of(hosts.url(host), name, heartbeat, tls, within=_WITHIN))
    try:
        await connection.wait_open()
        channel = await Channel.open(connection)
        depth = await channel.depth(queue)
        return Seen(connection.product, depth)
    finally:
        await connection.close(within=2.0)
