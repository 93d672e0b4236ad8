"""Two routers on one PostgreSQL ledger have the same submission in hand, and one of them dies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from bus.broker.link import Link
from bus.broker.topology import ROUTER, intake_queue
from bus.ledger.entry import Kind
from tests.faults.promises import promises_hold
from tests.faults.scene import DGA, OPM, SOC, Scene
from tests.faults.waiting import eventually
from tests.faults.wire import submit, with_another_subject


def _sealed_but_not_sent(network: Scene) -> tuple[str, bytes]:
    """A letter whose signed bytes lie in its sender's mailbox, and whose sender died before it published them."""
    adapter = network.adapter(OPM, failpoints="adapter.before-publish=kill")
    (key,) = network.send(OPM, SOC, DGA)
    network.dies(adapter, "adapter.before-publish")
    network.process("router-1").stop()
    return key, network.raw(OPM, key)[0]


async def _consumers(network: Scene) -> int:
    """How many routers take what OPM submits; a router is ready before it has come to every queue."""
    async with Link(network.bus.amqp_url(ROUTER), name="auditor") as link:
        await asyncio.wait_for(link.wait_connected(), 30)
        return (await link.depth(intake_queue(OPM))).consumers


@pytest.mark.parametrize("step", ["router.before-commit:submissions", "router.after-commit:submissions"])
def test_p9_the_same_submission_at_two_routers_is_one_letter_when_one_dies(
    stage: Callable[..., Scene], postgres_url: str, step: str
) -> None:
    network = stage(ledger_url=postgres_url).start()
    key, raw = _sealed_but_not_sent(network)
    dying = network.router("router-1", failpoints=f"{step}=kill")
    other = network.router("router-2")
    eventually(lambda: asyncio.run(_consumers(network)) == 2, "both take from the sender's intake")
    # A fresh router takes one message until it has seen one that is no redelivery: of two, each gets one.
    submit(network.bus, OPM, raw, raw)
    network.dies(dying, step.partition(":")[0])
    assert other.running
    eventually(lambda: network.entries(Kind.ACCEPTED), "accepted")
    network.router("router-1")
    network.adapter(OPM)
    evidence = promises_hold(network)
    assert len(evidence.letters) == 1
    assert key in network.received(SOC) & network.received(DGA)


def test_p9_of_two_contents_under_one_id_one_is_accepted_and_one_recorded(
    stage: Callable[..., Scene], postgres_url: str
) -> None:
    network = stage(ledger_url=postgres_url).start()
    key, raw = _sealed_but_not_sent(network)
    network.router("router-1")
    network.router("router-2")
    submit(network.bus, OPM, raw)
    eventually(lambda: network.entries(Kind.ACCEPTED), "accepted")
    submit(network.bus, OPM, *[with_another_subject(network.bus, OPM, raw)] * 2)
    network.adapter(OPM)
    evidence = promises_hold(network)
    assert [body["code"] for body in evidence.of(Kind.CONFLICT)] == ["id.conflict"]
    assert len(evidence.letters) == 1
    assert key in network.received(SOC) & network.received(DGA)
