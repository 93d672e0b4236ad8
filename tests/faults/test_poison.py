"""A letter that no router can look at without a fault, in the midst of many that nothing is wrong with."""

from __future__ import annotations

import json
from collections.abc import Callable
from time import sleep

from sqlalchemy import select

from adapters.mailbox import tables as mail
from bus.ledger.entry import Kind
from tests.faults.promises import promises_hold
from tests.faults.scene import OPM, SOC, Scene
from tests.faults.test_readiness import metric
from tests.faults.waiting import eventually

NEIGHBOURS = 300
PARKED = "saraban_router_parked_submissions"


def test_p11_a_letter_that_kills_routers_is_parked_alone_and_its_neighbours_pass(
    stage: Callable[..., Scene],
) -> None:
    network = stage()
    neighbours, key, poison = _in_the_intake(network, NEIGHBOURS)
    deaths = 0
    fatal = f"router.before-gates:{poison}=kill@*"
    router = network.router(failpoints=fatal, wait=False)
    while not _parked(network):
        if not router.running:
            deaths += 1
            assert deaths < 15
            router.stop()
            router.start(wait=False)
        sleep(0.02)
    assert deaths == len(network.bus.failpoints_reached("router-1")) >= 2
    assert _faults(network) == {"delivery-limit": 1}

    eventually(lambda: network.accepted(OPM, neighbours), "the neighbours are accepted")
    assert _parked(network) == [(OPM, poison)]
    eventually(lambda: network.states(OPM)[key] == "parked", "its sender is told")
    evidence = promises_hold(network, parked={poison})
    assert len(evidence.letters) == NEIGHBOURS

    network.router()
    _replay(network)
    eventually(lambda: network.accepted(OPM, [key]), "the letter passes")
    promises_hold(network)
    assert key in network.received(SOC)
    assert _parked(network) == []
    eventually(lambda: metric(network.process("router-1"), PARKED) == 0, "the metric says so")


def test_p11_a_bug_outside_of_the_gates_parks_the_letter_that_meets_it_and_no_other(
    stage: Callable[..., Scene],
) -> None:
    network = stage()
    neighbours, key, poison = _in_the_intake(network, 60)
    router = network.router(failpoints=f"router.before-gates:{poison}=raise@*")
    eventually(lambda: network.accepted(OPM, neighbours), "the neighbours are accepted")
    eventually(lambda: network.states(OPM)[key] == "parked", "its sender is told")
    assert router.running
    assert _parked(network) == [(OPM, poison)]
    assert _faults(network) == {"FailpointReached": 1}
    promises_hold(network, parked={poison})
    eventually(lambda: metric(router, PARKED) == 1, "the metric says so")
    assert metric(router, "saraban_router_parked_total") == 1
    assert metric(router, 'saraban_router_submissions_total{outcome="parked"}') == 1


def test_p11_a_letter_that_kills_inspectors_is_parked_alone_and_the_router_lives(
    stage: Callable[..., Scene],
) -> None:
    network = stage()
    neighbours, key, poison = _in_the_intake(network, 60)
    router = network.router(failpoints=f"inspector.before-inspection:{poison}=kill@*", workers=2)
    eventually(lambda: network.accepted(OPM, neighbours), "the neighbours are accepted")
    eventually(lambda: network.states(OPM)[key] == "parked", "its sender is told")
    assert router.running
    assert len(network.bus.failpoints_reached("router-1")) >= 2
    assert _parked(network) == [(OPM, poison)]
    assert _faults(network) == {"InspectorDied": 1}
    promises_hold(network, parked={poison})


def _in_the_intake(network: Scene, count: int) -> tuple[list[str], str, str]:
    """Leave so many letters in the intake, and one in their midst; give their keys, its key, and its SHA-256."""
    network.bus.start_depot()
    network.adapter(SOC, resend_after=120.0)
    # Nothing is answered while there is no router: everything is to be in the intake once, before the first one comes.
    network.router("first")
    network.adapter(OPM, resend_after=120.0)
    network.calm()
    network.process("first").stop()
    neighbours = network.send(OPM, SOC, count=count // 2)
    (key,) = network.send(OPM, SOC)
    neighbours += network.send(OPM, SOC, count=count // 2)
    eventually(lambda: _confirmed(network) == count + 1, "all letters are in the intake", within=180)
    _, poison = network.raw(OPM, key)
    return neighbours, key, poison


def _confirmed(network: Scene) -> int:
    query = select(mail.outbox.c.id).where(mail.outbox.c.type == "letter", mail.outbox.c.state == "sent")
    return len(network.rows(OPM, query))


def _parked(network: Scene) -> list[tuple[str, str]]:
    with network.bus.open_ledger().read() as reader:
        return [(entry.body["agency"], entry.body["rawSha256"]) for entry in reader.parked.waiting()]


def _faults(network: Scene) -> dict[str, int]:
    with network.bus.open_ledger().read() as reader:
        return reader.parked.by_fault()


def _replay(network: Scene) -> None:
    listed = json.loads(network.bus.run_bus("parked", "list", "--json").stdout)["parked"]
    done = network.bus.run_bus("parked", "replay", str(listed[0]["seq"]), "--reason", "ทดสอบ: แก้ไขโปรแกรมแล้ว")
    assert done.returncode == 0, done.stderr
    (request,) = network.entries(Kind.REPLAY_REQUESTED)
    assert request.body["reason"] == "ทดสอบ: แก้ไขโปรแกรมแล้ว"
