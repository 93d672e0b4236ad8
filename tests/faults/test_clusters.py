"""Two broker nodes as two clusters: when one is stopped only its agencies wait, and an agency moves to the other."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
from sqlalchemy import func, select

from bus.broker import topology
from bus.ledger.entry import Kind
from bus.ledger.tables import due, pending
from compose.node import Node
from tests.faults.evidence import depths
from tests.faults.promises import promises_hold
from tests.faults.scene import DGA, OPM, SOC, Scene, agencies
from tests.faults.test_deadlines import calendar
from tests.faults.waiting import eventually

EVERYONE = '[[group]]\nid = "all"\nname_th = "ทุกหน่วยงาน"\nname_en = "Everyone"\nmembers = ["*"]\n'
APART = agencies(clusters={DGA: "north"}) + EVERYONE


def test_p11_when_one_cluster_is_stopped_only_its_agencies_wait(
    stage: Callable[..., Scene], fragile_node: Node
) -> None:
    network = stage(clusters={"north": fragile_node}, directory=APART, calendar=calendar("PT8S")).start()
    circulars = network.send(OPM, "group:all", kind="external") + network.send(DGA, "group:all")
    answers = network.send(DGA, OPM, count=2) + network.send(SOC, DGA)
    promises_hold(network)
    assert {*circulars, *answers} <= network.received(OPM) | network.received(SOC) | network.received(DGA)
    assert circulars[1] in network.received(OPM) & network.received(SOC)
    assert circulars[0] in network.received(DGA) & network.received(SOC)

    fragile_node.stop()
    judged = len(_silent_in_the_north(network))
    late = network.send(OPM, DGA, SOC, count=30)
    near = network.send(SOC, OPM, count=5)
    eventually(lambda: network.accepted(OPM, late) and network.accepted(SOC, near), "accepted without it")
    eventually(lambda: {*late} <= network.received(SOC) and {*near} <= network.received(OPM), "delivered")
    eventually(lambda: _receipts(network) >= len(late) + len(near), "and receipted")
    _commands_name_the_cluster_that_is_away(network)
    _a_silence_on_the_other_cluster_is_judged(network)
    assert len(_silent_in_the_north(network)) == judged
    assert _due(network) >= len(late), "what concerns the stopped cluster is judged when it is back"
    assert not {*late} & network.received(DGA)
    eventually(lambda: _pending(network) == {DGA: len(late)}, "nothing waits for anybody else")

    waiting = network.send(DGA, OPM, SOC)
    network.adapter(SOC)
    fragile_node.start()
    promises_hold(network)
    assert {*late} <= network.received(DGA)
    assert {*waiting} <= network.received(OPM) & network.received(SOC)
    eventually(lambda: not _due(network), "every deadline is judged")


def _receipts(network: Scene) -> int:
    return sum(entry.body["event"] == "delivered" for entry in network.entries(Kind.NOTICE))


def _due(network: Scene) -> int:
    with network.bus.open_ledger().engine.connect() as ledger:
        return ledger.scalar(select(func.count()).where(due.c.deadline == "receipt")) or 0


def _pending(network: Scene) -> dict[str, int]:
    query = select(pending.c.agency, func.count()).group_by(pending.c.agency)
    with network.bus.open_ledger().engine.connect() as ledger:
        return {agency: count for agency, count in ledger.execute(query)}


def _a_silence_on_the_other_cluster_is_judged(network: Scene) -> None:
    network.process(SOC).stop()
    network.present.discard(SOC)
    (silent,) = network.send(OPM, SOC)
    eventually(lambda: network.accepted(OPM, [silent]), "accepted")
    accepted = network.entries(Kind.ACCEPTED)[-1]
    overdue = eventually(
        lambda: [one.body for one in network.entries(Kind.OVERDUE) if one.body["letter"] == accepted.seq],
        "the silence is recorded while the other cluster is away",
    )
    assert [one["silent"] for one in overdue] == [[SOC]]


def _silent_in_the_north(network: Scene) -> list[int]:
    """The judgements by which the agency on the other cluster was silent; a slow machine may have some before."""
    return [one.seq for one in network.entries(Kind.OVERDUE) if DGA in one.body["silent"]]


def _commands_name_the_cluster_that_is_away(network: Scene) -> None:
    ready = httpx.get(f"{network.process('router-1').health}/readyz", timeout=60)
    assert ready.status_code == 503
    assert "broker: cluster north: there is no connection" in ready.text
    metrics = httpx.get(f"{network.process('router-1').health}/metrics", timeout=60).text
    assert 'saraban_router_cluster_connected{cluster="north"} 0.0' in metrics
    assert 'saraban_router_cluster_connected{cluster="main"} 1.0' in metrics

    checked = network.bus.run_bus("topology", "check", "--json")
    assert checked.returncode == 75, checked.stderr
    found = json.loads(checked.stdout)["clusters"]
    assert found["main"] == {"drift": []}
    assert "does not answer" in found["north"]["away"]
    assert "not now: cluster north: " in checked.stderr
    applied = network.bus.run_bus("topology", "apply", "--cluster", "main")
    assert (applied.returncode, applied.stdout) == (0, "main: nothing to do\n")
    assert network.bus.run_bus("topology", "apply", "--cluster", "south").returncode == 2

    said = json.loads(network.bus.run_bus("agencies", "--json").stdout)
    assert said["broker"].startswith("cluster north: ")
    queues = {one["code"]: (one["cluster"], one["queue"] is not None) for one in said["agencies"]}
    assert queues == {OPM: ("main", True), SOC: ("main", True), DGA: ("north", False)}


def test_p13_what_lay_unread_where_an_agency_was_reaches_it_where_it_has_moved_to(
    stage: Callable[..., Scene], fragile_node: Node
) -> None:
    network = stage(clusters={"north": fragile_node}).start()
    network.calm()
    network.process(DGA).stop()
    network.present.discard(DGA)
    unread = network.send(OPM, DGA, SOC, count=3)
    network.calm()
    # Calm is who is present: what is for others may still be published to them.
    eventually(lambda: _unread(network) == (3, 0), "unread there, and nothing unheard")

    moved = agencies(2, clusters={DGA: "north"})
    (network.bus.folder / "agencies.toml").write_text(moved, encoding="utf-8")
    network.bus.apply_topology()
    network.bus.apply_directory(moved)
    (network.bus.folder / "agencies" / DGA / "adapter.toml").unlink()
    log = network.process("router-1").log
    eventually(lambda: '"versions-taken-up"' in log.read_text(encoding="utf-8"), "the router knows")
    (after,) = network.send(OPM, DGA)
    network.adapter(DGA)
    eventually(lambda: after in network.received(DGA), "the next letter comes on the new cluster")
    assert not {*unread} & network.received(DGA)
    assert network.bus.run_adapter(DGA, "reconcile").returncode == 0
    eventually(lambda: {*unread} <= network.received(DGA), "what lay unread comes again")
    network.send(DGA, OPM)
    promises_hold(network)


def _unread(network: Scene) -> tuple[int, int]:
    """What lies in the inbox of DGA, and in its intake."""
    there = depths(network.bus)
    return there[DGA], there[topology.intake_queue(DGA)]


def test_a_router_does_not_start_on_a_directory_that_names_a_cluster_which_its_settings_do_not_have(
    stage: Callable[..., Scene], fragile_node: Node
) -> None:
    network = stage(clusters={"north": fragile_node})
    network.bus.apply_directory(agencies(2, clusters={DGA: "south"}))
    router = network.router(wait=False)
    assert router.wait_gone(60) == 2, router.last_words()
    assert f"agency[{DGA}].cluster" in router.last_words()
    for command in ("check", "apply"):
        refused = network.bus.run_bus("directory", command)
        assert refused.returncode == 2
        assert "the settings have no broker cluster south" in refused.stderr


def test_p11_a_version_that_names_an_unknown_cluster_is_an_alarm_and_delays_nobody_else(
    stage: Callable[..., Scene], fragile_node: Node
) -> None:
    network = stage(clusters={"north": fragile_node}).start()
    network.calm()
    network.process(DGA).stop()
    network.present.discard(DGA)
    network.bus.apply_directory(agencies(2, clusters={DGA: "south"}))
    log = network.process("router-1").log
    eventually(lambda: '"cluster-unknown"' in log.read_text(encoding="utf-8"), "the alarm")
    keys = network.send(OPM, DGA, SOC, count=3)
    eventually(lambda: {*keys} <= network.received(SOC), "others get theirs")
    network.calm()
    assert _pending(network)[DGA] >= len(keys)
    network.bus.apply_directory(agencies(3))
    network.adapter(DGA)
    promises_hold(network)
    assert {*keys} <= network.received(DGA)
