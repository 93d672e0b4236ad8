"""The state of a circular is kept in memory, and is at every moment what a fold of all its entries gives."""

from __future__ import annotations

from random import Random

import pytest

from bus.documents.letter import Receiver
from bus.ledger.histories import HistoryReader
from bus.ledger.kept_states import _MOST_IN_MEMORY, KeptStates
from bus.ledger.state import LetterState
from bus.ledger.store import Ledger
from tests.contract import ledger_rig as rig
from tests.contract.test_one_recipient import goes_on
from tests.contract.test_question_plans import asked
from tests.contract.test_recipient_sets import country, sent


class Undone(Exception):
    """An append comes to nothing."""


def folded(reader: HistoryReader, letter: int) -> LetterState:
    return reader.folded(reader.entries_of(letter))


@pytest.mark.parametrize("seed", range(12))
def test_whatever_is_entered_and_undone_and_whoever_asks_the_state_is_that_of_all_entries(
    ledger: Ledger, seed: int
) -> None:
    router, chosen = rig.Router(ledger), Random(seed)
    router.activate(country())
    letters = [sent(router, Receiver(group="many"), Receiver(group="hundred")).seq for _ in range(2)]
    for _ in range(25):
        letter = chosen.choice(letters)
        try:
            with ledger.append() as writer:
                if chosen.random() < 0.5:
                    assert writer.state_of(letter) == folded(writer, letter)
                for _ in range(chosen.randint(0, 3)):
                    goes_on(writer, letter, chosen)
                if chosen.random() < 0.7:
                    assert writer.states_of(letters) == {one: folded(writer, one) for one in letters}
                if chosen.random() < 0.3:
                    raise Undone
        except Undone:
            pass
        with ledger.read() as reader:
            assert reader.state_of(letter) == folded(reader, letter)
            assert list(reader.states_of(letters[::-1])) == letters


def test_who_reads_an_older_snapshot_is_given_its_state_and_not_a_newer_one(ledger: Ledger) -> None:
    router, chosen = rig.Router(ledger), Random(7)
    router.activate(country())
    letter = sent(router, Receiver(group="many")).seq
    with ledger.read() as older:
        before = folded(older, letter)
        with ledger.append() as writer:
            for _ in range(20):
                goes_on(writer, letter, chosen)
        with ledger.read() as newer:
            after = newer.state_of(letter)
            assert after != before
        assert older.state_of(letter) == before
        assert older.states_of([letter]) == {letter: before}
    with ledger.read() as reader:
        assert reader.state_of(letter) == after


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
def test_under_the_lock_only_what_was_entered_since_is_read(ledger: Ledger) -> None:
    router, chosen = rig.Router(ledger), Random(3)
    router.activate(country())
    letter = sent(router, Receiver(group="many")).seq
    with ledger.append() as writer:
        for _ in range(40):
            goes_on(writer, letter, chosen)
    with ledger.read() as reader:
        newest = reader.state_of(letter).newest
    with ledger.append() as writer, asked(ledger) as statements:
        goes_on(writer, letter, chosen)
        writer.state_of(letter)
        (said,) = [
            parameters
            for sql, parameters in statements
            if sql.lstrip().startswith("SELECT entries.") and "entries.seq >=" in sql
        ]
        assert newest in said


def state_of_thousand(letter: int) -> LetterState:
    some = dict.fromkeys(map(str, range(1_000)))
    return LetterState(
        letter=letter,
        sender="0100100000",  # type: ignore[arg-type]
        letter_id="id",  # type: ignore[arg-type]
        digest="00",  # type: ignore[arg-type]
        speed="001",
        received_at="",
        asks_registration=True,
        recipients=some,  # type: ignore[arg-type]
        newest=letter,
    )


def test_where_nothing_is_to_be_kept_nothing_is() -> None:
    kept = KeptStates(0)
    kept.keep(state_of_thousand(1))
    assert kept.of(1) is None


def test_memory_holds_so_many_recipients_and_no_more() -> None:
    kept = KeptStates()
    for letter in range(1, 41):
        kept.keep(state_of_thousand(letter))
    held = [letter for letter in range(1, 41) if kept.of(letter)]
    assert held == list(range(41 - _MOST_IN_MEMORY // 1_000, 41))
