"""What the processes tell Prometheus: named, typed and explained as Prometheus' conventions ask, and as the docs say.

https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Callable, Iterator

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from compose.process import Process
from tests.faults.scene import DGA, OPM, SOC, Scene
from tests.faults.test_readiness import metric
from tests.project import ROOT

UNITS = ("seconds", "bytes", "ratio")
NAME = re.compile(r"saraban_(router|depot|adapter)(_[a-z]+)+")


def families(process: Process) -> dict[str, Metric]:
    with urllib.request.urlopen(f"{process.health}/metrics", timeout=10) as answer:
        found = {one.name: one for one in text_string_to_metric_families(answer.read().decode())}
    # The text format names a counter with its `_total`; its parser takes that away.
    return {name + ("_total" if one.type == "counter" else ""): one for name, one in found.items()}


@pytest.fixture(scope="module")
def processes(network: Scene) -> dict[str, Process]:
    keys = network.send(OPM, SOC, DGA, count=3)
    network.calm()
    assert network.accepted(OPM, keys)
    return {
        "router": network.process("router-1"),
        "depot": network.process("serve"),
        "adapter": network.process(OPM),
    }


@pytest.fixture(scope="module")
def every(processes: dict[str, Process]) -> dict[str, Metric]:
    found = {name: one for process in processes.values() for name, one in families(process).items()}
    assert len(found) > 20
    return found


def test_names_and_types_follow_the_conventions(every: dict[str, Metric]) -> None:
    for name, one in every.items():
        assert NAME.fullmatch(name), name
        assert one.type in ("counter", "gauge", "histogram"), name
        assert (one.type == "counter") == name.endswith("_total"), name
        assert not name.endswith(("_created", "_count", "_sum", "_bucket", "_info")), name
        assert not re.search(r"milli|minutes|hours|kilo|mega|percent", name), name
        assert one.documentation.endswith("."), name
        assert not one.documentation.startswith("The number of"), name
        for unit in UNITS:
            if re.search(rf"\b{unit}\b", one.documentation, re.IGNORECASE):
                assert unit in name.split("_"), f"{name} speaks of {unit}"
        assert "since the start" not in one.documentation, name


def test_the_table_in_the_manual_is_what_the_processes_tell(every: dict[str, Metric]) -> None:
    manual = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(saraban_\w+)` \| (\w+) \| (.+?) \|$", manual, re.MULTILINE)
    assert dict.fromkeys(name for name, _, _ in rows) == dict.fromkeys(sorted(every))
    assert {name: (kind, said) for name, kind, said in rows} == {
        name: (one.type, one.documentation) for name, one in every.items()
    }


def _gauges(process: Process) -> Iterator[tuple[object, ...]]:
    for name, one in families(process).items():
        if one.type == "gauge":
            for sample in one.samples:
                yield (name, *sorted(sample.labels.items()), sample.value)


def test_no_gauge_only_grows(network: Scene, processes: dict[str, Process]) -> None:
    network.calm()
    before = {name: set(_gauges(process)) for name, process in processes.items()}
    keys = network.send(OPM, SOC, count=5)
    network.calm()
    assert network.accepted(OPM, keys)
    after = {name: set(_gauges(process)) for name, process in processes.items()}
    assert after == before
    counted = 'saraban_adapter_accepted_total{type="letter"}'
    assert metric(processes["adapter"], counted) == 8


def test_the_age_of_what_waits_is_an_age(stage: Callable[..., Scene]) -> None:
    network = stage().start(OPM)
    network.calm()
    adapter = network.process(OPM)
    assert metric(adapter, "saraban_adapter_send_lag_seconds") == 0
    network.send(OPM, SOC, count=20)
    for _ in range(20):
        # On their first try, whatever stands in the column of the next one.
        assert metric(adapter, "saraban_adapter_send_lag_seconds") < 60
        assert metric(adapter, "saraban_adapter_verdict_lag_seconds") < 60
    network.calm()
    assert metric(adapter, "saraban_adapter_send_lag_seconds") == 0
    assert metric(adapter, "saraban_adapter_verdict_lag_seconds") == 0
