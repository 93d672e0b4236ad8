"""What clients of e-CMS say about letters, and what they are told: each once, by the life of a letter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from adapters.connectors.ecms.queue import Queue
from adapters.connectors.folder.connector import FolderConnector
from adapters.mailbox import InboxLetter, OutboxEntry
from bus.documents.notice import Event, Notice
from bus.documents.xml import open_envelope, read
from tests.assets.factory import OCS, OPM, notice, registration
from tests.contract.ecms_rig import Client, accepted, document, hear, offices, receive, served
from tests.unit.adapter.network import Office


@pytest.fixture
def sender(tmp_path: Path) -> Iterator[Office]:
    with offices(tmp_path) as make:
        yield make(OPM)


@pytest.fixture
def recipient(tmp_path: Path) -> Iterator[Office]:
    with offices(tmp_path) as make:
        yield make(OCS)


def said(office: Office, event: Event) -> list[Notice]:
    """The notices of that kind that the office has put out."""
    of_received = bool(office.mailbox.inbox.letters())
    rows = office.mailbox.notices.about(office.mailbox.inbox.letters()[0].letter_id) if of_received else []
    rows += [
        each
        for row in office.mailbox.outbox.letters()
        for each in office.mailbox.notices.about(row.own_letter_id)
    ]
    found = [office.mailbox.outbox.get(each.outbox) for each in rows if each.outbox and each.event == event]
    documents = [read(open_envelope(row.document).root) for row in found]
    return [each for each in documents if isinstance(each, Notice)]


def about(row: OutboxEntry | InboxLetter) -> dict[str, Any]:
    letter_id = row.letter_id if isinstance(row, InboxLetter) else row.document_id
    return {"letter_id": UUID(letter_id), "letter_digest": row.digest}


def tell(office: Office, event: Event, row: OutboxEntry | InboxLetter, entry: int, **more: Any) -> None:
    hear(office, office.bus.notice(notice(event, **(about(row) | more)), entry=entry))


def test_a_letter_is_received_registered_and_corrected_by_notifiers(recipient: Office) -> None:
    letter = receive(recipient)
    key = (letter.number or "", letter.date)
    with served(recipient) as client:
        got = client.notify("ReceiveLetterNotifier", *key)
        assert got.value("ReceiveLetterNotifier/AcceptDepartment/Code") == OCS
        first = client.notify("AcceptLetterNotifier", *key, AcceptID="๑๒๓/2569")
        assert first.error is None
        assert first.value("AcceptLetterNotifier/Subject") == letter.subject
        client.notify("AcceptLetterNotifier", *key, AcceptID="๑๒๓/2569")
        assert [
            each.registration.number for each in said(recipient, Event.REGISTERED) if each.registration
        ] == ["๑๒๓/2569"]
        assert client.notify("AcceptLetterNotifier", *key, AcceptID="124/2569").error is None
        last = said(recipient, Event.REGISTERED)[-1]
        assert last.supersedes is not None
        assert client.notify("RejectLetterNotifier", *key).error == "notice.not-possible"
        assert client.notify("AcceptLetterNotifier", "ที่ไม่มี 1/1", key[1], AcceptID="1").error == (
            "notice.letter-unknown"
        )
        assert client.notify("AcceptLetterNotifier", *key).error == "request.field-missing"


@pytest.mark.parametrize(
    ("kind", "event"),
    [("RejectLetterNotifier", Event.REFUSED), ("InvalidLetterNotifier", Event.MISDIRECTED)],
)
def test_a_letter_is_turned_away_once(recipient: Office, kind: str, event: Event) -> None:
    letter = receive(recipient)
    with served(recipient) as client:
        first = client.notify(kind, letter.number or "", letter.date)
        again = client.notify(kind, letter.number or "", letter.date)
        assert first.process_id == again.process_id
    (made,) = said(recipient, event)
    assert made.reason_code in ("other", "wrong-agency")


def test_a_client_is_told_what_becomes_of_a_letter_that_it_has_posted(sender: Office) -> None:
    with served(sender) as client:
        client.out(document())
        row = accepted(sender)
        tell(sender, Event.DELIVERED, row, 1)
        tell(sender, Event.REGISTERED, row, 2, registration=registration("77"))
        told = []
        while (item := client.pull()).kind:
            told.append((item.kind, item.value(f"{item.kind}/AcceptID")))
            assert item.value(f"{item.kind}/LetterID") == row.number
            assert item.value(f"{item.kind}/Subject") == row.subject
            assert item.value(f"{item.kind}/AcceptDepartment/Code") == OCS
            client.delete(item.process_id)
        assert told == [("ReceiveLetterNotifier", None), ("AcceptLetterNotifier", "77")]
        assert client.ask("<OutboundStatusRequest/>").value("Outbound/ProcessStatus") == "REGISTERED"
        special = client.ask(_special("AcceptLetterNotifier", row.number or "", row.date or ""))
        assert special.value("AcceptLetterNotifier/AcceptID") == "77"
        assert client.ask(_special("RejectLetterNotifier", row.number or "", row.date or "")).kind is None


def _special(kind: str, number: str, date: str) -> str:
    inner = f"<LetterID>{number}</LetterID><CorrespondenceDate>{date}</CorrespondenceDate>"
    name = "CorrespondenceLetterInboundSpecialRequest"
    return f"<{name}><{kind}>{inner}</{kind}></{name}>"


def test_a_wrong_receiving_number_is_disputed_both_ways(sender: Office, recipient: Office) -> None:
    with served(sender) as client:
        client.out(document())
        row = accepted(sender)
        tell(sender, Event.REGISTERED, row, 2, registration=registration("77"))
        key = (row.number or "", row.date or "")
        assert client.notify("InvalidAcceptIDNotifier", *key, AcceptID="78").error == "notice.number-other"
        assert client.notify("InvalidAcceptIdNotifier", *key, AcceptID="77").error is None
        assert len(said(sender, Event.NUMBER_DISPUTED)) == 1
    letter = receive(recipient)
    with served(recipient) as client:
        client.delete(client.pull().process_id)
        client.notify("AcceptLetterNotifier", letter.number or "", letter.date, AcceptID="9")
        tell(recipient, Event.NUMBER_DISPUTED, letter, 3, author=OPM, about=(OCS,))
        item = client.pull()
        assert item.value("InvalidAcceptIDNotifier/AcceptID") == "9"
        client.notify("AcceptLetterNotifier", letter.number or "", letter.date, AcceptID="9")


def _delete_document(client: Client, row: OutboxEntry) -> str | None:
    inner = (
        f"<LetterID>{row.number}</LetterID><CorrespondenceDate>{row.date}</CorrespondenceDate>"
        f"<SenderDepartment><Code>{OPM}</Code></SenderDepartment><AcceptDepartment><Code>{OCS}</Code></AcceptDepartment>"
    )
    name = "CorrespondenceDeleteGovernmentDocumentRequest"
    return client.ask(f"<{name}>{inner}</{name}>").error


def test_a_letter_is_asked_back_until_it_is_registered(sender: Office) -> None:
    with served(sender) as client:
        client.out(document())
        row = accepted(sender)
        assert _delete_document(client, row) is None
        assert _delete_document(client, row) is None
        assert len(said(sender, Event.WITHDRAWAL_REQUESTED)) == 1
        client.out(document(number="นร 0105/2"))
        row = accepted(sender)
        tell(sender, Event.REGISTERED, row, 2, registration=registration("77"))
        assert _delete_document(client, row) == "notice.withdrawal-too-late"


def test_a_letter_that_was_never_served_is_given_back_by_itself(recipient: Office) -> None:
    letter = receive(recipient)
    tell(recipient, Event.WITHDRAWAL_REQUESTED, letter, 3, author=OPM, about=(OCS,))
    with served(recipient) as client:
        assert client.pull().kind is None
    assert len(said(recipient, Event.WITHDRAWAL_GRANTED)) == 1


@pytest.mark.parametrize("why", ["served", "ask", "folder", "rest"])
def test_a_letter_that_somebody_may_have_seen_is_given_back_by_a_clerk_alone(
    recipient: Office, tmp_path: Path, why: str
) -> None:
    letter = receive(recipient)
    if why == "folder":
        FolderConnector(recipient.mailbox, tmp_path / "exchange").export_news()
    if why == "rest":
        recipient.mailbox.doors.lease("rest", letter.id, "sample", at=0, until=1)
    with served(recipient, withdrawal="ask" if why == "ask" else "unserved") as client:
        if why == "served":
            client.pull()
        tell(recipient, Event.WITHDRAWAL_REQUESTED, letter, 3, author=OPM, about=(OCS,))
        assert client.pull().kind == "GovernmentDocument"
    assert said(recipient, Event.WITHDRAWAL_GRANTED) == []


@pytest.mark.parametrize("how", ["served, skipped and to be served again", "skipped without being served"])
def test_a_letter_that_went_through_an_operators_hands_is_given_back_by_a_clerk_alone(
    recipient: Office, how: str
) -> None:
    letter = receive(recipient)
    queue = Queue(recipient.mailbox, grant_unserved=True, handover_failed=False)
    if how.startswith("served"):
        head = queue.pull()
        assert head is not None
        process = head.queued.process_id
        queue.skip(process, "ใหญ่เกินไป")
        assert queue.serve_again(process).served == 0
    else:
        queue.fill()
        head_of_queue = recipient.mailbox.ecms.head()
        assert head_of_queue is not None
        queue.skip(head_of_queue.process_id, "ใหญ่เกินไป")
    tell(recipient, Event.WITHDRAWAL_REQUESTED, letter, 3, author=OPM, about=(OCS,))
    queue.fill()
    assert said(recipient, Event.WITHDRAWAL_GRANTED) == []
    item = recipient.mailbox.ecms.of_letter(letter.id)
    assert item is not None
    assert item.skipped == (None if how.startswith("served") else "operator: ใหญ่เกินไป")


def test_the_lists_follow_the_directory_and_the_codes(sender: Office) -> None:
    with served(sender, code_digits=5) as client:
        listed = client.ask("<GetOrganizationList/>")
        codes = [each.text for each in listed.response.iter("OrganizationID")]
        assert OCS[:5] in codes
        assert {each.text for each in listed.response.iter("ECMS-URL")} == {client.url}
        assert client.ask("<GetSecretCodes/>").value("Code/Value") == "001"
        assert client.ask("<GetSpeedCodes/>").value("Code/Description") == "ปกติ"
        mimes = client.ask("<GetMimeCodes/>").response
        assert ("pdf", "application/pdf") in {(each[0].text, each[1].text) for each in mimes}
        assert (
            client.ask("<GetMinistryOrganizationList/>").value("MinistryOrganization/MinistryID") is not None
        )
        time = client.ask("<TimeCheckRequest/>").value("Time") or ""
        assert len(time) == len("2026-11-27T10:15:00")
