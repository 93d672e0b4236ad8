"""The programs of the bus as processes: against a broker that runs already, and stopped in order."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from compose.local import ExistingBroker, LocalBus
from compose.node import Node
from tests.assets import factory
from tests.journey.conftest import running_bus, start


def test_a_setting_names_a_broker_that_runs_already(
    broker_node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SARABAN_BROKER_MANAGEMENT", broker_node.management_url)
    monkeypatch.setenv("SARABAN_BROKER_AMQP", broker_node.amqp_url)
    with LocalBus(tmp_path, vhost="journey-existing") as bus:
        assert isinstance(bus.broker, ExistingBroker)
        checked = bus.run_bus("topology", "check", "--json")
        assert json.loads(checked.stdout) == {"drift": []}, checked.stderr
        assert checked.returncode == 0
        start(bus)


def test_the_topology_is_applied_once_and_its_drift_told_in_words(broker_node: Node, tmp_path: Path) -> None:
    with running_bus(broker_node, tmp_path) as bus:
        assert json.loads(bus.run_bus("topology", "apply", "--json").stdout) == {"done": []}
        broker_node.ctl("delete_queue", "-p", bus.vhost, f"inbox.{factory.OCS}")
        checked = bus.run_bus("topology", "check")
        assert checked.returncode == 1
        assert f"inbox.{factory.OCS}" in checked.stdout
        assert bus.run_bus("topology", "apply").returncode == 0
        assert bus.run_bus("topology", "check").returncode == 0


def test_router_depot_and_adapter_stop_in_order_on_sigterm(broker_node: Node, tmp_path: Path) -> None:
    with running_bus(broker_node, tmp_path) as bus:
        start(bus)
        adapter = bus.start_adapter(factory.OPM)
        for process in (adapter, bus.processes["router-1"], bus.processes["serve"]):
            assert httpx.get(f"{process.health}/healthz").status_code == 200
            assert process.stop() == 0, process.last_words()


def test_a_router_without_a_ledger_says_what_to_do(broker_node: Node, tmp_path: Path) -> None:
    with running_bus(broker_node, tmp_path) as bus:
        bus.open_ledger().close()
        (tmp_path / "ledger.db").unlink()
        router = bus.start_router(wait=False)
        assert router.wait_gone() == 2
        assert "saraban-bus ledger init" in router.last_words()
