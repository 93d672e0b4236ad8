"""One bus, letters that have come their whole way, and one Prometheus that watches it, for the tests of one file."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from bus.documents.notice import Event
from bus.ledger.entry import Kind
from compose.node import Node
from compose.process import Process
from tests.faults.scene import DGA, OPM, SOC, Scene, scene
from tests.faults.waiting import eventually
from tests.watching.prometheus import Prometheus, watching

LETTERS = 3


@dataclass(frozen=True)
class Watched:
    """A running bus, its processes by what they are, and who watches it."""

    network: Scene
    processes: dict[str, Process]
    prometheus: Prometheus

    def families(self, name: str) -> dict[str, Metric]:
        """The metrics of one of the processes, as it shows them now."""
        return families(self.processes[name])


def families(process: Process) -> dict[str, Metric]:
    """What a process shows, by the names of its metrics."""
    with urllib.request.urlopen(f"{process.health}/metrics", timeout=10) as answer:
        found = {one.name: one for one in text_string_to_metric_families(answer.read().decode())}
    # The text format names a counter with its `_total`; its parser takes that away.
    return {name + ("_total" if one.type == "counter" else ""): one for name, one in found.items()}


@pytest.fixture(scope="module")
def watched(broker_node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with ExitStack() as stack:
        settings = {"metrics_by_agency": True}
        # A witness that looks at once, so that somebody has cosigned.
        options = {"router": settings, "witness_poll": 1.0, "inbox_max_length": 1000}
        folder = tmp_path_factory.mktemp("watched")
        network = stage(broker_node, folder / "bus", stack, options)
        names = {"router": "router-1", "depot": "serve", "adapter": OPM}
        processes = {name: network.process(of) for name, of in names.items()}
        jobs = {f"saraban-{name}": [_address(one)] for name, one in processes.items()}
        prometheus = stack.enter_context(watching(folder / "prometheus", jobs))
        live(network)
        yield Watched(network, processes, prometheus)


def stage(node: Node, folder: Path, stack: ExitStack, options: dict[str, Any]) -> Scene:
    """Start the bus with all its agencies."""
    return stack.enter_context(scene(node, folder, **options)).start()


def live(network: Scene) -> None:
    """Let letters come to two agencies, and the clerks of one of them register the first."""
    keys = network.send(OPM, SOC, DGA, count=LETTERS, acknowledgement="registration")
    network.calm()
    assert network.accepted(OPM, keys)
    letter = next(iter(network.offices[SOC].letters()))
    network.offices[SOC].act("register", "read", letter_id=letter["letter_id"], number="รับ 1/2569")
    eventually(lambda: _registered(network), "the registration is in the ledger")
    network.calm()


def _registered(network: Scene) -> bool:
    return any(one.body["event"] == Event.REGISTERED for one in network.entries(Kind.NOTICE))


def _address(process: Process) -> str:
    assert process.health
    return process.health.removeprefix("http://")
