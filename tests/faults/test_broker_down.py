"""The broker is killed under load, loses its data, runs out of memory, or has a queue that does not answer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import select

from adapters.mailbox import tables as mail
from bus.broker.management import Management
from bus.broker.topology import inbox_queue
from compose.node import Node
from tests.faults.evidence import gather
from tests.faults.promises import promises_hold
from tests.faults.scene import DGA, OPM, SOC, Scene
from tests.faults.waiting import eventually

Stage = Callable[..., Scene]


def _sent(network: Scene, code: str, keys: list[str]) -> bool:
    """Whether the broker has confirmed these letters and nobody has answered them."""
    states = network.states(code)
    return all(states.get(key) == "sent" for key in keys)


def test_p1_no_letter_is_lost_when_the_broker_is_killed_under_load(stage: Stage, fragile_node: Node) -> None:
    network = stage(node=fragile_node).start()
    keys = network.send(OPM, SOC, DGA, count=20) + network.send(SOC, OPM, count=20)
    eventually(
        lambda: network.accepted(OPM, keys[:1]) or network.accepted(SOC, keys[20:21]),
        "the first are accepted",
    )
    # However quick the bus was meanwhile, all is not over before the fault.
    keys += network.send(OPM, SOC, DGA, count=5) + network.send(SOC, OPM, count=5)
    fragile_node.kill()
    assert not fragile_node.running
    keys += network.send(DGA, OPM, SOC, count=3)
    fragile_node.start()
    promises_hold(network)
    assert {*keys} <= network.received(OPM) | network.received(SOC)


def test_p3_after_the_broker_has_lost_everything_letters_come_again_from_their_senders(
    stage: Stage, fragile_node: Node
) -> None:
    network = stage(node=fragile_node).start()
    network.calm()
    network.process("router-1").stop()
    keys = network.send(OPM, SOC, DGA, count=3)
    eventually(lambda: _sent(network, OPM, keys), "confirmed by the broker, taken by nobody")
    fragile_node.wipe()
    fragile_node.start()
    with Management(fragile_node.management_url) as management:
        assert network.bus.vhost not in {each["name"] for each in management.get("vhosts")}
    network.bus.apply_topology()
    network.router()
    promises_hold(network)
    assert {*keys} <= network.received(SOC) & network.received(DGA)


def test_p13_an_agency_sees_the_gap_that_a_broker_without_its_data_leaves_and_has_it_filled(
    stage: Stage, fragile_node: Node
) -> None:
    network = stage(node=fragile_node).start()
    network.calm()
    network.process(DGA).stop()
    network.present.discard(DGA)
    lost = network.send(OPM, DGA, SOC, count=2)
    network.calm()
    # Calm is who is present: what is for others may still be published to them.
    eventually(lambda: gather(network).depths[DGA] == 2, "the letters are in its queue")
    fragile_node.wipe()
    fragile_node.start()
    network.bus.apply_topology()
    (after,) = network.send(OPM, DGA, SOC)
    network.adapter(DGA)
    eventually(lambda: after in network.received(DGA), "the next letter arrives")
    status = network.bus.run_adapter(DGA, "status", "--json")
    assert status.returncode == 0, status.stderr
    assert json.loads(status.stdout)["missing_consignments"] == [{"first": 2, "last": 3}]
    assert not {*lost} & network.received(DGA)
    asked = network.bus.run_adapter(DGA, "reconcile", "--json")
    assert json.loads(asked.stdout)["missing"] == [[2, 3]]
    eventually(lambda: {*lost} <= network.received(DGA), "what was missing has come")
    evidence = promises_hold(network)
    assert len(evidence.letters) == len(lost) + 1
    verified = network.bus.run_bus("ledger", "verify", "--json")
    assert json.loads(verified.stdout)["verdict"] == "pass", verified.stdout


def _delivered(network: Scene) -> int:
    """How many letters are complete in the mailbox of DGA."""
    return len(network.rows(DGA, select(mail.inbox.c.id).where(mail.inbox.c.state == "delivered")))


def test_p13_a_mailbox_brought_back_from_an_older_backup_gets_what_came_since(
    stage: Stage, fragile_node: Node, tmp_path: Path
) -> None:
    network = stage(node=fragile_node).start()
    before = network.send(OPM, DGA)
    network.calm()
    network.process(DGA).stop()
    shutil.copytree(network.bus.mailbox(DGA), tmp_path / "backup")
    network.adapter(DGA)
    since = network.send(OPM, DGA, SOC, count=3)
    network.calm()
    assert {*before, *since} <= network.received(DGA)
    network.process(DGA).stop()
    network.bring_back(DGA, tmp_path / "backup")
    assert _delivered(network) == len(before), "the backup is older"
    network.adapter(DGA)
    assert network.bus.run_adapter(DGA, "reconcile").returncode == 0
    eventually(
        lambda: _delivered(network) == len(before + since), "what came since the backup is there again"
    )
    promises_hold(network)


def test_p10_what_a_blocked_broker_did_not_take_is_sent_when_it_does(
    stage: Stage, fragile_node: Node
) -> None:
    network = stage(node=fragile_node).start()
    network.calm()
    fragile_node.set_memory_alarm(True)
    with Management(fragile_node.management_url) as management:
        eventually(
            lambda: management.get("nodes")[0]["mem_alarm"], "the broker says that it is short of memory"
        )
        keys = network.send(OPM, SOC, DGA, count=3)
        connections = ("vhosts", network.bus.vhost, "connections")
        eventually(
            lambda: "blocked" in {each.get("state") for each in management.get(*connections)}, "blocked"
        )
    eventually(lambda: network.states(OPM).keys() >= {*keys}, "the letters are in the mailbox")
    assert not network.accepted(OPM, keys[:1])
    fragile_node.set_memory_alarm(False)
    promises_hold(network)
    assert {*keys} <= network.received(SOC) & network.received(DGA)


def test_p11_an_inbox_that_does_not_answer_delays_nobody_else(stage: Stage, fragile_node: Node) -> None:
    network = stage(node=fragile_node).start()
    network.calm()
    queue, given_up = inbox_queue(DGA), _given_up(network)
    fragile_node.suspend_queue(network.bus.vhost, queue)
    try:
        keys = network.send(OPM, DGA, SOC, count=5)
        eventually(lambda: {*keys} <= network.received(SOC), "the others have it")
        keys += network.send(SOC, OPM, DGA, count=5)
        eventually(lambda: {*keys[5:]} <= network.received(OPM), "and go on")
        assert _given_up(network) == given_up, "that is before the publish to the silent queue is given up"
        assert not {*keys} & network.received(DGA)
    finally:
        fragile_node.resume_queue(network.bus.vhost, queue)
    promises_hold(network)
    assert {*keys} <= network.received(DGA)


def _given_up(network: Scene) -> int:
    """How many publishes the router has given up."""
    return network.process("router-1").log.read_text(encoding="utf-8").count('"consignment-not-confirmed"')
