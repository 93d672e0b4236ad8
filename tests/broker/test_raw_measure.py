"""The measure that the benchmarks compare with does what it says."""

from __future__ import annotations

from bus.broker.link import Link
from tests.bench.raw import SOURCE, raw_forward
from tests.broker.samples import message
from tests.fixtures.broker import Vhost


async def test_raw_forwarding_carries_every_message_and_cleans_up(vhost: Vhost) -> None:
    assert await raw_forward(vhost.url(), 250, 6000) > 0
    assert vhost.management.get("queues", vhost.name) == []
    vhost.declare(SOURCE)  # what an earlier run left behind is no part of the next
    async with Link(vhost.url(), name="test") as link:
        await link.publish(message(SOURCE))
    assert await raw_forward(vhost.url(), 10, 9000) > 0
