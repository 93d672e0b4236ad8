"""What the clerks of this agency say about letters.

An act asked for twice is one act. It is checked against what is known here, so that a clerk hears of a mistake at
once and in plain words; the bus judges it all the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from itertools import count
from typing import NoReturn
from uuid import UUID, uuid4

from adapters.mailbox.entries import OutboxEntry, OutboxState
from adapters.mailbox.lookup import LetterKey, received_letter, sent_letter
from adapters.mailbox.mailbox import Mailbox
from adapters.mailbox.mistakes import Mistake, Mistaken
from adapters.mailbox.notices import NoticeRow, standing
from adapters.mailbox.receipts import event_uri_of
from bus.codes import load_codes
from bus.documents.notice import Event, Notice, OtherMeans, ReasonText, Registration
from bus.thai import now, to_buddhist

ANSWERS = (Event.REGISTERED, Event.REFUSED, Event.MISDIRECTED)


class Verb(StrEnum):
    """What a clerk can do; the names of the commands and of the folder connector's manifests."""

    REGISTER = "register"
    REFUSE = "refuse"
    MISDIRECTED = "misdirected"
    CORRECT = "correct"
    DISPUTE = "dispute"
    WITHDRAW = "withdraw"
    GRANT = "grant"
    DECLINE = "decline"
    SETTLE = "settle"


_EVENT = {
    Verb.REGISTER: Event.REGISTERED,
    Verb.REFUSE: Event.REFUSED,
    Verb.MISDIRECTED: Event.MISDIRECTED,
    Verb.DISPUTE: Event.NUMBER_DISPUTED,
    Verb.WITHDRAW: Event.WITHDRAWAL_REQUESTED,
    Verb.GRANT: Event.WITHDRAWAL_GRANTED,
    Verb.DECLINE: Event.WITHDRAWAL_DECLINED,
    Verb.SETTLE: Event.SETTLED,
}
BY_RECIPIENT = (Verb.REGISTER, Verb.REFUSE, Verb.MISDIRECTED, Verb.CORRECT, Verb.GRANT, Verb.DECLINE)
BY_SENDER = (Verb.DISPUTE, Verb.WITHDRAW, Verb.SETTLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What a clerk asks for."""

    verb: Verb
    letter: LetterKey
    number: str | None = None
    """เลขรับ, for `register` and for a `correct` that gives the right number."""
    registered_at: datetime | None = None
    year: int | None = None
    """Buddhist era; that of `registered_at` if left out."""
    unit: str | None = None
    officer: str | None = None
    reason_code: str | None = None
    reason_th: str | None = None
    reason_en: str | None = None
    suggested_receiver: str | None = None
    recipients: tuple[str, ...] = ()
    """For the sender's acts: whom it concerns, everybody if left out."""
    means: str | None = None
    means_reference: str | None = None
    reference: str | None = None
    """The office's own key; it comes back with the bus's answer."""

    @property
    def answers(self) -> Event:
        """The answer that the act gives; a correction is whichever answer its fields make."""
        if self.verb is not Verb.CORRECT:
            return _EVENT[self.verb]
        if self.number is not None:
            return Event.REGISTERED
        return Event.MISDIRECTED if self.suggested_receiver else Event.REFUSED

    def content_key(self, digest: str) -> str:
        """The same for the same act about the same letter, whenever and through whatever it is asked for."""
        content = asdict(self) | {"verb": self.answers, "letter": digest, "reference": None}
        return hashlib.sha256(json.dumps(content, default=str, sort_keys=True).encode()).hexdigest()


def perform(mailbox: Mailbox, act: Act) -> OutboxEntry:
    """Put the act into the outbox, once; Mistaken with everything that is wrong with it."""
    _require_complete(act)
    if act.verb in BY_SENDER:
        return _perform_as_sender(mailbox, act)
    return _perform_as_recipient(mailbox, act)


def _perform_as_recipient(mailbox: Mailbox, act: Act) -> OutboxEntry:
    letter = received_letter(mailbox, act.letter)
    if not letter.state.delivered:
        _refuse(
            "letter",
            "หนังสือฉบับนี้ยังรับไม่ครบ จึงยังดำเนินการไม่ได้",
            f"this letter is {letter.state}, not delivered; nothing can be said about it yet",
        )
    rows = standing(mailbox.notices.about(letter.letter_id, letter.digest))
    key = act.content_key(letter.digest)
    supersedes = None
    if act.verb in (Verb.GRANT, Verb.DECLINE):
        request = _last(rows, Event.WITHDRAWAL_REQUESTED, author=letter.sender)
        if request is None:
            _refuse("letter", "ผู้ส่งไม่ได้ขอถอนหนังสือฉบับนี้", "its sender has not asked for a withdrawal")
        context = request.notice_id
    else:
        answer = _last(rows, *ANSWERS, author=mailbox.agency)
        if answer and answer.outbox and (known := mailbox.outbox.get(answer.outbox)).content_key == key:
            return known
        supersedes = _superseded(act, answer)
        context = str(supersedes or "")
    about = (mailbox.agency,)
    notice = _notice(act, mailbox.agency, letter.letter_id, letter.digest, about, supersedes)
    return _say(mailbox, act, notice, key, context)


def _perform_as_sender(mailbox: Mailbox, act: Act) -> OutboxEntry:
    letter = sent_letter(mailbox, act.letter)
    if letter.state is not OutboxState.ACCEPTED:
        _refuse(
            "letter",
            "ระบบกลางยังไม่ได้รับหนังสือฉบับนี้ จึงยังดำเนินการไม่ได้",
            f"this letter is {letter.state}, not accepted by the bus; nothing can be said about it yet",
        )
    strangers = [code for code in act.recipients if code not in letter.recipients]
    if strangers:
        listed = ", ".join(strangers)
        _refuse("recipients", f"ไม่ใช่ผู้รับของหนังสือฉบับนี้: {listed}", f"no recipients of this letter: {listed}")
    rows = standing(mailbox.notices.about(letter.document_id, letter.digest))
    wanted = act.recipients or letter.recipients
    heard = [each for each in rows if each.author in wanted and each.event in _HEARD_BEFORE[act.verb]]
    if act.verb is Verb.DISPUTE and not heard:
        _refuse("letter", "ผู้รับยังไม่ได้แจ้งเลขรับ", "no recipient concerned has registered it")
    key = act.content_key(letter.digest)
    context = heard[-1].notice_id if heard else ""
    notice = _notice(act, mailbox.agency, letter.document_id, letter.digest, act.recipients, None)
    return _say(mailbox, act, notice, key, context)


_HEARD_BEFORE: dict[Verb, tuple[Event, ...]] = {
    Verb.DISPUTE: (Event.REGISTERED,),
    Verb.WITHDRAW: (Event.WITHDRAWAL_DECLINED, Event.WITHDRAWAL_GRANTED),
    Verb.SETTLE: (),
}
"""After which words of a recipient the same act, asked for again, is a new one."""


def _superseded(act: Act, answer: NoticeRow | None) -> UUID | None:
    if act.verb is Verb.CORRECT:
        if answer is None:
            _refuse("letter", "ยังไม่มีคำตอบที่จะแก้ไข", "there is no answer yet that could be corrected")
        return UUID(answer.notice_id)
    if answer is not None:
        given = f"{answer.event} {answer.receiving_number or ''}".strip()
        _refuse(
            "letter",
            f"หนังสือฉบับนี้ตอบไปแล้ว ({given}) หากต้องการแก้ไขให้ใช้ correct",
            f"this letter is answered already ({given}); use correct to change that",
        )
    return None


def _notice(
    act: Act, author: str, letter_id: str, digest: str, about: tuple[str, ...], supersedes: UUID | None
) -> Notice:
    texts = (("th", act.reason_th), ("en", act.reason_en))
    return Notice(
        notice_id=uuid4(),
        event=act.answers,
        event_uri=event_uri_of(act.answers),
        author=author,
        letter_id=UUID(letter_id),
        letter_digest=digest,
        about=about,
        event_time=now(),
        supersedes=supersedes,
        registration=_registration(act),
        reason_code=act.reason_code,
        reason_texts=tuple(ReasonText(language=lang, value=text) for lang, text in texts if text),
        suggested_receiver=act.suggested_receiver,
        other_means=OtherMeans(code=act.means, reference=act.means_reference) if act.means else None,
    )


def _registration(act: Act) -> Registration | None:
    if act.answers is not Event.REGISTERED or act.number is None:
        return None
    at = act.registered_at or now()
    year = act.year or to_buddhist(at.year)
    return Registration(number=act.number, registered_at=at, year=year, unit=act.unit, officer=act.officer)


def _say(mailbox: Mailbox, act: Act, notice: Notice, key: str, context: str) -> OutboxEntry:
    if act.reference is not None:
        row = mailbox.notices.say(notice, act.reference, key)
        if row.state is OutboxState.REFUSED:
            mailbox.outbox.send_again(row.id)
        return mailbox.outbox.get(row.id)
    # What the bus refused may be asked for again; the refused attempt stays, under its own reference.
    for attempt in count(1):
        reference = f"{notice.event}:{key[:32]}:{context}:{attempt}"
        known = mailbox.outbox.find(reference)
        if known is None or known.state is not OutboxState.REFUSED:
            break
    return mailbox.notices.say(notice, reference, key)


def _require_complete(act: Act) -> None:
    mistakes = []
    if act.verb is Verb.REGISTER and not act.number:
        mistakes.append(Mistake("number", "ไม่มีเลขรับ", "the receiving number is missing"))
    if act.answers in (Event.REFUSED, Event.MISDIRECTED) and not (
        act.reason_code or act.reason_th or act.reason_en or act.suggested_receiver
    ):
        mistakes.append(Mistake("reason", "ไม่มีเหตุผล", "the reason is missing"))
    reasons = load_codes().clerk_reasons
    if act.reason_code is not None and act.reason_code not in reasons:
        known = ", ".join(reasons)
        mistakes.append(
            Mistake("reason_code", f"ไม่รู้จักรหัสนี้ รหัสที่ใช้ได้: {known}", f"unknown; known codes: {known}")
        )
    if act.verb is Verb.SETTLE and not act.means:
        mistakes.append(Mistake("means", "ไม่ได้ระบุวิธีส่งแทน", "say by what other means it was sent"))
    if mistakes:
        raise Mistaken(*mistakes)


def _last(rows: Sequence[NoticeRow], *events: Event, author: str) -> NoticeRow | None:
    found = [each for each in rows if each.event in events and each.author == author]
    return found[-1] if found else None


def _refuse(where: str, th: str, en: str) -> NoReturn:
    raise Mistaken(Mistake(where, th, en))
