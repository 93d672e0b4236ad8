"""No log line and no error that logs may show quotes a foreign exception: the rule is kept where the words are made."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project import ROOT

SHOWN_IN_LOGS = {
    "Transient",
    "Misconfigured",
    "Tampered",
    "Away",
    "Closed",
    "Unconfirmed",
    "Returned",
    "Nacked",
} | {"Halted", "Incomplete", "NotSigned", "FileUnavailable", "Shorter", "AlreadyRunning"}
LOGGERS = {"_LOG", "_log"}
ITS_PLACE_ONLY = {"TOMLDecodeError"}
"""These say where a settings file is wrong, and quote nothing of it."""


def quoting(source: str) -> Iterator[int]:
    """The lines at which what was caught is written out into a log or into an error that logs show."""
    for handler in ast.walk(ast.parse(source)):
        if not isinstance(handler, ast.ExceptHandler) or handler.name is None:
            continue
        caught = {
            each.attr if isinstance(each, ast.Attribute) else getattr(each, "id", "")
            for each in ast.walk(handler.type or ast.Pass())
        }
        for call in (each for line in handler.body for each in ast.walk(line) if isinstance(each, ast.Call)):
            target = call.func
            logs = isinstance(target, ast.Attribute) and getattr(target.value, "id", "") in LOGGERS
            shown = getattr(target, "id", "") in SHOWN_IN_LOGS and not caught & ITS_PLACE_ONLY
            if (logs or shown) and any(_written_out(each, handler.name) for each in ast.walk(call)):
                yield call.lineno


def _written_out(node: ast.AST, name: str) -> bool:
    match node:
        case ast.FormattedValue(value=ast.Name(id=found)):
            return found == name
        case ast.FormattedValue(value=ast.Attribute(value=ast.Name(id=found), attr=attribute)):
            return found == name and attribute in (
                "args",
                "msg",
                "orig",
                "message",
                "filename",
                "detail",
                "params",
            )
        case ast.Call(func=ast.Name(id="str" | "repr"), args=[ast.Name(id=found)]):
            return found == name
    return False


@pytest.mark.parametrize("folder", ["bus", "adapters"])
def test_nothing_caught_is_written_out(folder: str) -> None:
    files = [each for each in (ROOT / folder).rglob("*.py") if "verifier" not in each.parts]
    assert len(files) > 20
    found = [
        f"{file.relative_to(ROOT)}:{line}" for file in files for line in quoting(file.read_text("utf-8"))
    ]
    assert found == [], "use bus.logs.in_words, or give the exception itself to the log"


BAD = {
    "an f-string": 'raise Transient(f"away: {exc}") from exc',
    "its attribute": 'raise Transient(f"away: {exc.orig}") from exc',
    "a string": "raise Transient(str(exc)) from exc",
    "a problem": 'raise Misconfigured(Problem("a", "b", f"{exc!r}", "c")) from exc',
    "a log line": '_LOG.warning("away", why=str(exc))',
    "a log line in a branch": 'if x:\n        _log.error(f"{exc}")',
}
GOOD = {
    "its type": 'raise Transient(f"away ({type(exc).__name__})") from exc',
    "the system's word": 'raise Transient(f"away ({exc.strerror})") from exc',
    "itself": '_LOG.warning("away", why=exc)',
    "to the sender": "raise Refused(CODE, str(exc)) from exc",
}


@pytest.mark.parametrize("line", BAD.values(), ids=BAD.keys())
def test_the_rule_finds(line: str) -> None:
    assert list(quoting(f"try:\n    pass\nexcept Foreign as exc:\n    {line}\n"))


@pytest.mark.parametrize("line", GOOD.values(), ids=GOOD.keys())
def test_the_rule_lets_pass(line: str) -> None:
    assert not list(quoting(f"try:\n    pass\nexcept Foreign as exc:\n    {line}\n"))


def test_the_names_of_errors_are_those_of_the_project() -> None:
    text = "".join(
        file.read_text("utf-8") for room in ("bus", "adapters") for file in Path(ROOT / room).rglob("*.py")
    )
    assert {name for name in SHOWN_IN_LOGS if f"class {name}(" not in text} == set()
