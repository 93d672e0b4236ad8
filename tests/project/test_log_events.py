"""What the programs log: one dialect, and every event on the operators' page."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.project import ROOT

PAGE = ROOT / "docs" / "log-events.md"
_KEBAB = re.compile(r"[a-z]+(-[a-z]+)*")
_NEVER_FIELDS = {"exc_info"}
_LEVEL_OF = {"exception": "error", "ring": "error"}
"""What a call is at which level; every alarm of a router is an error."""


def logged() -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    """Every call of a log: where it stands, its event, its level and its fields."""
    # An alarm that a commit brings with it is named where the commit is made.
    yield "bus/router/recording/reports.py", "consignments-unknown", "error", ("agency", "highest", "given")
    for package in ("bus", "adapters"):
        for file in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if _is_log(node):
                    assert isinstance(node, ast.Call)
                    where = f"{file.relative_to(ROOT)}:{node.lineno}"
                    event = node.args[0]
                    if where.startswith(("bus/router/alarms.py", "bus/router/processing.py")) and isinstance(
                        event, ast.Name
                    ):
                        continue  # passed on
                    assert isinstance(event, ast.Constant), (
                        f"{where}: an event is a code, not made up on the way"
                    )
                    assert len(node.args) == 1, f"{where}: what belongs to an event stands in fields"
                    fields = tuple(
                        one.arg for one in node.keywords if one.arg and one.arg not in _NEVER_FIELDS
                    )
                    level = node.func.attr if isinstance(node.func, ast.Attribute) else ""
                    yield where, str(event.value), _LEVEL_OF.get(level, level), fields


def _is_log(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and _name(node.func.value) in ("_log", "_LOG", "alarms", "_alarms")
        and node.func.attr in {*_LEVEL_OF, "info", "warning", "error", "critical"}
    )


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def test_every_event_is_a_code_with_fields() -> None:
    found = list(logged())
    assert len(found) > 60
    assert [where for where, event, _, _ in found if not _KEBAB.fullmatch(event)] == []


def test_the_page_lists_every_event_with_its_level_and_its_fields() -> None:
    shown = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("| `"):
            event, level, fields, meaning, _ = (cell.strip() for cell in line.strip("| ").split("|"))
            assert meaning
            shown[event.strip("`")] = (level, {name.strip(" `") for name in fields.split(",")} - {"–"})
    said: dict[str, tuple[set[str], set[str]]] = {}
    for _, code, said_at, named in logged():
        levels, names = said.setdefault(code, (set(), set()))
        levels.add(said_at)
        names.update(named)
    assert shown == {event: (", ".join(sorted(levels)), names) for event, (levels, names) in said.items()}
