"""A verification by several processes, one that goes on where it was stopped, and one of only what is new."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from bus.errors import Transient
from bus.ledger import verifying, verifying_entries
from bus.ledger.findings import Report
from bus.ledger.merkle import Frontier, subtrees
from bus.ledger.store import Ledger
from bus.ledger.tables import entries
from bus.ledger.verified import Leavings, Left
from bus.ledger.verifying import verify
from bus.ledger.verifying_workers import side_by_side, worth_starting
from bus.verifier.merkle import leaf_hash
from tests.contract import ledger_rig as rig
from tests.contract.lived import Lived, live
from tests.contract.test_tampering import CRIMES, in_its_dialect, key_of, rewrite
from tests.contract.test_tree import unguarded


@pytest.fixture
def lived(ledger: Ledger, tmp_path: Path) -> Lived:
    return live(ledger, tmp_path)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of a few rows, so that a small ledger has many; only who gives the parts out knows their size."""
    for module in (verifying, verifying_entries):
        monkeypatch.setattr(module, "BATCH", 3)


def found_by(lived: Lived, processes: int, **more: Any) -> Report:
    with side_by_side(lived.ledger.engine, processes) as (connection, team):
        return verify(connection, key_of(lived), team=team, **more)


DAMAGES = (
    *(
        (f"UPDATE entries SET body = '{body}' WHERE seq = {{n}}",)
        for body in ("x", "[]", '{{"seq":3}}', '{{"v":1.5}}')
    ),
    ("DELETE FROM entries WHERE seq = {n}",),
    ("UPDATE entries SET at = '2999-01-01T00:00:00.000000+07:00' WHERE seq = {n}",),
    ("UPDATE entries SET at = '1999-01-01T00:00:00.000000+07:00' WHERE seq = {n}",),
    ("UPDATE entries SET leaf = x'00' WHERE seq = {n}",),
    ("UPDATE entries SET letter = {n} WHERE seq = {n}",),
    ("DELETE FROM checkpoints WHERE size > {n}",),
)


def damaged(lived: Lived, chosen: Random) -> None:
    """Do one of what the tests of tampering do, and something more at random places."""
    crime = CRIMES[chosen.choice(list(CRIMES))]
    for statements in (crime.statements, *chosen.sample(DAMAGES, chosen.randint(0, 3))):
        place = chosen.randint(2, 14)
        unguarded(lived.ledger, *(in_its_dialect(lived, each.format(n=place)) for each in statements))


@pytest.mark.parametrize("seed", range(8))
def test_several_processes_find_the_same_in_the_same_order_as_one(
    lived: Lived, small_parts: None, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lived.ledger.append() as writer:
        rig.some_entries(writer, 4)
    lived.signer.sign()
    damaged(lived, Random(seed))
    known = [head for head in [lived.signer.remembered()] if head]
    alone = found_by(lived, 1, known=known, signatures=True)
    several = found_by(lived, 2, known=known, signatures=True)
    assert several.as_json() == alone.as_json()
    assert not alone.passed
    monkeypatch.undo()
    at_once = found_by(lived, 1, known=known, signatures=True)
    assert {one.code for one in at_once.findings} == {one.code for one in alone.findings}
    assert (at_once.root, at_once.counts) == (alone.root, alone.counts)


def test_several_processes_pass_what_one_passes_also_since_a_head(lived: Lived, small_parts: None) -> None:
    with lived.ledger.read() as reader:
        first = reader.heads.above(0)[0]
    for since in (None, first):
        alone, several = (found_by(lived, count, since=since, signatures=True) for count in (1, 2))
        assert several.passed
        assert several.as_json() == alone.as_json()


@pytest.mark.parametrize("seed", range(20))
def test_a_tree_is_joined_from_the_subtrees_of_any_pieces(seed: int) -> None:
    chosen = Random(seed)
    leaves = [leaf_hash(bytes([n % 256, n // 256])) for n in range(chosen.randint(1, 700))]
    one_by_one, joined, done = Frontier(), Frontier(), 0
    for leaf in leaves:
        one_by_one.append(leaf)
    while done < len(leaves):
        some = leaves[done : done + chosen.randint(1, 150)]
        for level, root in subtrees(done, some):
            joined.append(root, level)
        done += len(some)
    assert (joined.size, joined.root()) == (one_by_one.size, one_by_one.root())


# ---- one snapshot --------------------------------------------------------------------------------------------------


def newest(connection: Connection) -> int:
    return connection.scalar(select(func.max(entries.c.seq))) or 0


def test_all_processes_see_one_snapshot_while_others_append(ledger: Ledger) -> None:
    ended, appended = threading.Event(), threading.Event()

    def append() -> None:
        while not ended.is_set():
            with ledger.append() as writer:
                rig.some_entries(writer, 1)
            appended.set()

    work = threading.Thread(target=append)
    work.start()
    try:
        appended.wait(30)
        with side_by_side(ledger.engine, 3) as (connection, team):
            seen = set(team.map(newest, [()] * 12))
            appended.clear()
            assert appended.wait(30)
            assert {*seen, *team.map(newest, [()] * 12), newest(connection)} == seen
            assert len(seen) == 1
    finally:
        ended.set()
        work.join()


def goes_away(_: Connection) -> None:
    os._exit(3)


def fails(_: Connection, number: int) -> int:
    return 1 // number


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
def test_a_process_that_is_gone_or_fails_ends_the_verification(ledger: Ledger) -> None:
    with pytest.raises(Transient), side_by_side(ledger.engine, 2) as (_, team):
        list(team.map(goes_away, [()] * 3))
    with pytest.raises(RuntimeError, match="ZeroDivisionError"), side_by_side(ledger.engine, 2) as (_, team):
        list(team.map(fails, [(1,), (0,), (1,)]))


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
def test_a_small_ledger_is_verified_by_one_process(ledger: Ledger) -> None:
    assert worth_starting(ledger.engine, 0) == 1


# ---- stopped and gone on, and only what is new ---------------------------------------------------------------------


class Stop(Exception):
    """Somebody ended the verification."""


def stopped(lived: Lived, leavings: Leavings, after: int) -> None:
    """Have a verification be ended when it has left something so often."""
    times = iter(range(after))

    def leave(left: Left) -> None:
        leavings.leave(left)
        if next(times, None) is None:
            raise Stop

    with pytest.raises(Stop):
        found_by(lived, 1, signatures=True, leave=leave)


def test_what_was_stopped_goes_on_where_it_was(lived: Lived, small_parts: None, tmp_path: Path) -> None:
    leavings, whole = Leavings(tmp_path), found_by(lived, 1, signatures=True)
    stopped(lived, leavings, 1)
    left = leavings.left(key_of(lived))
    assert left is not None
    assert 0 < left.signatures <= left.head.size
    report = found_by(lived, 1, signatures=True, resume=left)
    assert report.passed
    assert report.resumed == left.signatures
    assert 0 < report.counts["signatures"] < whole.counts["signatures"]
    # The head that was left is compared besides those in the database.
    whole.counts["checkpoints"] += 1
    whole.counts["signatures"] = report.counts["signatures"]
    assert report.counts == whole.counts
    leavings.passed(report.agreed)
    assert leavings.left(key_of(lived)) is None
    assert leavings.head() == lived.signer.remembered()


def test_nothing_is_passed_over_that_is_not_as_it_was_when_it_was_looked_at(
    lived: Lived, small_parts: None, tmp_path: Path
) -> None:
    leavings = Leavings(tmp_path)
    stopped(lived, leavings, 1)
    rewrite(lived, 3, lambda body: body.update(acknowledgement="receipt"))
    unguarded(lived.ledger, "DELETE FROM anchors", "DELETE FROM checkpoints")
    report = found_by(lived, 1, signatures=True, resume=leavings.left(key_of(lived)))
    assert "tree.root" in {one.code for one in report.findings}
    assert report.resumed == 0
    assert report.counts["signatures"] == 4


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"head": 1}', '{"head": "x", "since": 0, "signatures": 3}'],
)
def test_a_file_of_anything_else_is_no_reason_to_pass_over(lived: Lived, tmp_path: Path, text: str) -> None:
    (tmp_path / "verify.left").write_text(text)
    assert Leavings(tmp_path).left(key_of(lived)) is None


def test_a_file_that_claims_more_than_its_head_covers_is_not_believed(lived: Lived, tmp_path: Path) -> None:
    head, leavings = lived.signer.newest(), Leavings(tmp_path)
    assert head is not None
    for claim, believed in ((head.size, True), (head.size + 1, False)):
        leavings.leave(Left(head, 0, claim))
        assert (leavings.left(key_of(lived)) is not None) is believed
