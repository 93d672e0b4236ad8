"""In which version an adapter writes: the newest that all to whom a document goes read, and nothing is dropped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from adapters import views
from adapters.agent.verifying import Verifier
from adapters.mailbox import OutboxEntry, OutboxState
from adapters.mailbox.acts import Act, Verb, perform
from adapters.mailbox.lookup import LetterKey
from adapters.mailbox.mistakes import Mistaken
from adapters.mailbox.receipts import receipt
from adapters.mailbox.versions import Unread, version_for
from bus.directory import BUS, Directory, Group, Topic
from bus.documents.letter import Letter, Receiver
from bus.documents.notice import Event, Notice, Officer, ReasonText
from bus.documents.versions import VERSIONS
from bus.documents.xml import open_envelope, read
from bus.errors import RefusalCode
from bus.identifiers import AgencyCode
from tests.assets.digests import SOME_BYTES
from tests.assets.factory import DGA, NOBODY, OCS, OPM, SOC, letter, notice, seal
from tests.unit.adapter.network import QUICK, Office, directory, until
from tests.unit.adapter.test_folder import LETTER, connector, lay_out, letters

BOTH = tuple(VERSIONS)
GROUP = Group(id="all", name_th="ทุกหน่วยงาน", name_en="All", members=(OPM, OCS, SOC, DGA))
TOPIC = Topic(id="news", name_th="ข่าว", name_en="News", subscribers=(SOC, DGA))

UNIT = AgencyCode("0900000001")


def reading(*codes: str, version: int = 1, unit_of: AgencyCode = DGA) -> Directory:
    """The network's directory, in which these agencies read all versions and the others the first."""
    agencies = {
        code: replace(one, reads=BOTH) if code in codes else one for code, one in directory().agencies.items()
    }
    agencies[UNIT] = replace(agencies[OCS], code=UNIT, inbox=False, parent=unit_of, certificates=())
    return directory(version, agencies=agencies, groups={"all": GROUP}, topics={"news": TOPIC})


def hear(office: Office, *messages: Any) -> None:
    office.mailbox.arrivals.store(messages)
    verifier = Verifier(office.mailbox, seal(BUS).certificate, QUICK)
    while verifier.work():
        pass
    assert office.mailbox.arrivals.quarantined() == []


def to(*receivers: Receiver, **changes: Any) -> Letter:
    return letter(receivers=receivers, **changes)


@pytest.mark.parametrize(
    ("receivers", "wanted"),
    [
        ((Receiver(agency=SOC),), "letter/1.1"),
        ((Receiver(agency=OCS),), "letter/1.0"),
        ((Receiver(agency=SOC), Receiver(agency=OCS, role="copy")), "letter/1.0"),
        ((Receiver(group="all"),), "letter/1.0"),
        ((Receiver(topic="news"),), "letter/1.1"),
        ((Receiver(agency=UNIT),), "letter/1.1"),
        ((Receiver(agency=SOC), Receiver(agency=NOBODY)), "letter/1.1"),
        ((Receiver(agency=NOBODY),), "letter/1.0"),
    ],
)
def test_a_letter_is_written_in_the_newest_version_that_all_its_recipients_read(
    sender: Office, receivers: tuple[Receiver, ...], wanted: str
) -> None:
    assert version_for(sender.mailbox, to(*receivers)).name == "letter/1.0"  # there is no directory yet
    hear(sender, sender.bus.directory(reading(OPM, SOC, DGA)))
    assert version_for(sender.mailbox, to(*receivers)).name == wanted


@pytest.mark.parametrize(("codes", "wanted"), [((OCS, SOC, DGA), "1.0"), ((OPM, OCS, SOC, DGA), "1.1")])
def test_nothing_is_written_in_a_version_that_this_agency_does_not_read_itself(
    sender: Office, codes: tuple[str, ...], wanted: str
) -> None:
    hear(sender, sender.bus.directory(reading(*codes)))
    assert version_for(sender.mailbox, to(Receiver(group="all"))).number == wanted


def test_recipients_without_a_common_version_are_named(sender: Office) -> None:
    known = reading(SOC)
    only = {DGA: replace(known.agencies[DGA], reads=("letter/1.1", "notice/1.1"))}
    hear(sender, sender.bus.directory(replace(known, agencies={**known.agencies, **only})))
    with pytest.raises(Unread) as caught:
        version_for(sender.mailbox, to(Receiver(agency=OCS), Receiver(agency=DGA)))
    assert caught.value.detail == f"(letter/1.0): {DGA}"


async def test_the_row_has_the_digest_of_the_version_that_was_sealed(sender: Office, tmp_path: Path) -> None:
    row = sender.put(tmp_path, receivers=(Receiver(agency=SOC),))
    hear(sender, sender.bus.directory(reading(OPM, SOC)))
    sender.broker.answer = lambda _: sender.hear(
        sender.bus.acceptance(sender.mailbox.outbox.get(row.id), recipients=(SOC,))
    )
    async with sender.running():
        await until(lambda: sender.mailbox.outbox.get(row.id).state is OutboxState.ACCEPTED)
    envelope = open_envelope(sender.broker.published[0].body)
    after = sender.mailbox.outbox.get(row.id)
    assert envelope.version.name == "letter/1.1"
    assert after.digest == envelope.digest != row.digest
    assert (after.document, after.content_key) == (row.document, row.content_key)


async def test_a_letter_that_a_recipient_cannot_read_fails_by_name_and_goes_once_it_can(
    sender: Office, tmp_path: Path
) -> None:
    row = sender.put(tmp_path, document_type="minutes")
    hear(sender, sender.bus.directory(reading(OPM, SOC)))
    async with sender.running():
        refused = await until(
            lambda: one if (one := sender.mailbox.outbox.get(row.id)).state is OutboxState.REFUSED else None
        )
    assert refused.refusal == RefusalCode.TYPE_UNREAD_VERSION
    assert refused.refusal_detail == f"DocumentTypeCode (letter/1.1): {OCS}"
    assert sender.broker.published == []
    hear(sender, sender.bus.directory(reading(OPM, SOC, OCS, version=2)))
    async with sender.running():
        await until(lambda: sender.broker.published)
    envelope = open_envelope(sender.broker.published[0].body)
    assert envelope.version.name == "letter/1.1"


async def test_what_the_bus_refused_for_its_version_is_written_anew_with_the_next_directory(
    sender: Office, tmp_path: Path
) -> None:
    row = sender.put(tmp_path)
    hear(sender, sender.bus.directory(reading(OPM, OCS)))
    sender.broker.answer = lambda _: sender.hear(
        sender.bus.refusal(sender.mailbox.outbox.get(row.id), RefusalCode.TYPE_UNREAD_VERSION)
    )
    async with sender.running():
        await until(lambda: sender.mailbox.outbox.get(row.id).state is OutboxState.REFUSED)
        sender.broker.answer = lambda _: None
        sender.hear(sender.bus.directory(reading(version=2)))
        await until(lambda: len({each.body for each in sender.broker.published}) == 2)
    versions = {open_envelope(each.body).version.name: each.message_id for each in sender.broker.published}
    assert versions == {"letter/1.1": row.document_id, "letter/1.0": row.document_id}


def received(office: Office, known: Directory) -> LetterKey:
    """A letter of OPM that has been delivered to this office."""
    hear(office, office.bus.directory(known), office.bus.letter(office.signed()))
    (row,) = office.mailbox.inbox.fetching(1e12, 10)
    stored = [file.position for file in office.mailbox.inbox.files(row.id)]
    office.mailbox.inbox.deliver(row.id, stored, *receipt(office.mailbox, row))
    return LetterKey(letter_id=row.letter_id)


def said(row: OutboxEntry) -> Notice:
    document = read(open_envelope(row.document).root)
    assert isinstance(document, Notice)
    return document


@pytest.mark.parametrize(
    ("codes", "wanted"), [((OPM, OCS), "notice/1.1"), ((OCS, SOC), "notice/1.0"), ((OPM,), "notice/1.0")]
)
def test_a_recipients_notice_is_written_for_the_letters_sender(
    recipient: Office, codes: tuple[str, ...], wanted: str
) -> None:
    key = received(recipient, reading(*codes))
    row = perform(recipient.mailbox, Act(verb=Verb.REGISTER, letter=key, number="1"))
    assert version_for(recipient.mailbox, said(row)).name == wanted


@pytest.mark.parametrize(
    ("about", "wanted"), [((SOC,), "notice/1.1"), ((), "notice/1.0"), ((OCS, SOC), "notice/1.0")]
)
def test_a_senders_notice_is_written_for_the_recipients_concerned(
    sender: Office, tmp_path: Path, about: tuple[str, ...], wanted: str
) -> None:
    row = sender.put(tmp_path, receivers=(Receiver(agency=OCS), Receiver(agency=SOC)))
    hear(sender, sender.bus.directory(reading(OPM, SOC)))
    sealed = sender.mailbox.outbox.seal(row, b"<signed/>", SOME_BYTES)
    hear(sender, sender.bus.acceptance(sealed, recipients=(OCS, SOC)))
    settled = notice(Event.SETTLED, author=OPM, letter_id=UUID(row.document_id), about=about)
    assert version_for(sender.mailbox, settled).name == wanted


def test_the_officer_who_did_it_is_told_where_the_sender_reads_of_it_and_is_a_mistake_elsewhere(
    recipient: Office,
) -> None:
    key = received(recipient, reading(OCS, SOC))
    act = Act(verb=Verb.REFUSE, letter=key, reason_th="ไม่เกี่ยวข้อง", officer="สมศรี", officer_title="นักจัดการ")
    with pytest.raises(Mistaken) as caught:
        perform(recipient.mailbox, act)
    (mistake,) = caught.value.mistakes
    assert (mistake.where, f"Officer (notice/1.1): {OPM}" in mistake.en) == ("officer", True)
    hear(recipient, recipient.bus.directory(reading(OPM, OCS, version=2)))
    assert said(perform(recipient.mailbox, act)).officer == Officer(name="สมศรี", job_title="นักจัดการ")


def test_an_office_is_shown_what_version_1_1_says_more(sender: Office, tmp_path: Path) -> None:
    row = sender.put(tmp_path, receivers=(Receiver(agency=SOC),), document_type="minutes")
    assert views.content(row.document)["document_type"] == "minutes"
    hear(sender, sender.bus.directory(reading(OPM, SOC)))
    sealed = sender.mailbox.outbox.seal(row, b"<signed/>", SOME_BYTES)
    refused = notice(
        Event.REFUSED,
        author=SOC,
        letter_id=UUID(row.document_id),
        letter_digest=row.digest,
        officer=Officer(name="สมศรี", job_title="นักจัดการ"),
        reason_texts=(ReasonText(language="th", value="ไม่เกี่ยวข้อง"),),
    )
    hear(sender, sender.bus.acceptance(sealed, recipients=(SOC,)), sender.bus.notice(refused))
    (heard,) = [one for one in sender.mailbox.notices.about(row.own_letter_id) if one.event == Event.REFUSED]
    assert views.said(sender.mailbox, heard)["officer"] == "สมศรี, นักจัดการ"


def test_a_position_without_a_name_is_a_mistake(recipient: Office) -> None:
    key = received(recipient, reading(OPM))
    with pytest.raises(Mistaken) as caught:
        perform(recipient.mailbox, Act(verb=Verb.OPENED, letter=key, officer_title="นักจัดการ"))
    assert caught.value.mistakes[0].where == "officer"


@pytest.mark.parametrize(("codes", "fits"), [((OPM, OCS), True), ((OPM,), False)])
def test_a_manifest_with_a_document_type_is_told_who_does_not_read_it(
    sender: Office, tmp_path: Path, codes: tuple[str, ...], fits: bool
) -> None:
    hear(sender, sender.bus.directory(reading(*codes)))
    exchange = tmp_path / "exchange"
    link = connector(sender, exchange)
    lay_out(exchange, "order", LETTER | {"to": [OCS], "copy": [], "document_type": "order"})
    assert link.import_new() == 1
    assert [each.document_type for each in letters(sender.mailbox)] == (["order"] if fits else [])
    if not fits:
        reason = (exchange / "failed" / "order.reason.txt").read_text(encoding="utf-8")
        assert reason.count("- document_type:") == 2
        assert reason.count(f"DocumentTypeCode (letter/1.1): {OCS}") == 2
