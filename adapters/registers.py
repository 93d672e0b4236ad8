"""The lines of forms 13 and 14 of the regulation, as plain values: ทะเบียนหนังสือรับ and ทะเบียนหนังสือส่ง.

The columns are the forms': เลขทะเบียน, ที่, ลงวันที่, จาก, ถึง, เรื่อง, การปฏิบัติ, หมายเหตุ; the day, which heads a page of the
form, stands in each line. What is said of a line stands there in Thai and in English.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from adapters import views
from adapters.mailbox import Mailbox, OutboxEntry, OutboxState
from adapters.mailbox.registers import Place, Registered
from bus.codes import load_codes
from bus.documents.letter import Letter, Receiver
from bus.documents.lifecycle import Slot
from bus.documents.xml import open_envelope, read

Both = tuple[str, str]
"""The same in Thai and in English."""
_FEW = 20
"""Recipients up to which a line says what each has done; of more, how many they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a register."""

    letter: int
    """The row of the inbox, or of the outbox."""
    place: Place
    """Behind which the next page begins."""
    day: views.View | None
    register_number: str | None
    """เลขทะเบียนรับ, or เลขทะเบียนส่ง."""
    number: str | None
    date: views.View | None
    sender: str
    receiver: str
    subject: str | None
    action: Both
    remark: Both


def form_13(mailbox: Mailbox, lines: Sequence[Registered]) -> Iterator[Line]:
    """The register of letters received: a line for each registration, also of one that was corrected since."""
    for line in lines:
        notice, letter = line.notice, line.letter
        progress = mailbox.progress_of_received(letter)
        answer = progress.facts.get(Slot.ANSWER)
        remarks: list[Both] = []
        if answer is not None and answer.id != notice.id:
            by = answer.receiving_number or views.word(answer.event)["event_th"]
            remarks.append((f"แก้ไขแล้ว: {by}", f"corrected: {by}"))
        elif Slot.DISPUTE in progress.facts:
            remarks.append(("ผู้ส่งแจ้งว่าเลขรับผิด", "the sender disputes the number"))
        if Slot.WITHDRAWAL in progress.facts:
            remarks.append(_event(progress.facts[Slot.WITHDRAWAL].event))
        actions: list[Both] = [(each, each) for each in (notice.receiving_unit, notice.officer) if each]
        if action := progress.facts.get(Slot.ACTION):
            actions.append(_event(action.event))
        yield Line(
            letter=letter.id,
            place=line.place,
            day=views.day(notice.registered_at[:10]) if notice.registered_at else None,
            register_number=notice.receiving_number,
            number=letter.number,
            date=views.day(letter.date),
            sender=letter.sender_name,
            receiver=_own(mailbox, mailbox.arrivals.get(letter.arrival).body),
            subject=letter.subject,
            action=_joined(actions),
            remark=_joined(remarks),
        )


def form_14(mailbox: Mailbox, rows: Sequence[OutboxEntry]) -> Iterator[Line]:
    """The register of letters sent: a line for each letter that was put out, also of one that the bus has refused.

    เลขทะเบียนส่ง is what stands behind the last stroke of a letter's number: the regulation makes the number of it.
    """
    for row in rows:
        letter = _letter(row.document)
        content = letter.content
        yield Line(
            letter=row.id,
            place=(row.date or "", row.id),
            day=views.day(row.date),
            register_number=row.number.rpartition("/")[2].strip()
            if row.number and "/" in row.number
            else None,
            number=row.number,
            date=views.day(row.date),
            sender=letter.sender.unit or letter.sender.name,
            receiver=", ".join(_named(mailbox, each) for each in letter.receivers),
            subject=content.subject if content else None,
            action=outcome_of(mailbox, row),
            remark=_remark_of_sent(letter),
        )


def outcome_of(mailbox: Mailbox, row: OutboxEntry) -> Both:
    """What became of a letter of ours, in words: the answer of the bus, or what its recipients have done."""
    if row.state is OutboxState.REFUSED:
        code = row.refusal or ""
        words = load_codes().refusals.get(code)
        th, en = (words.th, words.en) if words else (code, code)
        return f"ระบบกลางไม่รับ: {th}", f"refused by the bus: {en}"
    if row.state is not OutboxState.ACCEPTED:
        return "รอส่ง", "not accepted yet"
    if len(row.recipients) > _FEW:
        return f"ผู้รับ {len(row.recipients)} หน่วยงาน", f"{len(row.recipients)} recipients"
    counted: dict[Both, int] = {}
    for state in mailbox.states_of_sent(row):
        th, en = _event(state.state)
        number = f" {state.receiving_number}" if state.receiving_number and len(row.recipients) == 1 else ""
        key = f"{th}{number}", f"{en}{number}"
        counted[key] = counted.get(key, 0) + 1
    many = len(row.recipients) > 1
    return _joined([(f"{th} {n}", f"{en} {n}") if many else (th, en) for (th, en), n in counted.items()])


def _remark_of_sent(letter: Letter) -> Both:
    remarks: list[Both] = []
    if letter.speed != "001" and (speed := load_codes().speed.get(letter.speed)):
        remarks.append((speed.th, speed.en))
    if letter.replaces:
        remarks.append(("ส่งแทนฉบับเดิม", "replaces an earlier letter"))
    return _joined(remarks)


def _own(mailbox: Mailbox, raw: bytes) -> str:
    """Whom here a letter is for: the position or the unit that it names, else the agency as it is addressed."""
    directory = mailbox.directory()
    for each in _letter(raw).receivers:
        if each.agency and directory and directory.inbox_of(each.agency) == mailbox.agency:
            return each.job_title or each.unit or _named(mailbox, each)
    return views.agency(mailbox, mailbox.agency)["name_th"] or mailbox.agency


def _named(mailbox: Mailbox, receiver: Receiver) -> str:
    directory = mailbox.directory()
    if directory is None:
        return receiver.agency or receiver.group or receiver.topic or ""
    if receiver.agency:
        known = directory.agencies.get(receiver.agency)
        name = known.name_th if known else receiver.agency
        return " ".join(filter(None, (receiver.job_title, receiver.unit, name)))
    named = directory.groups.get(receiver.group or "") or directory.topics.get(receiver.topic or "")
    return named.name_th if named else receiver.group or receiver.topic or ""


def _letter(raw: bytes) -> Letter:
    letter = read(open_envelope(raw).root)
    if not isinstance(letter, Letter):
        raise TypeError("a notice where a letter is to be shown")
    return letter


def _event(event: str) -> Both:
    words = views.word(event)
    return words["event_th"], words["event_en"]


def _joined(parts: Sequence[Both]) -> Both:
    return "; ".join(th for th, _ in parts), "; ".join(en for _, en in parts)
