"""The page that tells a newcomer which files to open names files that are there, at most four for a change."""

from __future__ import annotations

import re

from tests.project import ROOT

_PATH = re.compile(r"`((?:bus|adapters|config|xsd|tests|docs|compose)/[\w./-]+)`")


def test_every_change_names_at_most_four_files_and_each_is_there() -> None:
    page = (ROOT / "docs" / "where-things-go.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ") and "`" in line]
    assert len(rows) >= 15
    for row in rows:
        named = _PATH.findall(row)
        assert 1 <= len(named) <= 4, row
        assert [path for path in named if not (ROOT / path).exists()] == [], row
