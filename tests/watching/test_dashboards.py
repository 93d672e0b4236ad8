"""The dashboards for Grafana, as files: what they ask for is there, and both languages are."""

from __future__ import annotations

import json
import re

from tests.project import ROOT
from tests.watching.panels import DASHBOARDS


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
