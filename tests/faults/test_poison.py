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
    town = stage()
    neighbours, key, poison = _in_the_intake(town, NEIGHBOURS)
    deaths = 0
    fatal = f"router.before-gates:{poison}=kill@*"
    router = town.router(failpoints=fatal, wait=False)
    while not _parked(town):
        if not router.running:
            deaths += 1
            assert deaths < 15
            router.stop()
            router.start(wait=False)
        sleep(0.02)
    assert deaths == len(town.bus.failpoints_reached("router-1")) >= 2

    eventually(lambda: town.accepted(OPM, neighbours), "the neighbours are accepted")
    assert _parked(town) == [(OPM, poison)]
    eventually(lambda: town.states(OPM)[key] == "parked", "its sender is told")
    evidence = promises_hold(town, parked={poison})
    assert len(evidence.letters) == NEIGHBOURS

    town.router()
    _replay(town)
    eventually(lambda: town.accepted(OPM, [key]), "the letter passes")
    promises_hold(town)
    assert key in town.received(SOC)
    assert _parked(town) == []
    eventually(lambda: metric(town.process("router-1"), PARKED) == 0, "the metric says so")


def test_p11_a_bug_outside_of_the_gates_parks_the_letter_that_meets_it_and_no_other(
    stage: Callable[..., Scene],
) -> None:
    town = stage()
    neighbours, key, poison = _in_the_intake(town, 60)
    router = town.router(failpoints=f"router.before-gates:{poison}=raise@*")
    eventually(lambda: town.accepted(OPM, neighbours), "the neighbours are accepted")
    eventually(lambda: town.states(OPM)[key] == "parked", "its sender is told")
    assert router.running
    assert _parked(town) == [(OPM, poison)]
    promises_hold(town, parked={poison})
    eventually(lambda: metric(router, PARKED) == 1, "the metric says so")
    assert metric(router, "saraban_router_parked_total") == 1
    assert metric(router, 'saraban_router_submissions_total{outcome="parked"}') == 1


def _in_the_intake(town: Scene, count: int) -> tuple[list[str], str, str]:
    """Leave so many letters in the intake, and one in their midst; give their keys, its key, and its SHA-256."""
    town.bus.start_depot()
    town.adapter(SOC, resend_after=120.0)
    # Nothing is answered while there is no router: everything is to be in the intake once, before the first one comes.
    town.router("first")
    town.adapter(OPM, resend_after=120.0)
    town.calm()
    town.process("first").stop()
    neighbours = town.send(OPM, SOC, count=count // 2)
    (key,) = town.send(OPM, SOC)
    neighbours += town.send(OPM, SOC, count=count // 2)
    eventually(lambda: _confirmed(town) == count + 1, "all letters are in the intake")
    _, poison = town.raw(OPM, key)
    return neighbours, key, poison


def _confirmed(town: Scene) -> int:
    query = select(mail.outbox.c.id).where(mail.outbox.c.type == "letter", mail.outbox.c.state == "sent")
    return len(town.rows(OPM, query))


def _parked(town: Scene) -> list[tuple[str, str]]:
    with town.bus.open_ledger().read() as reader:
        return [(entry.body["agency"], entry.body["submission"]) for entry in reader.parked.waiting()]


def _replay(town: Scene) -> None:
    listed = json.loads(town.bus.run_bus("parked", "list", "--json").stdout)["parked"]
    done = town.bus.run_bus("parked", "replay", str(listed[0]["seq"]), "--reason", "ทดสอบ: แก้ไขโปรแกรมแล้ว")
    assert done.returncode == 0, done.stderr
    (request,) = town.entries(Kind.REPLAY_REQUESTED)
    assert request.body["reason"] == "ทดสอบ: แก้ไขโปรแกรมแล้ว"
