"""The page of the system: each part with its state in words, and when it was looked at; what is not known says so."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bus.console import system
from bus.console.wording import say
from bus.depot.client import DepotSeen
from bus.ledger.halt import set_halted
from bus.ledger.store import Ledger
from bus.operators import Role
from bus.thai import now
from bus.views.brokers import Cluster, Node
from tests.contract.console_rig import Console, console_over
from tests.contract.test_console_overview import NOWHERE, at_broker
from tests.contract.watched import STEWARD, watch
from tests.fixtures.broker import Vhost
from tests.unit.adapter.network import until


@pytest.fixture
def console(sqlite_template: Path, tmp_path: Path) -> Iterator[Console]:
    shutil.copy(sqlite_template, tmp_path / "ledger.db")
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        watch(ledger, tmp_path)
        with console_over(ledger, tmp_path, **NOWHERE, depot={"url": "http://127.0.0.1:9"}) as opened:
            opened.site.readings.look()
            yield opened


def states_of(value: Any) -> dict[str, dict[str, Any]]:
    return {state["says"]: state for part in value["parts"] for state in part["states"]}


def test_what_is_away_says_so_and_since_when(console: Console) -> None:
    with console.site.ledger.append() as writer:
        writer.set_watermark("router-1", "main", now())
    visitor = console.visited_by(Role.OPERATOR)
    console.site.readings.look()
    found = states_of(visitor.json("/system"))
    assert found["broker-away"]["level"] == found["depot-away"]["level"] == "bad"
    assert found["router-fresh"]["subject"] == "router-1 · main"
    assert {"database-file", "ledger-newest", "head-signed", "witnesses-none", "console-runs"} <= set(found)
    first = found["broker-away"]
    console.site.readings.look()
    again = states_of(visitor.json("/system"))["broker-away"]
    assert (again["since"], again["checkedAt"] > first["checkedAt"]) == (first["since"], True)
    assert again["nextAt"] > again["checkedAt"]
    thai, english = visitor.get("/system").text, visitor.get("/system?lang=en").text
    assert "ติดต่อคลังไฟล์ไม่ได้" in thai
    assert "The depot cannot be reached." in english
    assert "It could not be asked." in english
    assert NOWHERE["broker"]["monitor_password"] + "@" not in thai


def test_a_halted_ledger_is_the_worst(console: Console) -> None:
    set_halted(console.site.ledger.engine, True, operator=STEWARD, reason="ตัวอย่าง <i>")
    console.site.readings.look()
    visitor = console.visited_by(Role.OPERATOR)
    found = states_of(visitor.json("/system"))["ledger-halted"]
    assert (found["level"], found["values"]["reason"]) == ("bad", "ตัวอย่าง <i>")
    assert "ตัวอย่าง &lt;i&gt;" in visitor.get("/system").text


async def test_the_nodes_of_a_real_broker_are_told_of(
    vhost: Vhost, sqlite_template: Path, tmp_path: Path
) -> None:
    shutil.copy(sqlite_template, tmp_path / "ledger.db")
    vhost.apply(["0100100000"])
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        watch(ledger, tmp_path)
        with console_over(ledger, tmp_path, **at_broker(vhost)) as opened:

            def told() -> bool:
                # Of a node that was started a moment ago the management does not tell the disk yet.
                opened.site.readings.look()
                return "node-runs-free" in {one["says"] for one in opened.site.readings.system}

            await until(told)
            found = states_of(opened.visited_by(Role.OPERATOR).json("/system"))
            assert found["node-runs-free"]["level"] == "good"
            assert found["intake-unread"]["values"]["routers"] == 0
            assert [
                float(found[one]["values"]["seconds"]) < 5
                for one in ("clock-ahead", "clock-behind")
                if one in found
            ] == [True]
            wrong = {"broker": {**at_broker(vhost)["broker"], "monitor_password": "wrong"}}
        with console_over(ledger, tmp_path, **wrong) as refused:
            refused.site.readings.look()
            away = states_of(refused.visited_by(Role.OPERATOR).json("/system"))["broker-away"]
            assert "refused (401)" in away["values"]["reason"]


def test_alarms_and_weaknesses_of_a_cluster_have_words() -> None:
    cluster = Cluster(
        name="main",
        nodes=(
            Node("one", running=False, alarms=(), disk_free=None),
            Node("two", running=True, alarms=("mem_alarm",), disk_free=1),
            Node("three", running=True, alarms=(), disk_free=None),
        ),
        weak=("the cluster has two nodes",),
        ahead=-40.0,
    )
    found = [*system._cluster("main", cluster, {}), *system._clocks({"main": cluster}, 5.0)]
    assert [(one["says"], one["level"]) for one in found] == [
        ("node-down", "bad"), ("node-alarm", "bad"), ("node-runs", "good"), ("cluster-weak", "warn"),
        ("intake-unread", "bad"), ("clock-ahead", "warn"), ("clock-behind", "bad"),
    ]  # fmt: skip
    for one in found:
        assert say("th", f"says.{one['says']}", **one["values"])
        assert say("en", f"says.{one['says']}", **one["values"])


def test_room_in_the_depot_is_judged_and_what_it_does_not_tell_is_unknown() -> None:
    levels = {
        free: [one["level"] for one in system._depot(DepotSeen(True, (), free), "")][-1]
        for free in (None, 10, 5 * 1024**3, 50 * 1024**3)
    }
    assert list(levels.values()) == ["off", "bad", "warn", "good"]
    (not_ready, _) = system._depot(DepotSeen(False, ("database",), None), "")
    assert (not_ready["says"], not_ready["values"]) == ("depot-not-ready", {"reason": "database"})
