"""Ten seconds of random faults by a fixed seed: nothing is lost, doubled or left open, and the checker would see it.

`make chaos` runs for minutes, with seeds of the day; what it finds is told with the seed that finds it again.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compose.cluster import PostgresCluster
from compose.node import Node
from tests.chaos.drawing import TRAITS, draw
from tests.chaos.known import KNOWN, avoided, unexplained
from tests.chaos.plan import Kind, Plan
from tests.chaos.running import Outcome, judge, run
from tests.chaos.verdict import Trial

SEED = 2592
SLOW = frozenset({Kind.BROKER_RESTART, Kind.BROKER_KILL, Kind.DISK_ALARM, Kind.DEPOT_CUT})
"""Left to `make chaos`: the broker takes seconds to start, and two alarms and two kinds of cut are much alike."""
READERS = ("looking", "draining", "history", "judging_letters", "judging_acts", "judging_books", "verdict")


def plan() -> Plan:
    return draw(SEED, 10.0, database="postgresql", without=avoided(KNOWN) | SLOW, between=1.2)


@pytest.fixture(scope="module")
def outcome(
    broker_node: Node, postgres_server: PostgresCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Outcome]:
    """The run, and what it has left."""
    try:
        yield run(tmp_path_factory.mktemp("chaos"), plan(), broker_node, postgres_server)
    finally:
        broker_node.recover()
        postgres_server.start()


def test_every_promise_holds_under_random_faults(outcome: Outcome) -> None:
    found = unexplained(outcome.violations, KNOWN)
    assert not found, "\n".join(outcome.lines(KNOWN))
    assert outcome.letters == len(outcome.plan.letters)
    assert outcome.acts > len(outcome.plan.letters)


def test_the_faults_of_the_plan_happened(outcome: Outcome) -> None:
    planned = Counter(fault.kind for fault in outcome.plan.faults)
    assert len(planned) >= 5
    assert set(outcome.happened) == set(planned), list(outcome.lines())


def test_the_same_seed_gives_the_same_plan_and_another_seed_another() -> None:
    printed = ["\n".join(draw(seed, 80.0).lines()) for seed in (1, 1, 2)]
    assert printed[0] == printed[1] != printed[2]
    kinds = {fault.kind for seed in range(10) for fault in draw(seed, 80.0).faults}
    assert kinds == set(Kind)
    assert not {fault.kind for fault in draw(1, 80.0, without=TRAITS).faults}


def test_what_reads_and_judges_uses_nothing_of_the_product() -> None:
    for name in READERS:
        tree = ast.parse((Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8"))
        named = {
            module
            for node in ast.walk(tree)
            for module in (
                [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else [each.name for each in node.names]
                if isinstance(node, ast.Import)
                else []
            )
        }
        assert named, name
        assert not {module for module in named if module.split(".")[0] in ("bus", "adapters")}, name


def test_every_rule_is_explained_and_known_faults_name_rules_and_traits_that_there_are() -> None:
    sources = "".join(each.read_text(encoding="utf-8") for each in Path(__file__).parent.glob("[!t]*.py"))
    rules = set(re.findall(r"""(?:rule=|_violation\(\s*|rule = )"([a-z-]+)""", sources))
    rules |= set(re.findall(r"""rule = "[a-z-]+" if \w+ else "([a-z-]+)""", sources))
    page = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"`([a-z-]+)`", page.partition("## Rules")[2].partition("## Known")[0]))
    assert rules == explained
    assert set(TAMPERED) <= rules
    assert avoided(KNOWN) <= TRAITS
    assert {rule for each in KNOWN for rule, _ in each.excuse} <= rules


Tamper = Callable[[Trial], Trial]
Change = Callable[[list[Any]], list[Any]]


def _read(one: Any, changes: Mapping[str, Change]) -> Any:
    """The same thing, of which some lists are read otherwise."""
    return replace(one, **{name: change(list(getattr(one, name))) for name, change in changes.items()})


def _folders(trial: Trial, **changes: Change) -> Trial:
    return _found(trial, folders={code: _read(one, changes) for code, one in trial.found.folders.items()})


def _boxes(trial: Trial, **changes: Change) -> Trial:
    return _found(trial, boxes={code: _read(one, changes) for code, one in trial.found.boxes.items()})


def _ledger(trial: Trial, **changes: Change) -> Trial:
    return _found(trial, ledger=_read(trial.found.ledger, changes))


def _found(trial: Trial, **changes: Any) -> Trial:
    return replace(trial, found=replace(trial.found, **changes))


TAMPERED: dict[str, Tamper] = {
    "letter-not-delivered": lambda t: _folders(t, letters=lambda shown: shown[1:]),
    "letter-twice": lambda t: _folders(t, letters=lambda shown: [*shown, shown[0]]),
    "letter-from-nowhere": lambda t: _ledger(t, letters=lambda rows: rows[1:]),
    "letter-lost": lambda t: _ledger(t, entries=lambda rows: [r for r in rows if r["kind"] != "accepted"]),
    "letter-unanswered": lambda t: _folders(
        t, receipts=lambda told: [one for one in told if "answers" not in one[1]]
    ),
    "act-unanswered": lambda t: _folders(
        t, receipts=lambda told: [one for one in told if "answers" not in one[1]]
    ),
    "answer-repeated": lambda t: _folders(t, receipts=lambda told: told * 9),
    "receipt-repeated": lambda t: _folders(t, receipts=lambda told: told * 9),
    "act-told-again": lambda t: _folders(t, receipts=lambda told: told * 9),
    "refusal-repeated": lambda t: _folders(t, receipts=lambda told: [*map(_refusal, told)] * 9),
    "letter-refused": lambda t: _folders(t, receipts=lambda told: [*map(_refusal, told)]),
    "answers-contradict": lambda t: _boxes(t, outbox=lambda rows: [{**row, "entry": 1} for row in rows]),
    "wrong-recipients": lambda t: _ledger(t, recipients=lambda rows: rows[1:]),
    "receipt-missing": lambda t: _folders(
        t, receipts=lambda told: [one for one in told if one[1]["event"] != "delivered"]
    ),
    "act-not-told": lambda t: _folders(
        t, receipts=lambda told: [one for one in told if one[1]["event"] != "registered"]
    ),
    "bytes-differ": lambda t: _boxes(t, outbox=lambda rows: [{**row, "raw": b"other"} for row in rows]),
    "state-differs": lambda t: replace(
        t, received={code: _undone(rows) for code, rows in t.received.items()}
    ),
    "ledger-gap": lambda t: _ledger(t, entries=lambda rows: rows[:-2] + rows[-1:]),
    "consignment-gap": lambda t: _ledger(t, consignments=lambda rows: rows[1:]),
    "consignment-missing": lambda t: _boxes(t, arrivals=lambda rows: rows[1:]),
    "consignment-differs": lambda t: _boxes(t, arrivals=lambda rows: [{**rows[0], "sha256": "00"}, *rows]),
    "quarantined": lambda t: _boxes(
        t, arrivals=lambda rows: [{**row, "state": "quarantined"} for row in rows]
    ),
    "parked": lambda t: _found(t, queues={**t.found.queues, "router.parked": 1}),
    "entry-twice": lambda t: _ledger(t, entries=lambda rows: rows + rows[-40:]),
    "recorded-although-forbidden": lambda t: _ledger(t, entries=_answered_twice),
    "refused-although-permitted": lambda t: _ledger(t, entries=_refused),
}


def _refusal(told: tuple[Path, Any]) -> tuple[Path, Any]:
    return (told[0], {**told[1], "event": "refused-by-bus"})


def _undone(rows: Any) -> list[dict[str, Any]]:
    return [{**row, "standing": {**row["standing"], "state": "accepted"}} for row in rows]


def _answered_twice(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    (first, *_) = (row for row in rows if row["kind"] == "notice" and row["event"] == "registered")
    return [*rows, {**first, "seq": len(rows) + 1, "noticeId": "another"}]


def _refused(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first registration, refused before it was recorded."""
    (first, *_) = (row for row in rows if row["kind"] == "notice" and row["event"] == "registered")
    refusal = {
        **first,
        "kind": "refused",
        "type": "notice",
        "code": "notice.already-answered",
        "letter": None,
    }
    return [refusal, *rows]


@pytest.mark.parametrize("rule", TAMPERED)
def test_the_checker_sees(outcome: Outcome, rule: str) -> None:
    before = Counter(each.rule for each in outcome.violations)
    after = Counter(each.rule for each in judge(TAMPERED[rule](outcome.trial)))
    assert after[rule] > before[rule]
