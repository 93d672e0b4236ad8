"""What the clerks of this agency say about letters.

An act asked for twice is one act. It is checked against what is known here, so that a clerk hears of a mistake at
once and in plain words; the bus judges it all the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
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
from adapters.mailbox.notices import NoticeRow
from adapters.mailbox.receipts import event_uri_of
from adapters.mailbox.versions import Unread, version_for
from bus.codes import load_codes
from bus.documents.lifecycle import (
    BY_SENDER,
    RULES,
    Condition,
    Progress,
    Slot,
    Violation,
    lacking,
    violation,
)
from bus.documents.notice import Event, Notice, Officer, OtherMeans, ReasonText, Registration
from bus.errors import RefusalCode
from bus.identifiers import AgencyCode, ContentDigest, LetterId
from bus.thai import now, to_buddhist

Named = tuple[LetterId, ContentDigest]
"""The letter that a notice speaks of: its id and its digest together."""
Found = Mapping[AgencyCode, Progress[NoticeRow]]


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
    OPENED = "opened"
    UNDER_ACTION = "under-action"


_EVENT = {
    Verb.REGISTER: Event.REGISTERED,
    Verb.REFUSE: Event.REFUSED,
    Verb.MISDIRECTED: Event.MISDIRECTED,
    Verb.DISPUTE: Event.NUMBER_DISPUTED,
    Verb.WITHDRAW: Event.WITHDRAWAL_REQUESTED,
    Verb.GRANT: Event.WITHDRAWAL_GRANTED,
    Verb.DECLINE: Event.WITHDRAWAL_DECLINED,
    Verb.SETTLE: Event.SETTLED,
    Verb.OPENED: Event.OPENED,
    Verb.UNDER_ACTION: Event.UNDER_ACTION,
}


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
    """Who did it: of a registration without `officer_title` it stands there, else in the notice's own `officer`."""
    officer_title: str | None = None
    reason_code: str | None = None
    reason_th: str | None = None
    reason_en: str | None = None
    suggested_receiver: AgencyCode | None = None
    recipients: tuple[AgencyCode, ...] = ()
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

    def content_key(self, digest: ContentDigest) -> str:
        """The same for the same act about the same letter, whenever and through whatever it is asked for."""
        content = asdict(self) | {"verb": self.answers, "letter": digest, "reference": None}
        if self.officer_title is None:
            del content["officer_title"]  # which mailboxes of before have no key with
        return hashlib.sha256(json.dumps(content, default=str, sort_keys=True).encode()).hexdigest()


def perform(mailbox: Mailbox, act: Act) -> OutboxEntry:
    """Put the act into the outbox, once; Mistaken with everything that is wrong with it."""
    _require_complete(act)
    if act.answers in BY_SENDER:
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
    found = {mailbox.agency: mailbox.progress_of_received(letter)}
    return _perform(mailbox, act, (letter.letter_id, letter.digest), (mailbox.agency,), found)


def _perform_as_sender(mailbox: Mailbox, act: Act) -> OutboxEntry:
    letter = sent_letter(mailbox, act.letter)
    if letter.state is not OutboxState.ACCEPTED:
        _refuse(
            "letter",
            "ระบบกลางยังไม่ได้รับหนังสือฉบับนี้ จึงยังดำเนินการไม่ได้",
            f"this letter is {letter.state}, not accepted by the bus; nothing can be said about it yet",
        )
    found = mailbox.progress_of_sent(letter)
    if strangers := [code for code in act.recipients if code not in found]:
        listed = ", ".join(strangers)
        _refuse("recipients", f"ไม่ใช่ผู้รับของหนังสือฉบับนี้: {listed}", f"no recipients of this letter: {listed}")
    wanted = {code: found[code] for code in act.recipients or found}
    return _perform(mailbox, act, (letter.own_letter_id, letter.digest), act.recipients, wanted)


def _perform(
    mailbox: Mailbox, act: Act, named: Named, about: tuple[AgencyCode, ...], found: Found
) -> OutboxEntry:
    """Say it, unless it is said already or the life of the letter does not permit it at one of those in `found`."""
    event, key = act.answers, act.content_key(named[1])
    slot = RULES[event].slot
    effective = _newest(found, slot)
    if effective and effective.outbox and (known := mailbox.outbox.get(effective.outbox)).content_key == key:
        return known
    supersedes = None
    if act.verb is Verb.CORRECT:
        if effective is None:
            _refuse("letter", "ยังไม่มีคำตอบที่จะแก้ไข", "there is no answer yet that could be corrected")
        supersedes = effective.notice_id
    for agency, progress in found.items():
        if wrong := violation(event, supersedes, agency, progress):
            _refuse("letter", *_words_of(wrong, agency, progress))
    answered = _newest(found, _ANSWERS_TO.get(event, slot))
    context = supersedes or (answered.notice_id if answered and answered.outbox is None else "")
    superseded = UUID(supersedes) if supersedes else None
    notice = _notice(act, mailbox.agency, named, about, superseded)
    try:
        version_for(mailbox, notice)
    except Unread as exc:
        words = load_codes().refusal(exc.code)
        _refuse("officer", f"{words.th} ({exc.detail})", f"{words.en} ({exc.detail})")
    return _say(mailbox, act, notice, key, context)


_ANSWERS_TO = {Event.NUMBER_DISPUTED: Slot.ANSWER}
"""What an act answers to, where that is not what it replaces: the same act is a new one after another such fact."""


def _newest(found: Found, slot: Slot | None) -> NoticeRow | None:
    facts = [
        progress.facts[slot] for progress in found.values() if slot is not None and slot in progress.facts
    ]
    return max(facts, key=lambda fact: fact.id, default=None)


def _words_of(wrong: Violation, agency: AgencyCode, progress: Progress[NoticeRow]) -> tuple[str, str]:
    """Why the life of the letter does not permit an act, as a clerk needs it."""
    answer = progress.facts.get(Slot.ANSWER)
    if (
        wrong.code is RefusalCode.NOTICE_ALREADY_ANSWERED
        and answer
        and not progress.holds(Condition.WITHDRAWN)
    ):
        given = f"{answer.event} {answer.receiving_number or ''}".strip()
        return (
            f"หนังสือฉบับนี้ตอบไปแล้ว ({given}) หากต้องการแก้ไขให้ใช้ correct",
            f"this letter is answered already ({given}); use correct to change that",
        )
    words = load_codes().refusal(wrong.code)
    state = load_codes().events.get(progress.outcome)
    return (
        f"{words.th} ({agency}: {state.th if state else progress.outcome})",
        f"{words.en} ({agency}: {state.en if state else progress.outcome})",
    )


def _notice(
    act: Act, author: AgencyCode, named: Named, about: tuple[AgencyCode, ...], supersedes: UUID | None
) -> Notice:
    texts = (("th", act.reason_th), ("en", act.reason_en))
    return Notice(
        notice_id=uuid4(),
        event=act.answers,
        event_uri=event_uri_of(act.answers),
        author=author,
        letter_id=UUID(named[0]),
        letter_digest=named[1],
        about=about,
        event_time=now(),
        supersedes=supersedes,
        registration=_registration(act),
        reason_code=act.reason_code,
        reason_texts=tuple(ReasonText(language=lang, value=text) for lang, text in texts if text),
        suggested_receiver=act.suggested_receiver,
        other_means=OtherMeans(code=act.means, reference=act.means_reference) if act.means else None,
        officer=_officer(act),
    )


def _officer(act: Act) -> Officer | None:
    """Who did it, if a registration does not say so already: only notice/1.1 has room for it."""
    if act.officer is None or (act.answers is Event.REGISTERED and act.officer_title is None):
        return None
    return Officer(name=act.officer, job_title=act.officer_title)


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
    stated = {
        "registration": act.number,
        "reason_texts": act.reason_th or act.reason_en,
        "reason_code": act.reason_code,
        "suggested_receiver": act.suggested_receiver,
        "other_means": act.means,
    }
    if act.officer_title and act.officer is None:
        _refuse("officer", "ระบุตำแหน่งแล้วแต่ไม่มีชื่อเจ้าหน้าที่", "the officer's position is given without the name")
    missing = lacking(act.answers, stated.get)
    mistakes = [Mistake(*_MISSING[missing])] if missing else []
    reasons = load_codes().clerk_reasons
    if act.reason_code is not None and act.reason_code not in reasons:
        known = ", ".join(reasons)
        mistakes.append(
            Mistake("reason_code", f"ไม่รู้จักรหัสนี้ รหัสที่ใช้ได้: {known}", f"unknown; known codes: {known}")
        )
    if mistakes:
        raise Mistaken(*mistakes)


_MISSING = {
    "Registration": ("number", "ไม่มีเลขรับ", "the receiving number is missing"),
    "ReasonText": ("reason", "ไม่มีเหตุผล", "the reason is missing"),
    "OtherMeans": ("means", "ไม่ได้ระบุวิธีส่งแทน", "say by what other means it was sent"),
}


def _refuse(where: str, th: str, en: str) -> NoReturn:
    raise Mistaken(Mistake(where, th, en))
