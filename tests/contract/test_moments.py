"""Numbers by times, without an index of times: what plain Python finds in a list, in few questions."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from bus.ledger.entry import timestamp
from bus.ledger.moments import first_since, last_by
from bus.ledger.store import Ledger
from bus.ledger.tables import entries, letters
from tests.contract import ledger_rig as rig
from tests.contract.test_question_plans import asked


def test_numbers_are_found_by_their_times_as_in_a_list(ledger: Ledger) -> None:
    """Entries of one append share a time, and between the numbers of letters are those of other entries."""
    chosen, by_entry, by_letter = random.Random(9), [], []
    for _ in range(25):
        with ledger.append() as writer:
            at, before = timestamp(writer.at), writer.next_seq
            rig.some_entries(writer, chosen.randint(1, 4))
            by_letter += [(rig.in_ledger(writer), at) for _ in range(chosen.randint(0, 3))]
            rig.some_entries(writer, chosen.randint(0, 2))
            by_entry += [(seq, at) for seq in range(before, writer.next_seq)]
    moments = {at for _, at in by_entry}
    between = {datetime.fromisoformat(at) + timedelta(microseconds=by) for at in moments for by in (-1, 1)}
    wanted = [*moments, *map(timestamp, between), "", "9999"]
    with ledger.read() as reader:
        for table, number, time_of, rows in (
            (entries, entries.c.seq, entries.c.at, by_entry),
            (letters, letters.c.letter, letters.c.accepted_at, by_letter),
        ):
            for moment in wanted:
                since = [seq for seq, time in rows if time >= moment]
                up_to = [seq for seq, time in rows if time <= moment]
                found = first_since(reader._connection, number, time_of, moment)
                assert found == min(since, default=None), (table.name, moment)
                assert last_by(reader._connection, number, time_of, moment) == max(up_to, default=None), (
                    moment
                )


def test_a_time_is_found_in_an_empty_ledger(ledger: Ledger) -> None:
    with ledger.read() as reader:
        assert first_since(reader._connection, entries.c.seq, entries.c.at, "2026") is None
        assert last_by(reader._connection, entries.c.seq, entries.c.at, "2026") is None


def test_a_time_is_found_in_as_many_questions_as_the_number_of_entries_has_bits(ledger: Ledger) -> None:
    with ledger.append() as writer:
        rig.some_entries(writer, 1_000)
    with asked(ledger) as statements, ledger.read() as reader:
        first_since(reader._connection, entries.c.seq, entries.c.at, "9")
    assert 5 < len(statements) <= 11
