"""What the panels of the dashboards ask Prometheus."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from tests.project import ROOT

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
