"""A module fits into a reader's head: 300 lines at most, unless a reason stands here."""

from __future__ import annotations

from tests.project import ROOT, files_of_the_project

LIMIT = 300
LONGER = {
    "compose/node.py": "one node's whole life, from ports to the guard, with the notes that explain each precaution",
}


def lengths() -> dict[str, int]:
    return {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in files_of_the_project("*.py")
    }


def test_no_module_is_longer_than_it_may_be() -> None:
    assert {name: lines for name, lines in lengths().items() if lines > LIMIT and name not in LONGER} == {}


def test_the_exceptions_are_still_needed() -> None:
    assert [name for name in LONGER if lengths().get(name, 0) <= LIMIT] == []
