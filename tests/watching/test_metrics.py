"""What the processes tell Prometheus, and what a real Prometheus makes of it that watches them.

Metrics are named, typed and explained as Prometheus' conventions ask, and as the docs say.

https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.metrics_core import Metric

from bus.router.journeys import Step
from tests.faults.scene import DGA, OPM, SOC
from tests.faults.waiting import eventually, nothing_left
from tests.project import ROOT
from tests.watching.conftest import LETTERS, Watched
from tests.watching.panels import DASHBOARDS, NOTHING_WITHOUT_TROUBLE, expressions

UNITS = ("seconds", "bytes", "ratio")
NAME = re.compile(r"saraban_(router|depot|adapter)(_[a-z]+)+")
MOVING = ("_seconds", "_bytes")
"""Ages go on by themselves, and a disk is shared."""


@pytest.fixture(scope="module")
def every(watched: Watched) -> dict[str, Metric]:
    eventually(lambda: "saraban_router_ledger_bytes" in watched.families("router"), "the ledger was measured")
    found = {name: one for process in watched.processes for name, one in watched.families(process).items()}
    assert len(found) > 40
    return found


def value(watched: Watched, name: str, process: str = "router", **labels: str) -> float | None:
    """The value of a sample, None while there is none; `name` as in the text."""
    for one in watched.families(process).values():
        for sample in one.samples:
            if sample.name == name and sample.labels == labels:
                return float(sample.value)
    return None


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


def test_the_page_of_metrics_is_what_the_processes_tell(every: dict[str, Metric]) -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(saraban_\w+)` \| (\w+) \| (.*?) \| (.*?) \| (.+?) \|$", page, re.MULTILINE)
    assert [row[0] for row in rows] == sorted(every)
    assert {name: (kind, unit, said) for name, kind, _, unit, said in rows} == {
        name: (one.type, unit_of(name), one.documentation) for name, one in every.items()
    }
    for name, _, listed, _, _ in rows:
        shown = {label for sample in every[name].samples for label in sample.labels if label != "le"}
        known = set(re.findall(r"`(\w+)`", listed))
        # A metric that has had nothing to count yet has no series, and so shows no label.
        assert shown == known if every[name].samples else True, name


def unit_of(name: str) -> str:
    """The unit that a name states."""
    parts = name.removesuffix("_total").split("_")
    return next((unit for unit in (*UNITS, "days") if unit in parts), "–")


def _gauges(watched: Watched) -> Iterator[tuple[object, ...]]:
    for process in watched.processes:
        for name, one in watched.families(process).items():
            if one.type == "gauge" and not any(part in name for part in MOVING):
                for sample in one.samples:
                    yield (name, *sorted(sample.labels.items()), sample.value)


def _settled(watched: Watched) -> None:
    """Wait until nothing is under way, not even the witnesses' answers to a new head, and the gauges say so."""
    watched.network.calm()
    pending, cosigned = "saraban_router_pending_consignments", "saraban_router_anchor_cosignatures"
    eventually(lambda: value(watched, pending) == 0 and bool(value(watched, cosigned)), "the gauges are calm")


def test_no_gauge_only_grows(watched: Watched) -> None:
    before = value(watched, "saraban_adapter_accepted_total", "adapter", type="letter")
    _settled(watched)
    first = set(_gauges(watched))
    keys = watched.network.send(OPM, SOC, count=2)
    _settled(watched)
    assert watched.network.accepted(OPM, keys)
    nothing_left(lambda: [str(one) for one in set(_gauges(watched)) ^ first])
    assert value(watched, "saraban_adapter_accepted_total", "adapter", type="letter") == (before or 0) + 2


def test_every_step_of_every_letter_is_observed_once(watched: Watched) -> None:
    accepted = len(watched.network.states(OPM))
    wanted = {
        # The letters of the beginning went to two agencies, those of other tests to one.
        Step.ACCEPTED: accepted,
        Step.CONSIGNED: accepted + LETTERS,
        Step.DELIVERED: accepted + LETTERS,
        Step.REGISTERED: 1,
    }

    def counts() -> dict[Step, float | None]:
        return {step: value(watched, "saraban_router_journey_seconds_count", step=step) for step in wanted}

    eventually(lambda: counts() == wanted, f"counts are {wanted}")
    total = value(watched, "saraban_router_journey_seconds_sum", step=Step.DELIVERED)
    assert total is not None
    assert 0 <= total < 60 * wanted[Step.DELIVERED]
    assert value(watched, "saraban_router_journey_missed_total") == 0


def test_the_ledger_is_measured(watched: Watched) -> None:
    with watched.network.bus.open_ledger().read() as reader:
        entries = reader.head()
    eventually(
        lambda: (value(watched, "saraban_router_ledger_entries_total") or 0) >= entries, "entries are counted"
    )
    size = value(watched, "saraban_router_ledger_bytes") or 0
    assert 100_000 < size < 100_000_000
    eventually(lambda: value(watched, "saraban_router_unsigned_seconds") == 0, "the head is signed")
    assert value(watched, "saraban_router_witnesses") == 3
    eventually(lambda: (value(watched, "saraban_router_anchor_cosignatures") or 0) > 0, "a witness cosigned")
    assert value(watched, "saraban_router_pending_consignments") == 0
    assert value(watched, "saraban_router_parked_submissions") == 0
    assert (value(watched, "saraban_router_agency_certificate_days_left") or 0) > 0
    assert (value(watched, "saraban_depot_disk_free_bytes", "depot") or 0) > 0


def test_an_inbox_that_nobody_reads_is_seen_to_fill_and_to_age(watched: Watched) -> None:
    network = watched.network
    network.process(DGA).stop()
    network.present.discard(DGA)
    network.send(OPM, DGA, count=2)
    network.calm()

    def shown(what: str) -> float | None:
        return value(watched, f"saraban_router_inbox_{what}", agency=DGA)

    eventually(lambda: shown("messages") == 2, "its inbox has two messages")
    eventually(lambda: (shown("oldest_seconds") or 0) > 0, "the older one has an age")
    assert shown("fill_ratio") == pytest.approx(0.002)
    assert value(watched, "saraban_router_inbox_messages_most") == 2
    network.adapter(DGA)
    network.calm()
    eventually(lambda: not shown("messages"), "its inbox is empty again")


def test_who_read_last_is_shown_where_agencies_are_named(watched: Watched) -> None:
    eventually(
        lambda: value(watched, "saraban_router_clerk_idle_seconds", agency=SOC) is not None,
        "the clerks' last act",
    )
    assert value(watched, "saraban_router_clerk_idle_seconds", agency=DGA) is None
    assert value(watched, "saraban_router_agencies_unread") == 0


def test_the_age_of_what_waits_is_an_age(watched: Watched) -> None:
    def lag(what: str) -> float:
        return value(watched, f"saraban_adapter_{what}_lag_seconds", "adapter") or 0.0

    watched.network.calm()
    assert lag("send") == 0
    watched.network.send(OPM, SOC, count=20)
    for _ in range(20):
        # On their first try, whatever stands in the column of the next one.
        assert lag("send") < 60
        assert lag("verdict") < 60
    watched.network.calm()
    assert lag("send") == 0
    assert lag("verdict") == 0


def test_every_job_of_the_example_is_scraped_and_every_rule_is_well(watched: Watched) -> None:
    jobs = {f"saraban-{name}": "up" for name in watched.processes}
    eventually(lambda: watched.prometheus.targets() == jobs, "all targets are up")
    eventually(lambda: all(one["health"] == "ok" for one in watched.prometheus.rules()), "all rules are well")
    firing = {one["name"] for one in watched.prometheus.rules() if one.get("alerts")}
    assert firing <= {"SarabanDepotDiskLow", "SarabanDepotDiskFull"}, "of the machine, and of nothing else"


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_every_panel_asks_what_prometheus_knows(watched: Watched, file: Path) -> None:
    found = list(expressions(file))
    assert len(found) > 8
    for title, expression in found:
        watched.prometheus.ask(expression)
        if not any(part in expression for part in NOTHING_WITHOUT_TROUBLE):
            eventually(lambda asked=expression: watched.prometheus.ask(asked), f"{title}: {expression}")  # type: ignore[misc]
