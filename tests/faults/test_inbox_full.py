"""A recipient's queue is full, because its adapter is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from bus.broker.link import Link
from bus.broker.management import Management
from bus.broker.messages import Nacked, Outgoing
from bus.broker.topology import DELIVER, inbox_queue
from bus.ledger.entry import Kind
from bus.ledger.tables import pending
from tests.faults.evidence import gather
from tests.faults.promises import promises_hold
from tests.faults.scene import DGA, OPM, SOC, Scene
from tests.faults.waiting import eventually

ROOM = 3


def test_p11_a_full_inbox_delays_nobody_else(stage: Callable[..., Scene]) -> None:
    network = stage(inbox_max_length=ROOM).start(OPM, SOC)
    keys = network.send(OPM, DGA, SOC, count=ROOM * 3)
    # A queue finds out that it is full after it has taken what came at once: then comes one more.
    eventually(lambda: {*keys} <= network.received(SOC), "the queue is full")
    keys += network.send(OPM, DGA, SOC)
    eventually(lambda: network.entries(Kind.CONSIGNMENT_FAILED), "the queue refused one")
    (failure, *_) = network.entries(Kind.CONSIGNMENT_FAILED)
    assert (failure.body["agency"], failure.body["reason"]) == (DGA, "Nacked")
    eventually(lambda: {*keys} <= network.received(SOC), "the others have it")
    evidence = promises_hold(network)
    assert {code for code, _ in evidence.pending} == {DGA}
    assert evidence.depths[DGA] >= ROOM

    network.adapter(DGA)
    promises_hold(network)
    assert {*keys} <= network.received(DGA)
    assert not gather(network).pending


@pytest.mark.parametrize("emptied_by", ["its adapter", "its operator"])
def test_delivery_goes_on_within_half_a_minute_after_the_inbox_has_room(
    stage: Callable[..., Scene], emptied_by: str
) -> None:
    network = stage(inbox_max_length=ROOM).start(OPM, SOC)
    network.send(OPM, DGA, count=ROOM * 20)
    log = network.process("router-1").log

    def refused() -> int:
        return log.read_text(encoding="utf-8").count('"consignment-not-confirmed"')

    # Refused again and again, also by channels that were opened while the queue was full.
    eventually(lambda: refused() >= 5, "the queue goes on refusing")
    before = _pending(network)
    assert before > ROOM
    if emptied_by == "its adapter":
        network.adapter(DGA)
        began = monotonic()  # from when it fetches on, and not from when its program begins
        eventually(lambda: not _pending(network), "everything is delivered")
    else:
        began = monotonic()
        with Management(network.bus.broker.management_url) as management:
            management.delete("queues", network.bus.vhost, inbox_queue(DGA), "contents")
        eventually(lambda: _pending(network) < before, "something is delivered")
    assert monotonic() - began < 30


async def test_a_renewed_lane_is_a_new_channel_and_the_old_ones_answers_still_come(
    stage: Callable[..., Scene],
) -> None:
    network = stage(inbox_max_length=ROOM)
    bus = network.bus
    async with Link(bus.amqp_url("bus.router"), name="test") as link:
        one = message(DGA)
        old = asyncio.create_task(link.publish(one, lane="inbox"))
        await asyncio.sleep(0)
        for _ in range(3):
            link.renew("inbox")
            await link.publish(message(SOC), lane="inbox")
        await old
        with suppress(Nacked):
            for _ in range(ROOM * 50):
                await link.publish(message(DGA), lane="inbox")
            raise AssertionError("the queue never refused")
        with Management(bus.broker.management_url) as management:
            management.delete("queues", bus.vhost, inbox_queue(DGA), "contents")
        link.renew("inbox")
        async with asyncio.timeout(60):
            while True:
                with suppress(Nacked):
                    await link.publish(message(DGA), lane="inbox")
                    break
                link.renew("inbox")


def _pending(network: Scene) -> int:
    """How many consignments the broker has not taken."""
    with network.bus.open_ledger().engine.connect() as ledger:
        return ledger.scalar(select(func.count()).select_from(pending)) or 0


def message(code: str) -> Outgoing:
    return Outgoing(exchange=DELIVER, routing_key=code, body=b"x", message_id=str(uuid4()), type="letter")
