"""A letter's state follows the ledger's numbers and not the order of hearing; an id belongs to its author."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from adapters.agent.tuning import Clock
from adapters.agent.verifying import Verifier
from adapters.connectors.folder.connector import FolderConnector
from adapters.mailbox import OutboxEntry, OutboxState, tables
from adapters.mailbox.acts import Act, Verb, perform
from adapters.mailbox.lookup import LetterKey
from adapters.mailbox.mistakes import Mistaken
from adapters.mailbox.receipts import receipt
from bus.documents.letter import Receiver
from bus.documents.notice import BUS, Event, Notice
from bus.documents.xml import open_envelope, read
from bus.identifiers import AgencyCode, as_letter_id
from tests.assets import factory
from tests.assets.factory import NOW, OCS, OPM, SOC, notice, registration, seal
from tests.unit.adapter.network import QUICK, Office, sha


def judge(office: Office) -> None:
    judge = Verifier(
        office.mailbox, seal(BUS).certificate, QUICK, own=seal(office.mailbox.agency).certificate
    )
    while judge.work():
        pass
    assert office.mailbox.arrivals.quarantined() == []


def hear(office: Office, *messages: Any) -> None:
    office.mailbox.arrivals.store(messages)
    judge(office)


def sent(office: Office, folder: Path) -> OutboxEntry:
    """A letter to OCS that the bus has accepted."""
    row = office.put(folder)
    row = office.mailbox.outbox.seal(row, b"<signed/>", sha(b"<signed/>"))
    hear(office, office.bus.directory(), office.bus.acceptance(row, (OCS,)))
    return office.mailbox.outbox.get(row.id)


def received(office: Office, sender: AgencyCode, letter_id: UUID, content: bytes) -> str:
    """A letter of this sender under this id, delivered; its digest."""
    first = [office.bus.directory()] if office.mailbox.directory() is None else []
    signed = office.signed(
        content,
        sender,
        letter_id=letter_id,
        sender=factory.sender(sender),
        receivers=(Receiver(agency=OCS),),
    )
    hear(office, *first, office.bus.letter(signed, sender))
    (row,) = office.mailbox.inbox.fetching(1e12, 10)
    stored = [file.position for file in office.mailbox.inbox.files(row.id)]
    office.mailbox.inbox.deliver(row.id, stored, *receipt(office.mailbox, row))
    return signed.digest


def said(row: OutboxEntry) -> Notice:
    document = read(open_envelope(row.document).root)
    assert isinstance(document, Notice)
    return document


# ---- the ledger's order --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_a_senders_view_is_the_same_in_whatever_order_notices_are_heard(
    sender: Office, tmp_path: Path, order: tuple[int, ...]
) -> None:
    about: dict[str, Any] = {"letter_id": UUID((row := sent(sender, tmp_path)).document_id)}
    about["letter_digest"] = row.digest
    ids = [uuid4() for _ in range(3)]
    numbers = [
        notice(
            Event.REGISTERED,
            notice_id=id_,
            supersedes=ids[place - 1] if place else None,
            registration=registration(str(place)),
            **about,
        )
        for place, id_ in enumerate(ids)
    ]
    history = [notice(Event.DELIVERED, **about), *numbers]
    for place in order:
        hear(sender, sender.bus.notice(history[place], entry=100 + place))
    (state,) = sender.mailbox.states_of_sent(row)
    assert (state.state, state.receiving_number) == ("registered", "2")
    assert state.delivered_at is not None


@pytest.mark.parametrize("declined_first", [True, False])
def test_a_recipients_view_of_a_withdrawal_is_the_ledgers(recipient: Office, declined_first: bool) -> None:
    """Declined, asked for again, and granted: heard as it was, or the second request before the first answer."""
    digest = received(recipient, OPM, id_ := uuid4(), b"%PDF one")
    about: dict[str, Any] = {"letter_id": id_, "letter_digest": digest}
    messages = [
        recipient.bus.notice(notice(Event.WITHDRAWAL_REQUESTED, author=OPM, about=(OCS,), **about), entry=50),
        recipient.bus.notice(notice(Event.WITHDRAWAL_DECLINED, author=OCS, **about), entry=51),
        recipient.bus.notice(notice(Event.WITHDRAWAL_REQUESTED, author=OPM, about=(OCS,), **about), entry=52),
    ]
    hear(recipient, *(messages if declined_first else reversed(messages)))
    (row,) = recipient.mailbox.inbox.letters()
    assert recipient.mailbox.state_of_received(row).withdrawal == "requested"


def test_an_older_refusal_that_comes_late_changes_nothing(sender: Office, tmp_path: Path) -> None:
    row = sender.put(tmp_path)
    row = sender.mailbox.outbox.seal(row, b"<signed/>", sha(b"<signed/>"))
    early, late = sender.bus.refusal(row, "file.missing"), sender.bus.refusal(row, "recipient.unknown")
    hear(sender, sender.bus.directory(), late)
    assert sender.mailbox.outbox.get(row.id).refusal == "recipient.unknown"
    hear(sender, early)
    assert sender.mailbox.outbox.get(row.id).refusal == "recipient.unknown"
    hear(sender, sender.bus.acceptance(row))
    assert sender.mailbox.outbox.get(row.id).state == OutboxState.ACCEPTED


def test_refusals_for_a_lost_file_that_come_before_it_is_there_again_leave_the_letter_to_be_sent(
    sender: Office, tmp_path: Path
) -> None:
    row = sender.put(tmp_path)
    row = sender.mailbox.outbox.seal(row, b"<signed/>", sha(b"<signed/>"))
    hear(sender, sender.bus.directory(), *(sender.bus.refusal(row, "file.missing") for _ in range(2)))
    assert sender.mailbox.outbox.get(row.id).state == OutboxState.SEALED
    assert not sender.mailbox.news.after(0, 10)


def test_what_clerks_say_of_one_letter_is_sent_one_after_another(recipient: Office) -> None:
    received(recipient, OPM, one := uuid4(), b"%PDF one")
    received(recipient, OPM, two := uuid4(), b"%PDF two")
    box = recipient.mailbox.outbox

    def acts(*numbers: str, letter: UUID) -> list[int]:
        key = LetterKey(letter_id=as_letter_id(letter))
        verbs = (Verb.REGISTER, *[Verb.CORRECT] * (len(numbers) - 1))
        return [
            perform(recipient.mailbox, Act(verb=verb, letter=key, number=number)).id
            for verb, number in zip(verbs, numbers, strict=True)
        ]

    of_one, of_two = acts("1", "2", "3", letter=one), acts("4", letter=two)
    clerks = {*of_one, *of_two}

    def due() -> list[int]:
        return [row.id for row in box.due(1e12, 100) if row.id in clerks]

    assert due() == [of_one[0], *of_two]
    for place, row in enumerate(of_one):
        sealed = box.seal(box.get(row), b"<%d/>" % place, sha(b"<%d/>" % place))
        hear(recipient, recipient.bus.entry(sealed))
        assert due() == [*of_one[place + 1 : place + 2], *of_two] or due() == [
            *of_two,
            *of_one[place + 1 : place + 2],
        ]


# ---- an id belongs to its author -----------------------------------------------------------------------------------


def test_two_letters_under_one_id_are_answered_each_for_itself(recipient: Office, tmp_path: Path) -> None:
    """SOC has chosen the id of a letter that OPM had sent to both: acts and withdrawals find the right one."""
    id_ = uuid4()
    digests = {code: received(recipient, code, id_, f"%PDF {code}".encode()) for code in (OPM, SOC)}
    with pytest.raises(Mistaken, match=f"{OPM}|{SOC}"):
        perform(
            recipient.mailbox,
            Act(verb=Verb.REGISTER, letter=LetterKey(letter_id=as_letter_id(id_)), number="1"),
        )
    asked = notice(
        Event.WITHDRAWAL_REQUESTED, author=SOC, letter_id=id_, letter_digest=digests[SOC], about=(OCS,)
    )
    hear(recipient, recipient.bus.notice(asked, entry=90))
    with pytest.raises(Mistaken, match="has not asked"):
        perform(
            recipient.mailbox, Act(verb=Verb.GRANT, letter=LetterKey(letter_id=as_letter_id(id_), sender=OPM))
        )
    granted = perform(
        recipient.mailbox, Act(verb=Verb.GRANT, letter=LetterKey(letter_id=as_letter_id(id_), sender=SOC))
    )
    assert said(granted).letter_digest == digests[SOC]
    key = LetterKey(letter_id=as_letter_id(id_), sender=OPM)
    registered = perform(recipient.mailbox, Act(verb=Verb.REGISTER, letter=key, number="1"))
    assert said(registered).letter_digest == digests[OPM]
    states = {
        row.sender: recipient.mailbox.state_of_received(row) for row in recipient.mailbox.inbox.letters()
    }
    assert {code: one.state for code, one in states.items()} == {OPM: "registered", SOC: "withdrawn"}
    news = [told for told in shown(recipient, tmp_path) if told.get("event") == "withdrawal-requested"]
    assert [told["letter"]["sender"]["code"] for told in news] == [SOC]


def test_a_withdrawal_of_a_letter_under_the_id_of_one_of_ours_is_shown_with_that_letter(
    recipient: Office, tmp_path: Path
) -> None:
    ours = recipient.put(tmp_path, sender=factory.sender(OCS), receivers=(Receiver(agency=SOC),))
    id_ = UUID(ours.document_id)
    digest = received(recipient, SOC, id_, b"%PDF theirs")
    asked = notice(Event.WITHDRAWAL_REQUESTED, author=SOC, letter_id=id_, letter_digest=digest, about=(OCS,))
    hear(recipient, recipient.bus.notice(asked, entry=90))
    (told,) = [one for one in shown(recipient, tmp_path) if one.get("event") == "withdrawal-requested"]
    assert "reference" not in told
    assert told["letter"]["digest"] == digest


def shown(office: Office, tmp_path: Path) -> list[dict[str, Any]]:
    folder = tmp_path / "office"
    for name in ("inbox", "receipts"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for sha256, content in office.depot.held.items():
        place = office.mailbox.store.path(sha256)
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(content)
    FolderConnector(office.mailbox, folder).export_news()
    return [json.loads(file.read_text()) for file in sorted((folder / "receipts").glob("*.json"))]


def test_a_notice_under_an_id_that_somebody_else_has_used_is_heard(sender: Office, tmp_path: Path) -> None:
    """A co-recipient takes the id that another's receipt will have: it is made of what everybody knows."""
    row = sent(sender, tmp_path)
    about: dict[str, Any] = {"letter_id": UUID(row.document_id), "letter_digest": row.digest}
    taken = uuid4()
    squatted = notice(Event.MISDIRECTED, author=SOC, notice_id=taken, **about)
    hear(sender, sender.bus.notice(squatted, entry=80))
    hear(sender, sender.bus.notice(notice(Event.DELIVERED, author=OCS, notice_id=taken, **about), entry=81))
    (state,) = sender.mailbox.states_of_sent(row)
    assert state.state == "delivered"


# ---- clocks, layouts -----------------------------------------------------------------------------------------------


def test_a_clock_that_is_put_back_is_noticed_once_and_one_that_goes_on_never() -> None:
    times = iter([1000.0, 1000.5, 400.0, 400.5, 5000.0, 5000.5])
    steady = iter([0.0, 0.5, 1.0, 1.5, 2.0, 2.5])
    clock = Clock(lambda: next(times), lambda: next(steady))
    assert [clock.put_back() for _ in range(5)] == [False, True, False, False, False]


def test_what_was_put_off_is_pulled_in_when_the_clock_is_put_back(sender: Office, tmp_path: Path) -> None:
    row = sender.put(tmp_path)
    in_ten_minutes = NOW.timestamp() + 600
    with sender.mailbox._database.writing() as connection:
        connection.execute(tables.outbox.update().values(next_attempt_at=in_ten_minutes))
    assert sender.mailbox.outbox.due(NOW.timestamp(), 10) == []
    sender.mailbox.pull_in(NOW.timestamp())
    assert [each.id for each in sender.mailbox.outbox.due(NOW.timestamp(), 10)] == [row.id]
