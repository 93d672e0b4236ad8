"""What the programs log: one dialect, and every event on the operators' page."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.project import ROOT

PAGE = ROOT / "docs" / "log-events.md"
_KEBAB = re.compile(r"[a-z]+(-[a-z]+)*")
_NEVER_FIELDS = {"exc_info"}


def logged() -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    """Every call of a log: where it stands, its event, its level and its fields."""
    for package in ("bus", "adapters"):
        for file in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if _is_log(node):
                    assert isinstance(node, ast.Call)
                    where = f"{file.relative_to(ROOT)}:{node.lineno}"
                    event = node.args[0]
                    assert isinstance(event, ast.Constant), (
                        f"{where}: an event is a code, not made up on the way"
                    )
                    assert len(node.args) == 1, f"{where}: what belongs to an event stands in fields"
                    fields = tuple(
                        one.arg for one in node.keywords if one.arg and one.arg not in _NEVER_FIELDS
                    )
                    level = node.func.attr if isinstance(node.func, ast.Attribute) else ""
                    yield where, str(event.value), level.replace("exception", "error"), fields


def _is_log(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in ("_log", "_LOG")
    )


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
    for _, event, level, fields in logged():
        levels, names = said.setdefault(event, (set(), set()))
        levels.add(level)
        names.update(fields)
    assert shown == {event: (", ".join(sorted(levels)), names) for event, (levels, names) in said.items()}
