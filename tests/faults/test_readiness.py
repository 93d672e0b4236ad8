"""`/readyz` says why a process cannot work, also while it is idle; the log says it once, a metric all along."""

from __future__ import annotations

import json
import re
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial
from typing import Any

from compose.cluster import PostgresCluster
from compose.node import Node
from compose.process import Process
from tests.faults.scene import OPM, SOC, Scene
from tests.faults.waiting import eventually


def readyz(process: Process) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"{process.health}/readyz", timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def ready(process: Process) -> bool:
    return readyz(process)[0] == 200


def says(process: Process, cause: str) -> bool:
    status, text = readyz(process)
    return status == 503 and f"{cause}: " in text


def metric(process: Process, name: str) -> float:
    with urllib.request.urlopen(f"{process.health}/metrics", timeout=60) as answer:
        found = re.search(rf"^{re.escape(name)} (\S+)$", answer.read().decode(), re.MULTILINE)
    assert found, name
    return float(found[1])


def lines_of(process: Process) -> list[dict[str, Any]]:
    """What a process has logged, but for a line that is just being written."""
    *lines, _ = process.log.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines if line.startswith("{")]


def logged(process: Process, event: str, cause: str) -> int:
    return sum(one.get("event") == event and one.get("cause") == cause for one in lines_of(process))


def told(process: Process, cause: str) -> tuple[int, int]:
    """How often the log has said that a cause began, and that it ended: a loaded machine may be a cause of its own."""
    return logged(process, "not-ready", cause), logged(process, "ready-again", cause)


def told_once_more(process: Process, cause: str, before: tuple[int, int]) -> None:
    """Wait until the log says that the cause has ended; it has said both once since then."""
    eventually(lambda: told(process, cause)[1] > before[1], "logged")
    assert told(process, cause) == (before[0] + 1, before[1] + 1)


def test_a_router_says_so_of_a_broker_that_blocks_publishers_of_a_ledger_that_is_halted_and_of_one_that_is_locked(
    stage: Callable[..., Scene], fragile_node: Node
) -> None:
    network = stage(node=fragile_node).start(OPM)
    network.calm()
    router = network.process("router-1")
    assert readyz(router) == (200, "ready\n")
    ledger = network.bus.folder / "ledger.db"
    lock = sqlite3.connect(ledger, isolation_level=None)

    def halt(verb: str) -> None:
        assert network.bus.run_by_two("ledger", verb, "--reason", "a test").returncode == 0

    faults: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "broker-blocked": (
            lambda: fragile_node.set_memory_alarm(True),
            lambda: fragile_node.set_memory_alarm(False),
        ),
        "ledger-halted": (lambda: halt("halt"), lambda: halt("resume")),
        "database": (lambda: lock.execute("BEGIN IMMEDIATE"), lambda: lock.execute("ROLLBACK")),
    }
    for cause, (begin, end) in faults.items():
        name = f'saraban_router_not_ready{{cause="{cause}"}}'
        assert metric(router, name) == 0
        before = told(router, cause)
        begin()
        eventually(partial(says, router, cause), f"not ready: {cause}")
        assert metric(router, name) == 1
        # It stays so while nothing changes, and is not said again.
        eventually(lambda: told(router, cause)[0] > before[0], "logged")  # noqa: B023
        end()
        eventually(partial(ready, router), f"ready after {cause}")
        assert metric(router, name) == 0
        told_once_more(router, cause, before)
    lock.close()


def test_depot_and_router_say_so_of_a_database_that_was_killed(
    stage: Callable[..., Scene], postgres_server: PostgresCluster, postgres_url: str
) -> None:
    network = stage(ledger_url=postgres_url).start(OPM)
    network.calm()
    router, depot = network.process("router-1"), network.process("serve")
    before = {cause: told(process, cause) for process, cause in ((router, "database"), (depot, "ledger"))}
    postgres_server.kill()
    eventually(partial(says, router, "database"), "the router says it")
    eventually(lambda: "ledger: " in readyz(depot)[1], "the depot says it")
    assert metric(depot, 'saraban_depot_not_ready{cause="ledger"}') == 1
    postgres_server.start()
    for process, cause in ((router, "database"), (depot, "ledger")):
        eventually(partial(ready, process), "ready again")
        told_once_more(process, cause, before[cause])


def test_an_adapter_says_so_of_a_broker_that_is_gone_and_of_one_that_blocks_it(
    stage: Callable[..., Scene], fragile_node: Node
) -> None:
    network = stage(node=fragile_node).start(OPM)
    network.calm()
    adapter = network.process(OPM)
    before = {cause: told(adapter, cause) for cause in ("broker", "broker-blocked")}
    fragile_node.set_memory_alarm(True)
    network.send(OPM, SOC, count=1)
    eventually(partial(says, adapter, "broker-blocked"), "blocked")
    eventually(lambda: metric(adapter, "saraban_adapter_send_lag_seconds") > 1, "what waits grows older")
    fragile_node.set_memory_alarm(False)
    eventually(partial(ready, adapter), "ready")
    fragile_node.stop()
    eventually(partial(says, adapter, "broker"), "gone")
    fragile_node.start()
    eventually(partial(ready, adapter), "ready")
    for cause in before:
        told_once_more(adapter, cause, before[cause])
