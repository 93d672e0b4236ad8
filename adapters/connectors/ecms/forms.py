"""From an item of news to its form in e-CMS: a whole letter, or a notifier about one that the client has posted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from adapters.connectors.ecms.errors import NotNow
from adapters.connectors.ecms.values import clock, ministry_of, shown_code
from adapters.connectors.ecms.writing import Part, text
from adapters.mailbox import InboxLetter, InboxState, Mailbox, NoticeRow, OutboxState
from adapters.mailbox.ecms import LetterName
from adapters.mailbox.inbox import InboxFile
from adapters.mailbox.newsfeed import Item, Kind
from bus.codes import load_codes
from bus.documents.letter import Letter, Signer
from bus.documents.notice import Event
from bus.documents.xml import open_envelope, read
from bus.identifiers import ContentDigest, LetterId
from bus.thai import thai_datetime

_MOST_OTHERS = 2000


class Form(StrEnum):
    """The elements that a client is served; `SpecialRequest` asks by these names too."""

    DOCUMENT = "GovernmentDocument"
    RECEIVED = "ReceiveLetterNotifier"
    ACCEPTED = "AcceptLetterNotifier"
    REJECTED = "RejectLetterNotifier"
    INVALID = "InvalidLetterNotifier"
    INVALID_NUMBER = "InvalidAcceptIDNotifier"


_ABOUT_OURS = {
    Event.DELIVERED: Form.RECEIVED,
    Event.REGISTERED: Form.ACCEPTED,
    Event.REFUSED: Form.REJECTED,
    Event.MISDIRECTED: Form.INVALID,
    Event.HANDOVER_FAILED: Form.INVALID,
}


@dataclass(frozen=True, slots=True)
class Formed:
    """What an item is in e-CMS: which element, about which letter, with what in it."""

    form: Form
    name: LetterName
    subject: str
    at: str
    """ISO 8601."""
    accept_id: str | None = None
    letter: InboxLetter | None = None


def formed(mailbox: Mailbox, item: Item) -> Formed | None:
    """The form of an item; None for one that e-CMS has no word for."""
    if item.kind is Kind.LETTER and item.inbox is not None:
        letter = mailbox.inbox.get(item.inbox)
        if not letter.state.delivered or letter.subject is None:  # failed, or sealed
            return None
        name = name_of_received(letter)
        return Formed(Form.DOCUMENT, name, letter.subject, item.at, letter=letter)
    if item.kind is Kind.NOTICE and item.notice is not None:
        return _of_notice(mailbox, mailbox.notices.get(item.notice))
    if item.kind is Kind.ANSWER and item.outbox is not None:
        row = mailbox.outbox.get(item.outbox)
        posted = mailbox.ecms.request_of(row.id)
        if row.state is not OutboxState.REFUSED or posted is None or posted.refusal_answered:
            return None
        name = LetterName(
            number=row.number or "", date=row.date or "", sender=mailbox.agency, recipient=posted.recipient
        )
        return Formed(Form.INVALID, name, row.subject or "", item.at)
    return None


def name_of_received(letter: InboxLetter) -> LetterName:
    """How a received letter is named to the client: never without a number, which the client asks by."""
    number = letter.number or f"[{letter.letter_id[:8]}]"
    return LetterName(number=number, date=letter.date, sender=letter.sender, recipient=letter.addressed)


def _of_notice(mailbox: Mailbox, notice: NoticeRow) -> Formed | None:
    digest = notice.letter_digest or ContentDigest("")
    letter_id = notice.letter_id or LetterId("")
    row = mailbox.sent_letter(letter_id, digest)
    event = Event(notice.event) if notice.event in set(Event) else None
    if row is not None:
        form = _ABOUT_OURS.get(event) if event else None
        if form is None or mailbox.ecms.request_of(row.id) is None:
            return None
        name = LetterName(
            number=row.number or "", date=row.date or "", sender=mailbox.agency, recipient=notice.author
        )
        accept_id = notice.receiving_number if form is Form.ACCEPTED else None
        return Formed(form, name, row.subject or "", notice.event_time, accept_id)
    if event is not Event.NUMBER_DISPUTED:
        return None
    rows = mailbox.inbox.letters(letter_id=letter_id, digest=digest)
    if not rows:
        return None
    state = mailbox.state_of_received(rows[0])
    named = name_of_received(rows[0])
    return Formed(
        Form.INVALID_NUMBER, named, rows[0].subject or "", notice.event_time, state.receiving_number
    )


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes forms for a client: `digits` of codes, at most `inline` bytes of files in one answer.

    `subject_max`: characters of a subject, 0 for all; `signature`: whether a letter has the element of one.
    """

    mailbox: Mailbox
    digits: int
    inline: int
    subject_max: int = 0
    signature: bool = False

    def parts(self, form: Formed) -> list[Part]:
        """The element of a form."""
        if form.letter is not None:
            return [self._document(form.letter)]
        return [self.notifier(form)]

    def notifier(self, form: Formed) -> Part:
        """A notifier, in the order of the schema."""
        inner = [
            Part("LetterID", form.name.number),
            *text("AcceptID", form.accept_id),
            Part("CorrespondenceDate", form.name.date),
            Part("Subject", self._subject(form.subject)),
            Part("AcceptDate", clock(_moment(form.at))),
            Part("SenderDepartment", parts=[Part("Code", self._code(form.name.sender))]),
            Part("AcceptDepartment", parts=[Part("Code", self._code(form.name.recipient))]),
        ]
        return Part(form.form, parts=inner)

    def _document(self, row: InboxLetter) -> Part:
        letter = read(open_envelope(self.mailbox.arrivals.get(row.arrival).body).root)
        if not isinstance(letter, Letter) or letter.content is None:
            raise TypeError("a sealed letter, or none, where a letter is to be served")
        content, files = letter.content, self.mailbox.inbox.files(row.id)
        signer = content.signers[0] if content.signers else None
        listed = "\n".join(f"{each.description} {each.quantity or ''}".strip() for each in content.enclosures)
        parts = [
            Part("ram:ID", name_of_received(row).number),
            Part("ram:CorrespondenceDate", letter.date.isoformat()),
            Part("ram:Subject", self._subject(content.subject)),
            Part("ram:SecretCode", letter.secrecy),
            Part("ram:SpeedCode", letter.speed),
            self._party("ram:SenderParty", letter.sender.agency, signer),
            self._party("ram:ReceiverParty", row.addressed, None),
            *(
                Part(
                    "ram:ReferenceCorrespondence",
                    parts=[
                        *text("ram:ID", each.number),
                        *text("ram:CorrespondenceDate", each.date.isoformat() if each.date else None),
                        *text("ram:Subject", each.subject),
                    ],
                )
                for each in content.references
                if each.number or each.date or each.subject
            ),
            Part("ram:Attachment", listed or "\n".join(file.name for file in files[1:])),
            Part("ram:SendDate", clock(letter.sent_at)),
            Part("ram:Description", self._description(letter, row)),
            *self._files(row, files),
        ]
        inner = Part("ram:CorrespondenceLetter", parts=parts, attributes=[("ID", "Letter")])
        signature = Part("ram:GovernmentSignature", parts=[Part("ram:TypeCode", "DSIG")])
        return Part("rsm:GovernmentDocument", parts=[inner, *([signature] if self.signature else [])])

    def _subject(self, subject: str) -> str:
        """The subject as the client can take it; in a letter that is cut, Description has it whole."""
        if not self.subject_max or len(subject) <= self.subject_max:
            return subject
        return subject[: self.subject_max - 1] + "…"

    def _party(self, name: str, code: str, signer: Signer | None) -> Part:
        person = (signer.given_name, signer.family_name, signer.job_title) if signer else ("", "", "")
        given, family, title = person
        ministry = Part("ram:ID", self._code(ministry_of(code)))
        return Part(
            name,
            parts=[
                Part("ram:GivenName", given),
                Part("ram:FamilyName", family),
                Part("ram:JobTitle", title),
                Part("ram:MinistryOrganization", parts=[ministry]),
                Part("ram:DepartmentOrganization", parts=[Part("ram:ID", self._code(code))]),
            ],
        )

    def _description(self, letter: Letter, row: InboxLetter) -> str:
        """The body, and a line for each thing that e-CMS has no element for."""
        lines = [letter.content.body or "" if letter.content else ""]
        if letter.content and self._subject(letter.content.subject) != letter.content.subject:
            lines.append(f"เรื่อง (เต็ม): {letter.content.subject}")
        kind = load_codes().kinds.get(letter.kind)
        if letter.kind != "external":
            lines.append(f"ชนิด: {kind.th if kind else letter.kind}")
        if letter.due_by:
            lines.append(f"ด่วนภายใน {thai_datetime(letter.due_by)}")
        if letter.replaces:
            lines.append(f"แทนฉบับ {letter.replaces.letter_id}: {letter.replaces.reason}")
        for each in letter.content.references if letter.content else ():
            if each.dated:
                lines.append(f"อ้างถึง {each.number or ''} ลงวันที่ {each.dated}".strip())
        for signer in letter.content.signers[1:] if letter.content else ():
            lines.append(f"ผู้ลงนามร่วม: {signer.given_name} {signer.family_name} {signer.job_title}")
        others = [
            each.agency or each.group or each.topic or ""
            for each in letter.receivers
            if each.agency != row.addressed
        ]
        if others:
            shown = f"ผู้รับอื่น: {', '.join(others)}"
            lines.append(shown if len(shown) <= _MOST_OTHERS else shown[: _MOST_OTHERS - 1] + "…")
        return "\n".join(filter(None, lines))

    def _files(self, row: InboxLetter, files: list[InboxFile]) -> list[Part]:
        """The files in order; what is too much for one answer is named on a page in its place."""
        store, room, parts = self.mailbox.store, self.inline, list[Part]()
        lost = [file for file in files if not store.holds(file.sha256, file.size)]
        if lost and row.state is not InboxState.INCOMPLETE:
            self.mailbox.inbox.restore(row.id, f"{len(lost)} files are gone from the store")
            raise NotNow("files of this letter are being fetched again")
        for file in files:
            held: Path | bytes = store.path(file.sha256)
            kind = file.media_type
            if file in lost or file.size > room:
                held, kind = _page(file, lost=file in lost).encode(), "text/plain"
            else:
                room -= file.size
            name = "ram:AttachmentBinaryObject" if parts else "ram:MainLetterBinaryObject"
            shown = [("mimeCode", kind), ("fileName", file.name)]
            parts.append(Part(name, file=held, attributes=shown))
        return parts

    def _code(self, code: str) -> str:
        return shown_code(code, self.digits)


def _page(file: InboxFile, *, lost: bool) -> str:
    why = (
        "ไฟล์นี้สูญหายหลังรับหนังสือแล้ว โปรดขอจากผู้ส่ง (lost after it was received; ask the sender)"
        if lost
        else f"ไฟล์นี้ใหญ่เกินกว่าจะส่งทาง e-CMS อยู่ในโฟลเดอร์ของโปรแกรมเชื่อมต่อที่ files/{file.sha256[:2]}/{file.sha256}"
        f" (too large for e-CMS; the adapter has it there)"
    )
    return f"{file.name}\n{file.size} bytes\nSHA-256 {file.sha256}\n{why}\n"


def _moment(text_: str) -> datetime:
    return datetime.fromisoformat(text_)
