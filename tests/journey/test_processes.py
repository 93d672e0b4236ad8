"""The programs of the bus as processes: against a broker that runs already, and stopped in order."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import httpx
import pytest

from bus.broker.management import Management
from bus.errors import Misconfigured
from compose.borrowed import ExistingBroker
from compose.local import LocalBus
from compose.node import Node
from tests.assets import factory
from tests.journey.conftest import running_bus, start


def test_a_setting_names_a_broker_that_runs_already(
    broker_node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SARABAN_BROKER_MANAGEMENT", broker_node.management_url)
    monkeypatch.setenv("SARABAN_BROKER_AMQP", broker_node.amqp_url)
    before = _vhosts_and_users(broker_node)
    with LocalBus(tmp_path) as bus:
        assert isinstance(bus.broker, ExistingBroker)
        assert bus.vhost == "saraban-demo"
        checked = bus.run_bus("topology", "check", "--json")
        assert json.loads(checked.stdout) == {"drift": []}, checked.stderr
        assert checked.returncode == 0
        start(bus)

        with pytest.raises(Misconfigured, match="users of a bus"), LocalBus(tmp_path / "second"):
            pass
        assert bus.run_bus("topology", "check").returncode == 0
        bus.stop()
    assert _vhosts_and_users(broker_node) == before
    with Management(broker_node.management_url) as management:
        management.put("vhosts", "saraban-demo")
        with pytest.raises(Misconfigured, match="a vhost saraban-demo"), LocalBus(tmp_path / "third"):
            pass
        management.delete("vhosts", "saraban-demo")


def _vhosts_and_users(node: Node) -> tuple[set[str], set[str]]:
    with Management(node.management_url) as management:
        vhosts, users = ({str(each["name"]) for each in management.get(what)} for what in ("vhosts", "users"))
    return vhosts, users


def test_the_topology_is_applied_once_and_its_drift_told_in_words(broker_node: Node, tmp_path: Path) -> None:
    with running_bus(broker_node, tmp_path) as bus:
        assert json.loads(bus.run_bus("topology", "apply", "--json").stdout) == {"done": []}
        some = bus.run_bus("topology", "apply", "--agency", "0100500000", "--json")
        assert json.loads(some.stdout) == {"done": []}
        stranger = bus.run_bus("topology", "apply", "--agency", "9999900000")
        assert stranger.returncode == 2
        assert "the directory has no inbox for 9999900000" in stranger.stderr
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
            assert httpx.get(f"{process.health}/healthz", timeout=60).status_code == 200
            assert process.stop(60) == 0, process.last_words()


def test_a_router_without_a_ledger_says_what_to_do(broker_node: Node, tmp_path: Path) -> None:
    with running_bus(broker_node, tmp_path) as bus:
        bus.open_ledger().close()
        (tmp_path / "ledger.db").unlink()
        router = bus.start_router(wait=False)
        assert router.wait_gone() == 2
        assert "saraban-bus ledger init" in router.last_words()


def test_an_adapter_in_trouble_says_what_since_when_and_what_to_do_and_stops_all_the_same(
    broker_node: Node, tmp_path: Path
) -> None:
    with running_bus(broker_node, tmp_path) as bus:
        outbox = bus.exchange_folder(factory.OPM) / "outbox"
        outbox.mkdir(parents=True)
        os.mkfifo(outbox / "a.letter.toml")
        adapter = bus.start_adapter(factory.OPM, wait=False, broker__password="wrong")
        reason = outbox.parent / "failed" / "a.letter.toml.reason.txt"
        deadline = time.monotonic() + 120
        told: dict[str, dict[str, str]] = {}
        while not (reason.exists() and {"broker.refuses", "depot.away"} <= set(told)):
            assert time.monotonic() < deadline, told
            status = bus.run_adapter(factory.OPM, "status", "--json")
            if status.returncode:
                assert "mailbox" in status.stderr, status.stderr  # which the adapter has not made yet
            else:
                told = {each["code"]: each for each in json.loads(status.stdout)["conditions"]}
        assert told["broker.refuses"]["since"]
        assert "password_file" in told["broker.refuses"]["advice_en"]
        ready = httpx.get(f"{adapter.health}/readyz", timeout=60)
        assert ready.status_code == 503
        assert "broker.refuses: ระบบกลาง" in ready.text
        os.mkfifo(outbox / "b.letter.toml")
        assert adapter.stop(60) == 0, adapter.last_words()
