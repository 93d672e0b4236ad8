"""What one of thousands of recipients says is judged by a few entries, and by nothing else than the whole history."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from bus.documents.letter import Receiver
from bus.documents.lifecycle import BY_SENDER, RULES, Deadline, Speaker
from bus.documents.notice import Event
from bus.identifiers import AgencyCode
from bus.ledger.entry import Kind
from bus.ledger.store import Ledger, Writer
from tests.assets.digests import SOME_CONTENT
from tests.assets.factory import DGA, OCS, OPM
from tests.contract import ledger_rig as rig
from tests.contract.test_question_plans import asked
from tests.contract.test_recipient_sets import MANY, country, sent

SOME = (*MANY[:4], MANY[-1])
STRANGERS = (OCS, DGA, OPM)
BY_RECIPIENT = [event for event, rule in RULES.items() if rule.by in (Speaker.ADAPTER, Speaker.CLERK)]


def goes_on(writer: Writer, letter: int, chosen: Random) -> None:
    """Enter something about a letter, also what no gate would let pass: a fold takes what it finds."""
    few = chosen.sample(SOME, chosen.randint(1, len(SOME)))
    late = f"2027-01-{chosen.randint(10, 28)}T16:30:00.000000+07:00"

    def says(by: str, about: list[AgencyCode], event: Event) -> None:
        told: dict[str, Any] = {"noticeId": f"n{chosen.random()}", "event": event, "digest": SOME_CONTENT}
        writer.entry(Kind.NOTICE, agency=AgencyCode(by), letter=letter, about=about, **told)

    numbers = {code: [chosen.choice((1, 2))] for code in few}
    chosen.choice(
        (
            lambda: says(few[0], few[:1], chosen.choice(BY_RECIPIENT)),
            lambda: says(few[0], few[:1], chosen.choice(BY_RECIPIENT)),
            lambda: says(OPM, few, chosen.choice(sorted(BY_SENDER))),
            lambda: writer.entry(Kind.CONSIGNED, letter=letter, recipients=numbers),
            lambda: writer.entry(
                Kind.OVERDUE, letter=letter, deadline=chosen.choice(list(Deadline)), due=late, silent=few
            ),
            lambda: writer.entry(
                Kind.DEADLINE_EXTENDED,
                letter=letter,
                deadline="registration",
                extended=[{"was": late, "due": late, "recipients": few}],
            ),
            lambda: writer.entry(Kind.READ, letter=letter, auditor="auditor-sample", what="show"),
        )
    )()


@pytest.mark.parametrize("seed", range(12))
def test_of_each_recipient_the_same_is_said_as_by_everything_that_was_said_of_the_letter(
    ledger: Ledger, seed: int
) -> None:
    router, chosen = rig.Router(ledger), Random(seed)
    router.activate(country())
    entry = sent(router, Receiver(group="many"))
    with ledger.append() as writer:
        for _ in range(60):
            goes_on(writer, entry.seq, chosen)
        row = writer.letter(entry.seq)
        assert row is not None
        goes_on(writer, entry.seq, chosen)  # not yet given to the database when it is asked
        within = {code: writer.state_with(row, code) for code in (*SOME, *STRANGERS)}
    with ledger.read() as reader:
        whole = reader.state_of(entry.seq)
        for code in (*SOME, *STRANGERS):
            one = reader.state_with(row, code)
            assert one == within[code]
            expected = {code: whole.recipients[code]} if code in whole.recipients else {}
            assert one.recipients == expected
            assert (one.sender, one.digest, one.received_at) == (
                whole.sender,
                whole.digest,
                whole.received_at,
            )
    assert any(one.events for one in whole.recipients.values())


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
def test_the_answers_of_the_others_are_passed_over_in_an_index(ledger: Ledger) -> None:
    router = rig.Router(ledger)
    router.activate(country())
    entry = sent(router, Receiver(group="many"))
    with ledger.read() as reader, asked(ledger) as statements:
        row = reader.letter(entry.seq)
        assert row is not None
        reader.state_with(row, MANY[0])
        (said,) = [one for one in statements if "UNION" in one[0]]
        plan = [
            row.detail for row in reader._connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {said[0]}", said[1])
        ]
    searched = [step for step in plan if "entries" in step]
    assert len(searched) == 2
    assert all("ix_entries_letter_seq_agency (letter=?" in step for step in searched), plan
