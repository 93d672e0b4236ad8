"""Seals, letters and notices for the tests: keys are made at run time, once per process; persons are samples."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import Any
from uuid import UUID, uuid4

from bus.directory import PinnedCertificate
from bus.documents.letter import (
    Contact,
    Content,
    Enclosure,
    Extension,
    File,
    Letter,
    Receiver,
    Reference,
    Replaces,
    SealedContent,
    Sender,
    Signer,
)
from bus.documents.making import new_seal
from bus.documents.notice import BUS, Event, Notice, Officer, OtherMeans, ReasonText, Registration, Terms
from bus.documents.recipients import Recipient, RecipientSet
from bus.documents.seal import Seal
from bus.documents.signing import Signed, sign
from bus.identifiers import AgencyCode, RawDigest
from bus.thai import BANGKOK
from tests.assets.digests import SOME_BYTES, SOME_CONTENT
from tests.assets.keys import new_key, unfit_seal

OPM, OCS, SOC = map(AgencyCode, ("0100100000", "0100900000", "0100500000"))
OCSC, OPDC, DGA, ETDA = map(AgencyCode, ("0101100000", "0102100000", "1100800000", "1100700000"))
NOBODY = AgencyCode("9999999999")
"""In no directory."""
NAMES = {
    OPM: "สำนักงานปลัดสำนักนายกรัฐมนตรี",
    OCS: "สำนักงานคณะกรรมการกฤษฎีกา",
    SOC: "สำนักเลขาธิการคณะรัฐมนตรี",
    OCSC: "สำนักงานคณะกรรมการข้าราชการพลเรือน",
    OPDC: "สำนักงานคณะกรรมการพัฒนาระบบราชการ",
    DGA: "สำนักงานพัฒนารัฐบาลดิจิทัล (องค์การมหาชน)",
    ETDA: "สำนักงานพัฒนาธุรกรรมทางอิเล็กทรอนิกส์",
}
DAY = dt.timedelta(days=1)
NOW = dt.datetime.now(BANGKOK).replace(microsecond=0)
"""The time at which the tests of this process judge."""


# Seals -----------------------------------------------------------------------------------------------------------


def seal(name: str = OPM) -> Seal:
    """The P-256 seal of an agency, or of the bus; always the same for one name."""
    return _seal(name)


@cache
def _seal(name: str) -> Seal:
    return new_seal(name)


@cache
def rsa_seal() -> Seal:
    return new_seal("rsa2048", key=new_key("rsa2048"))


@cache
def rsa_1024_seal() -> Seal:
    return unfit_seal("rsa1024", new_key("rsa1024"))


@cache
def p384_seal() -> Seal:
    return new_seal("p384", key=new_key("p384"))


@cache
def rsa_3072_seal() -> Seal:
    return new_seal("rsa3072", key=new_key("rsa3072"))


@cache
def secp256k1_seal() -> Seal:
    return unfit_seal("secp256k1", new_key("secp256k1"))


@cache
def p521_seal() -> Seal:
    return unfit_seal("p521", new_key("p521"))


@cache
def expired_seal() -> Seal:
    return new_seal("expired", not_before=NOW - 20 * DAY, not_after=NOW - 10 * DAY)


@cache
def future_seal() -> Seal:
    return new_seal("future", not_before=NOW + 10 * DAY, not_after=NOW + 20 * DAY)


@cache
def seal_not_for_signatures() -> Seal:
    return unfit_seal("not-for-signatures", digital_signature=False)


@cache
def seal_without_usage() -> Seal:
    return unfit_seal("without-usage", digital_signature=None)


def pin(of: Seal | None = None, *, revoked_at: dt.datetime | None = None) -> PinnedCertificate:
    """The pin of a seal's certificate."""
    return PinnedCertificate.of((of or seal()).certificate, revoked_at=revoked_at)


# Letters ---------------------------------------------------------------------------------------------------------


def letter(**changes: Any) -> Letter:
    """A small external letter from OPM to OCS, with a new id; any field can be replaced."""
    values: dict[str, Any] = {
        "letter_id": uuid4(),
        "number": "นร 0105/1234",
        "date": NOW.date(),
        "sent_at": NOW,
        "kind": "external",
        "sender": sender(OPM),
        "receivers": (Receiver(agency=OCS),),
        "content": Content(subject="ขอเชิญประชุมเรื่องการเชื่อมโยงระบบสารบรรณ", signers=(officer(),)),
        "main_file": file(),
    }
    return Letter(**{**values, **changes})


def sender(agency: AgencyCode) -> Sender:
    return Sender(agency=agency, name=NAMES.get(agency, "หน่วยงานทดสอบ"))


def officer(**changes: Any) -> Signer:
    return replace(
        Signer(given_name="สมชาย (ตัวอย่าง)", family_name="ใจดี (ตัวอย่าง)", job_title="ปลัดสำนักนายกรัฐมนตรี"),
        **changes,
    )


def file(name: str = "หนังสือ.pdf", *, digest: RawDigest = SOME_BYTES, size: int = 50_123) -> File:
    return File(name=name, size=size, digest=digest, media_type="application/pdf")


def full_letter(**changes: Any) -> Letter:
    """A letter in which every field but `sealed` stands."""
    content = Content(
        subject="การเชื่อมโยงระบบสารบรรณอิเล็กทรอนิกส์ระหว่างหน่วยงาน 𝔖 ก็น้ำ",
        signers=(
            officer(capacity="ปฏิบัติราชการแทน", acting_for="นายกรัฐมนตรี"),
            officer(given_name="สมหญิง (ตัวอย่าง)", job_title="เลขาธิการ"),
        ),
        references=(
            Reference(
                relation="reply",
                letter_id=UUID(int=7),
                number="นร 0905/ว 12",
                date=dt.date(2026, 1, 5),
                subject="เรื่องเดิม",
            ),
            Reference(relation="refer", number="ที่ ๑๒/๒๔๙๙", dated="เดือนยี่ ปีระกา"),
            Reference(relation="refer", dated="๕ พฤษภาคม ๒๕๐๐"),
            Reference(relation="refer", subject="เรื่องที่ไม่มีเลขที่"),
        ),
        enclosures=(
            Enclosure(description="รายงานการประชุม", quantity="1 ฉบับ"),
            Enclosure(description="ตัวอย่างบัตร", quantity="๒ ใบ", form="physical"),
            Enclosure(description="แบบสำรวจ", form="link", link="https://example.go.th/แบบสำรวจ?a=1&b=<2>"),
        ),
        body="ย่อหน้าแรก\n\tย่อหน้าที่สอง\n",
    )
    values: dict[str, Any] = {
        "number": "ดศ (สพธอ) ๕๑๑.๐๕/ ๑๒๓๔",
        "sent_at": NOW.replace(microsecond=120_300),
        "sub_kind": "memo-2",
        "speed": "004",
        "acknowledgement": "receipt",
        "due_by": NOW + DAY,
        "retention": "years-10",
        "sender": Sender(
            agency=OPM,
            name=NAMES[OPM],
            unit="กองกลาง",
            contact=Contact(
                telephone="0 2283 4000", email="saraban@opm.example.go.th", address="ทำเนียบรัฐบาล\nดุสิต"
            ),
        ),
        "receivers": (
            Receiver(agency=OCS, unit="สำนักอำนวยการ", job_title="เลขาธิการคณะกรรมการกฤษฎีกา"),
            Receiver(group="all-agencies"),
            Receiver(topic="holidays", role="copy"),
        ),
        "replaces": Replaces(letter_id=UUID(int=9), digest=SOME_CONTENT, reason="แก้ชื่อเรื่อง"),
        "content": content,
        "files": (file("เอกสารแนบ 1.pdf"), file("ภาพ (2).png", size=0)),
        "sender_reference": "opm-2569-000123",
        "extensions": (
            Extension(
                must_understand=False, content='<x:note xmlns:x="urn:example:note"><x:p>ก</x:p></x:note>'
            ),
        ),
    }
    return letter(**{**values, **changes})


def letters() -> dict[str, Letter]:
    """One letter of each sort, by what it shows."""
    return {
        "external": letter(),
        "full": full_letter(),
        "full, version 1.1": full_letter(document_type="minutes"),
        "stamped without signatory": letter(kind="stamped", content=Content(subject="ส่งรายงานการประชุม")),
        "circular": letter(number="นร 0505/ว 165", speed="004", receivers=(Receiver(group="all-agencies"),)),
        "announcement without number": letter(number=None, receivers=(Receiver(topic="holidays"),)),
        "sealed": letter(
            secrecy="002", content=None, sealed=SealedContent(algorithm="A256GCM", ciphertext="c2VjcmV0Lg==")
        ),
        "five hundred receivers": letter(
            receivers=tuple(Receiver(agency=AgencyCode(f"{n:010}")) for n in range(500))
        ),
    }


def signed_letter(by: Seal | None = None, **changes: Any) -> Signed:
    """A letter from OPM, sealed by OPM unless told otherwise."""
    return sign(letter(**changes), by or seal())


# Notices ---------------------------------------------------------------------------------------------------------


def notice(event: Event = Event.DELIVERED, **changes: Any) -> Notice:
    """What OCS says about a letter of OPM, with a new id; any field can be replaced."""
    values: dict[str, Any] = {
        "notice_id": uuid4(),
        "event": event,
        "author": OCS,
        "letter_id": UUID(int=1),
        "letter_digest": "ab" * 32,
        "event_time": NOW,
    }
    return Notice(**{**values, **changes})


def complete(event: Event, **changes: Any) -> Notice:
    """A notice with everything that its event asks for."""
    asked: dict[Event, dict[str, Any]] = {
        Event.REGISTERED: {"registration": registration()},
        Event.REFUSED: {"reason_texts": (ReasonText(language="th", value="ไม่เกี่ยวข้อง"),)},
        Event.MISDIRECTED: {"suggested_receiver": DGA},
        Event.TRANSFERRED: {"successor": DGA},
        Event.SETTLED: {"other_means": OtherMeans(code="paper")},
    }
    return notice(event, **{**asked.get(event, {}), **changes})


def registration(number: str = "๑๒๓/๒๕๖๙") -> Registration:
    return Registration(
        number=number, registered_at=NOW, year=NOW.year + 543, unit="งานสารบรรณ", officer="สมศรี (ตัวอย่าง)"
    )


def terms(recipients: tuple[AgencyCode, ...] = (OCS, SOC)) -> Terms:
    frozen = recipient_set(recipients)
    return Terms(
        recipients_digest=frozen.digest,
        recipient_count=len(frozen.recipients),
        recipients=frozen.named,
        directory_version=3,
        calendar_version=1,
        receipt_due_by=NOW + DAY,
        registration_due_by=NOW + 2 * DAY,
    )


def recipient_set(codes: Iterable[AgencyCode]) -> RecipientSet:
    """The set of these agencies, each addressed by its own code."""
    return RecipientSet.of(Recipient(agency=code, addressed=code, role="to") for code in codes)


def notices() -> dict[str, Notice]:
    """One notice of each shape, by what it says."""
    reasons = (
        ReasonText(language="th", value="ไฟล์อ่านไม่ได้"),
        ReasonText(language="en", value="unreadable file"),
    )
    by_bus: dict[str, Any] = {"author": BUS, "received_time": NOW, "ledger_time": NOW.replace(microsecond=5)}
    uri = "http://uri.etsi.org/19522/Event/SubmissionAcceptance"
    return {
        "delivered": notice(),
        "accepted": notice(Event.ACCEPTED, event_uri=uri, terms=terms(), **by_bus),
        "refused by the bus": notice(
            Event.REFUSED_BY_BUS,
            letter_id=None,
            letter_digest=None,
            submission_digest="ef" * 32,
            reason_code="xml.not-well-formed",
            reason_texts=reasons,
            **by_bus,
        ),
        "registered": notice(Event.REGISTERED, about=(OCS,), registration=registration()),
        "registered, version 1.1": notice(
            Event.REGISTERED,
            registration=registration(),
            officer=Officer(name="สมศรี (ตัวอย่าง)", job_title="เจ้าพนักงานธุรการ"),
        ),
        "corrected": notice(Event.REGISTERED, registration=registration("๑๒๔/๒๕๖๙"), supersedes=UUID(int=5)),
        "refused": notice(Event.REFUSED, reason_code="unreadable", reason_texts=reasons[:1]),
        "misdirected": notice(Event.MISDIRECTED, suggested_receiver=SOC),
        "transferred": notice(Event.TRANSFERRED, successor=DGA),
        "overdue": notice(Event.OVERDUE_RECEIPT, about=(OCS, SOC), examined_through=NOW, **by_bus),
        "settled": notice(Event.SETTLED, other_means=OtherMeans(code="paper", reference="EMS 1234 TH")),
        "extended": notice(
            extensions=(Extension(must_understand=False, content='<n:x xmlns:n="urn:example:n"></n:x>'),)
        ),
    }
