"""What clerks say about letters: once, about the right letter, with mistakes told at once."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from adapters.agent.verifying import Verifier
from adapters.mailbox import AlreadyPut, OutboxEntry, OutboxState
from adapters.mailbox.acts import Act, Verb, perform
from adapters.mailbox.lookup import LetterKey
from adapters.mailbox.mistakes import Mistaken
from adapters.mailbox.receipts import receipt
from bus.directory import BUS
from bus.documents.notice import Event, Notice
from bus.documents.xml import open_envelope, read
from bus.identifiers import AgencyCode
from tests.assets.factory import DGA, NOW, OCS, OPM, SOC, notice, registration, seal
from tests.unit.adapter.network import QUICK, Office, sha


def judge(office: Office) -> None:
    judge = Verifier(office.mailbox, seal(BUS).certificate, QUICK)
    while judge.work():
        pass
    assert office.mailbox.arrivals.quarantined() == []


def received(office: Office, content: bytes = b"%PDF sample", **changes: Any) -> LetterKey:
    """A letter that has been delivered."""
    first = [office.bus.directory()] if office.mailbox.directory() is None else []
    office.mailbox.arrivals.store([*first, office.bus.letter(office.signed(content, **changes))])
    judge(office)
    (row,) = office.mailbox.inbox.fetching(1e12, 10)
    stored = [file.position for file in office.mailbox.inbox.files(row.id)]
    office.mailbox.inbox.deliver(row.id, stored, *receipt(office.mailbox, row))
    return LetterKey(letter_id=row.letter_id)


def sent(office: Office, folder: Path, recipients: tuple[AgencyCode, ...] = (OCS,)) -> OutboxEntry:
    """A letter that has been accepted."""
    row = office.put(folder)
    office.mailbox.outbox.seal(row, b"<signed/>", sha(b"<signed/>"))
    office.mailbox.arrivals.store(
        [office.bus.directory(), office.bus.acceptance(office.mailbox.outbox.get(row.id), recipients)]
    )
    judge(office)
    return office.mailbox.outbox.get(row.id)


def said(row: OutboxEntry) -> Notice:
    document = read(open_envelope(row.document).root)
    assert isinstance(document, Notice)
    return document


def refused(office: Office, row: OutboxEntry) -> None:
    office.mailbox.outbox.seal(row, b"<signed/>", sha(b"<signed/>"))
    office.mailbox.arrivals.store([office.bus.refusal(office.mailbox.outbox.get(row.id))])
    judge(office)


def test_a_registration_names_letter_number_and_buddhist_year(recipient: Office) -> None:
    key = received(recipient)
    row = perform(recipient.mailbox, Act(verb=Verb.REGISTER, letter=key, number="๑๒", registered_at=NOW))
    statement = said(row)
    assert statement.registration is not None
    assert (statement.registration.number, statement.registration.year) == ("๑๒", NOW.year + 543)
    assert (str(statement.letter_id), statement.about) == (key.letter_id, (OCS,))
    assert statement.event_uri == "http://uri.etsi.org/19522/Event/ConsignmentAcceptance"
    state = recipient.mailbox.state_of_received(recipient.mailbox.inbox.letters()[0])
    assert (state.state, state.receiving_number) == ("registered", "๑๒")


def test_the_same_act_twice_is_one_act_and_another_answer_needs_a_correction(recipient: Office) -> None:
    key = received(recipient)
    first = perform(recipient.mailbox, Act(verb=Verb.REGISTER, letter=key, number="12"))
    assert perform(recipient.mailbox, Act(verb=Verb.REGISTER, letter=key, number="12")).id == first.id
    with pytest.raises(Mistaken, match="use correct"):
        perform(recipient.mailbox, Act(verb=Verb.REGISTER, letter=key, number="13"))
    with pytest.raises(Mistaken, match="use correct"):
        perform(recipient.mailbox, Act(verb=Verb.REFUSE, letter=key, reason_th="ไม่ใช่"))


def test_a_correction_supersedes_and_can_be_corrected_back(recipient: Office) -> None:
    key = received(recipient)
    rows = [perform(recipient.mailbox, Act(verb=Verb.REGISTER, letter=key, number="12"))]
    for number in ("21", "12"):
        act = Act(verb=Verb.CORRECT, letter=key, number=number)
        rows.append(perform(recipient.mailbox, act))
        assert perform(recipient.mailbox, act).id == rows[-1].id
    assert len({row.id for row in rows}) == 3
    assert [said(row).supersedes for row in rows] == [None, *(UUID(row.document_id) for row in rows[:2])]
    state = recipient.mailbox.state_of_received(recipient.mailbox.inbox.letters()[0])
    assert state.receiving_number == "12"


def test_a_refusal_that_the_bus_refused_can_be_said_again(recipient: Office) -> None:
    key = received(recipient)
    act = Act(verb=Verb.REFUSE, letter=key, reason_code="wrong-agency")
    first = perform(recipient.mailbox, act)
    refused(recipient, first)
    again = perform(recipient.mailbox, act)
    assert again.id != first.id
    assert again.state == OutboxState.WAITING


def test_the_offices_own_key_never_stands_for_two_acts(recipient: Office) -> None:
    one, other = received(recipient), received(recipient, b"%PDF other")
    act = Act(verb=Verb.REGISTER, letter=one, number="1", reference="case 7")
    first = perform(recipient.mailbox, act)
    assert perform(recipient.mailbox, act).id == first.id
    with pytest.raises(AlreadyPut):
        perform(recipient.mailbox, Act(verb=Verb.REGISTER, letter=other, number="2", reference="case 7"))


def test_a_letter_is_found_by_its_number_in_either_digits_and_its_date(recipient: Office) -> None:
    received(recipient, b"%PDF 1", number="นร ๐๕๐๕/ ๑๖๕", date=date(2025, 3, 1))
    received(recipient, b"%PDF 2", number="นร 0505/165", date=date(2026, 3, 1))
    with pytest.raises(Mistaken, match="more than one"):
        perform(
            recipient.mailbox, Act(verb=Verb.REGISTER, letter=LetterKey(number="นร 0505/165"), number="1")
        )
    key = LetterKey(number="นร 0505 /165", date=date(2025, 3, 1))
    row = perform(recipient.mailbox, Act(verb=Verb.REGISTER, letter=key, number="1"))
    assert said(row).letter_id == UUID(
        next(each.letter_id for each in recipient.mailbox.inbox.letters() if each.date == "2025-03-01")
    )
    with pytest.raises(Mistaken, match="no letter"):
        perform(recipient.mailbox, Act(verb=Verb.REGISTER, letter=LetterKey(number="นร 1/1"), number="1"))


def test_nothing_is_said_of_a_letter_that_is_not_complete(recipient: Office) -> None:
    recipient.mailbox.arrivals.store([recipient.bus.directory(), recipient.bus.letter(recipient.signed())])
    judge(recipient)
    (row,) = recipient.mailbox.inbox.letters()
    act = Act(verb=Verb.REGISTER, letter=LetterKey(letter_id=row.letter_id), number="1")
    with pytest.raises(Mistaken, match="fetching"):
        perform(recipient.mailbox, act)


def test_every_mistake_of_an_act_is_told_at_once(recipient: Office) -> None:
    act = Act(verb=Verb.REGISTER, letter=received(recipient), reason_code="because")
    with pytest.raises(Mistaken) as caught:
        perform(recipient.mailbox, act)
    assert {each.where for each in caught.value.mistakes} == {"number", "reason_code"}


def test_a_withdrawal_is_answered_only_where_one_was_asked_for(recipient: Office) -> None:
    key = received(recipient)
    with pytest.raises(Mistaken, match="not asked"):
        perform(recipient.mailbox, Act(verb=Verb.GRANT, letter=key))
    (row,) = recipient.mailbox.inbox.letters()
    about = {"letter_id": UUID(row.letter_id), "letter_digest": row.digest}
    recipient.mailbox.arrivals.store(
        [recipient.bus.notice(notice(Event.WITHDRAWAL_REQUESTED, author=OPM, **about))]
    )
    judge(recipient)
    granted = perform(recipient.mailbox, Act(verb=Verb.GRANT, letter=key))
    assert perform(recipient.mailbox, Act(verb=Verb.GRANT, letter=key)).id == granted.id
    assert recipient.mailbox.state_of_received(row).state == "withdrawn"


def test_a_dispute_needs_a_registration_and_closes_with_its_correction(
    sender: Office, tmp_path: Path
) -> None:
    row = sent(sender, tmp_path)
    dispute = Act(verb=Verb.DISPUTE, letter=LetterKey(reference=row.reference), reason_th="เลขซ้ำ")
    with pytest.raises(Mistaken, match="registered"):
        perform(sender.mailbox, dispute)
    about = {"letter_id": UUID(row.document_id), "letter_digest": row.digest}
    wrong = notice(Event.REGISTERED, registration=registration("21"), **about)
    sender.mailbox.arrivals.store([sender.bus.notice(wrong)])
    judge(sender)
    first = perform(sender.mailbox, dispute)
    assert perform(sender.mailbox, dispute).id == first.id
    assert sender.mailbox.states_of_sent(row)[0].disputed
    right = notice(Event.REGISTERED, registration=registration("12"), supersedes=wrong.notice_id, **about)
    sender.mailbox.arrivals.store([sender.bus.notice(right)])
    judge(sender)
    (state,) = sender.mailbox.states_of_sent(row)
    assert (state.receiving_number, state.disputed) == ("12", False)
    assert perform(sender.mailbox, dispute).id != first.id, "the new number may be disputed, too"


def test_a_sender_speaks_of_its_recipients_only(sender: Office, tmp_path: Path) -> None:
    row = sent(sender, tmp_path, (OCS, SOC))
    key = LetterKey(letter_id=row.own_letter_id)
    with pytest.raises(Mistaken, match=DGA):
        perform(sender.mailbox, Act(verb=Verb.WITHDRAW, letter=key, recipients=(OCS, DGA)))
    asked = perform(sender.mailbox, Act(verb=Verb.WITHDRAW, letter=key, recipients=(SOC,)))
    assert said(asked).about == (SOC,)
    settled = perform(sender.mailbox, Act(verb=Verb.SETTLE, letter=key, recipients=(OCS,), means="paper"))
    assert said(settled).other_means is not None
    states = {each.agency: each for each in sender.mailbox.states_of_sent(row)}
    assert states[SOC].withdrawal == "requested"
    assert states[OCS].state == "settled"


def test_words_of_strangers_change_no_state(sender: Office, tmp_path: Path) -> None:
    row = sent(sender, tmp_path, (OCS,))
    about = {"letter_id": UUID(row.document_id), "letter_digest": row.digest}
    for event in (Event.REFUSED, Event.WITHDRAWAL_GRANTED, Event.SETTLED):
        sender.mailbox.arrivals.store([sender.bus.notice(notice(event, author=SOC, about=(OCS,), **about))])
    judge(sender)
    assert sender.mailbox.states_of_sent(row)[0].state == "accepted"
