"""Letters through the e-CMS façade: in, once, and out, until the client has deleted them."""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest

from bus.documents.letter import Letter
from bus.documents.notice import Event
from bus.documents.xml import open_envelope, read
from bus.identifiers import RawDigest
from tests.assets.factory import NOBODY, OCS, OPM, SOC, notice
from tests.contract.ecms_rig import PDF, accepted, document, hear, offices, receive, served, until
from tests.unit.adapter.network import Office, sha


@pytest.fixture
def sender(tmp_path: Path) -> Iterator[Office]:
    with offices(tmp_path) as make:
        yield make(OPM)


@pytest.fixture
def recipient(tmp_path: Path) -> Iterator[Office]:
    with offices(tmp_path) as make:
        yield make(OCS)


def letter_in(office: Office, row: int = 0) -> Letter:
    found = read(open_envelope(office.mailbox.outbox.letters()[row].document).root)
    assert isinstance(found, Letter)
    return found


def test_a_letter_is_posted_and_posted_again_it_is_the_same_one(sender: Office) -> None:
    with served(sender) as client:
        first = client.out(document())
        assert first.error is None, first.content.decode()
        again = client.out(document(send_date="2026-11-22T10:20:00"))
        assert first.process_id == again.process_id
        assert first.value("GovernmentDocument/CorrespondenceLetter/Subject") == "ซักซ้อมความเข้าใจ"
        assert client.out(document(subject="อีกเรื่อง")).process_id != first.process_id
    assert len(sender.mailbox.outbox.letters()) == 2
    letter = letter_in(sender, -1)
    assert (letter.number, letter.speed, letter.kind) == ("นร 0105/ว 165", "004", "external")
    assert letter.content is not None
    assert letter.content.signers[0].family_name == "ตัวอย่าง"
    assert (letter.receivers[0].agency, letter.receivers[0].job_title) == (OCS, "เลขาธิการ")
    assert sender.mailbox.store.path(letter.main_file.digest).read_bytes() == PDF
    request = sender.mailbox.ecms.request_of(1)
    assert request is not None
    assert b"SOAP-ENV" in sender.mailbox.store.path(RawDigest(request.request_sha256)).read_bytes()


def test_the_head_stays_until_it_is_deleted(recipient: Office) -> None:
    receive(recipient, content=b"%PDF one")
    receive(recipient, content=b"%PDF two")
    with served(recipient) as client:
        first = client.pull()
        assert client.pull().process_id == first.process_id
        inner = "GovernmentDocument/CorrespondenceLetter/"
        assert base64.b64decode(first.value(inner + "MainLetterBinaryObject") or "") == b"%PDF one"
        assert client.delete(first.process_id).process_id == first.process_id
        second = client.pull()
        assert second.process_id != first.process_id
        assert client.delete(first.process_id).error is None
        assert client.pull().process_id == second.process_id
        client.delete(second.process_id)
        assert client.pull().kind is None
        assert client.delete("999999999999999999").error == "request.process-unknown"


def test_what_a_client_posts_wrongly_is_answered_with_a_code_and_words(sender: Office) -> None:
    wrong = {
        "request.sender-foreign": document(sender=SOC),
        "recipient.unknown": document(recipient=NOBODY),
        "secrecy.unsealed": document(secrecy="002"),
        "secrecy.excluded": document(secrecy="004"),
        "request.field-missing": document(subject=" "),
        "request.field-wrong": document(speed="009"),
        "file.media-type": document(files=(("application/zip", b"PK"),)),
        "request.file-broken": document().replace(
            'mimeCode="application/pdf">', 'mimeCode="application/pdf">*'
        ),
        "request.agency-code": document(recipient="123456"),
    }
    with served(sender) as client:
        for code, posted in wrong.items():
            answer = client.out(posted)
            assert answer.error == code
            assert answer.value("ErrorDetail/ErrorDescription")
        assert client.ask("<Sing/>").error == "request.unknown-operation"
    assert sender.mailbox.outbox.letters() == []
    assert list(sender.mailbox.store.partial.iterdir()) == []


def test_what_the_bus_refuses_is_told_at_once_or_later_and_may_be_posted_again(sender: Office) -> None:
    with served(sender) as client:
        first = client.out(document()).process_id
        row = sender.mailbox.outbox.letters()[0]
        row = sender.mailbox.outbox.seal(row, b"<signed/>", sha(b"<signed/>"))
        hear(sender, sender.bus.refusal(row))
        told = client.pull()
        assert (told.kind, told.value("InvalidLetterNotifier/LetterID")) == (
            "InvalidLetterNotifier",
            row.number,
        )
        statuses = client.ask("<OutboundStatusRequest/>")
        assert statuses.value("Outbound/ProcessStatus") == "REFUSED"
        again = client.out(document())
        assert again.process_id != first
        assert client.out(document()).process_id == again.process_id
    with served(sender, verdict_wait=60) as client, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.out, document(number="นร 0105/9"))
        until(lambda: sender.mailbox.outbox.letters()[0].number == "นร 0105/9")
        row = sender.mailbox.outbox.letters()[0]
        row = sender.mailbox.outbox.seal(row, b"<signed2/>", sha(b"<signed2/>"))
        hear(sender, sender.bus.refusal(row))
        assert asked.result(60).error == "recipient.unknown"
        client.delete(told.process_id)
        assert client.pull().kind is None


def test_a_letter_that_was_refused_by_its_recipient_is_replaced_when_it_is_posted_again(
    sender: Office,
) -> None:
    with served(sender) as client:
        client.out(document())
        row = accepted(sender)
        about = {"letter_id": UUID(row.document_id), "letter_digest": row.digest}
        hear(sender, sender.bus.notice(notice(Event.REFUSED, author=OCS, **about), entry=9))
        client.out(document())
    letter = letter_in(sender)
    assert letter.replaces is not None
    assert letter.replaces.digest == row.digest


def test_files_too_large_for_one_answer_are_named_on_a_page(recipient: Office) -> None:
    receive(recipient, content=b"%PDF" + b"x" * 1000)
    with served(recipient, largest_inline=500) as client:
        main = client.pull().value("GovernmentDocument/CorrespondenceLetter/MainLetterBinaryObject")
    page = base64.b64decode(main or "").decode()
    assert "1004 bytes" in page
    assert sha(b"%PDF" + b"x" * 1000) in page


def test_a_letter_of_many_megabytes_goes_in_and_out(sender: Office, recipient: Office) -> None:
    content = b"%PDF" + random.Random(1).randbytes(12_000_000) + b"%%EOF"
    with served(sender) as client:
        answer = client.out(document(files=(("application/pdf", content),)))
        assert answer.error is None
    assert letter_in(sender).main_file.digest == sha(content)
    receive(recipient, content=content)
    with served(recipient) as client:
        main = client.pull().value("GovernmentDocument/CorrespondenceLetter/MainLetterBinaryObject")
    assert base64.b64decode(main or "") == content
    with served(sender, largest_request=65536) as client:
        assert b"request.too-large" in client.raw(b"x" * 70000).content
