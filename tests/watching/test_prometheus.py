"""The examples for Prometheus and Grafana work with a real Prometheus that watches a running bus."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.waiting import eventually
from tests.project import ROOT
from tests.watching.conftest import Watched

DASHBOARDS = sorted((ROOT / "compose" / "grafana").glob("*.json"))
NOTHING_WITHOUT_TROUBLE = (
    "ALERTS",
    "alarms_total",
    "unconfirmed_total",
    "inbox_messages{",
    "inbox_oldest",
    "inbox_fill",
)
"""Parts of expressions that have no series, or none with a value, while all goes well."""


def expressions(file: Path) -> Iterator[tuple[str, str]]:
    """The title of each panel with each of its expressions, the variables as Grafana fills them in."""
    for panel in json.loads(file.read_text(encoding="utf-8"))["panels"]:
        for target in panel["targets"]:
            expression = target["expr"].replace("$__rate_interval", "1m")
            yield panel["title"], re.sub(r"\$(agency|instance)\b", ".*", expression)


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


def test_every_metric_that_is_asked_for_is_on_the_page_of_metrics() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    known = set(re.findall(r"^\| `(saraban_\w+)`", page, re.MULTILINE))
    asked = {
        re.sub(r"_(bucket|count|sum)$", "", name)
        for file in [*DASHBOARDS, *(ROOT / "compose" / "prometheus").glob("*.yml")]
        for name in re.findall(
            r"(?<![\w:])saraban_(?:router|depot|adapter)_\w+", file.read_text(encoding="utf-8")
        )
    }
    assert asked - known == set()
    assert len(asked) > 40


def test_dashboards_name_no_data_source_of_their_own_and_have_both_languages() -> None:
    assert [file.stem for file in DASHBOARDS] == [
        "saraban-agency", "saraban-ledger", "saraban-overview", "saraban-routers",
    ]  # fmt: skip
    for file in DASHBOARDS:
        found = json.loads(file.read_text(encoding="utf-8"))
        assert found["uid"] == file.stem
        assert found["timezone"] == "Asia/Bangkok"
        for panel in found["panels"]:
            assert panel["datasource"]["uid"] == "${datasource}"
            assert re.fullmatch(r"[ก-๙][^·]+ · [A-Z].+", panel["title"]), panel["title"]
            assert panel["description"].endswith(".")
