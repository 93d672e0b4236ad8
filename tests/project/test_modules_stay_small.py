"""A module fits into a reader's head: 300 lines at most, or a reason why it is one thing all the same, and 450."""

from __future__ import annotations

from tests.project import ROOT, files_of_the_project

LIMIT = 300
LIMIT_WITH_A_REASON = 450
LONGER = {
    "adapters/depot.py": "up, down and a sign of life share one client and what its failures mean",
    "bus/broker/subscription.py": "one consumer of many queues: in hand, left out and begun again are one state",
    "bus/depot/app.py": "the HTTP interface, with its table of requests, in one place",
    "bus/depot/store.py": "presence, holds and grants are decided together, in one transaction each",
    "bus/documents/lifecycle.py": "one table of events and the fold over it, which are read together",
    "bus/documents/xml.py": "the only parser and the only writer mirror each other",
    "bus/ledger/store.py": "the one door to the ledger: every statement that adds a row",
    "bus/ledger/tables.py": "every table of the ledger: what is remembered, and what may be lost, is one list",
    "compose/local.py": "the one way in which the whole bus is started on one machine",
    "compose/node.py": "one node's whole life, from its ports to its guard, with the reason for each precaution",
}


def lengths() -> dict[str, int]:
    """Lines of each module that runs; a file of tests is a list and may be long."""
    return {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in files_of_the_project("*.py")
        if path.relative_to(ROOT).parts[0] in ("bus", "adapters", "compose")
    }


def test_no_module_is_longer_than_it_may_be() -> None:
    found = lengths()
    assert len(found) > 50
    allowed = {name: LIMIT_WITH_A_REASON if name in LONGER else LIMIT for name in found}
    assert {name: lines for name, lines in found.items() if lines > allowed[name]} == {}


def test_the_exceptions_are_still_needed() -> None:
    assert [name for name in LONGER if lengths().get(name, 0) <= LIMIT] == []
