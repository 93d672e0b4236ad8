"""Letters, states and notices as plain values for an office's system: what the JSON of files and commands holds.

Every time stands there twice, ISO 8601 and in Thai; every code stands there with its words.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from adapters.mailbox import Arrival, InboxLetter, Mailbox, NoticeRow, OutboxEntry, RecipientState
from adapters.mailbox.conditions import Condition
from bus.codes import load_codes
from bus.documents.letter import Letter
from bus.documents.xml import open_envelope, read
from bus.errors import RefusalCode
from bus.identifiers import AgencyCode
from bus.thai import thai_date, thai_datetime

View = dict[str, Any]


def when(text: str | None) -> View | None:
    """A moment in both calendars."""
    if text is None:
        return None
    return {"iso": text, "thai": thai_datetime(datetime.fromisoformat(text))}


def day(text: str | None) -> View | None:
    """A date in both calendars."""
    return None if text is None else {"iso": text, "thai": thai_date(date.fromisoformat(text))}


def word(event: str) -> View:
    """An event with its words."""
    known = load_codes().events.get(event)
    return {
        "event": event,
        "event_th": known.th if known else event,
        "event_en": known.en if known else event,
    }


def agency(mailbox: Mailbox, code: AgencyCode) -> View:
    """An agency with its name."""
    directory = mailbox.directory()
    known = directory.agencies.get(code) if directory else None
    return {
        "code": code,
        "name_th": known.name_th if known else None,
        "name_en": known.name_en if known else None,
    }


def state(mailbox: Mailbox, recipient: RecipientState) -> View:
    """One recipient's dealing with a letter; what has no value is left out."""
    shown = {name: value for name, value in asdict(recipient).items() if value not in (None, (), False)}
    for name in ("since", "delivered_at", "registered_at"):
        if name in shown:
            shown[name] = when(shown[name])
    return shown | {"agency": agency(mailbox, recipient.agency)}


def sent(mailbox: Mailbox, row: OutboxEntry, only: Collection[str] | None = None) -> View:
    """A letter or notice of this agency, with the bus's answer and the states of its recipients, or of some."""
    view: View = {
        "type": row.type,
        "reference": row.reference,
        "id": row.document_id,
        "letter_id": row.letter_id,
        "number": row.number,
        "date": day(row.date),
        "subject": row.subject,
        "what": row.summary,
        "state": str(row.state),
        "attempts": row.attempts,
        "last_error": row.last_error,
        "put_at": when(row.created_at),
        "answered_at": when(row.answered_at),
        "entry": row.entry,
        "digest": row.digest,
        "flags": row.flags.split(",") if row.flags else [],
        "refusal": refusal(row),
    }
    if row.type == "letter":
        view["recipients"] = [state(mailbox, each) for each in mailbox.states_of_sent(row, only)]
    return view


def refusal(row: OutboxEntry) -> View | None:
    """Why the bus refused, with what to do."""
    if row.refusal is None:
        return None
    known = load_codes().refusals.get(row.refusal)
    words = (
        {
            "th": known.th,
            "en": known.en,
            "advice_th": known.advice_th,
            "advice_en": known.advice_en,
        }
        if known
        else {}
    )
    again = row.refusal in set(RefusalCode) and RefusalCode(row.refusal).circumstantial
    return {"code": row.refusal, "detail": row.refusal_detail, "may_be_sent_again": again} | words


def received(mailbox: Mailbox, row: InboxLetter) -> View:
    """A letter of another agency, as the register of letters received has it."""
    return {
        "letter_id": row.letter_id,
        "consignment": row.consignment,
        "entry": row.entry,
        "sender": agency(mailbox, row.sender) | {"stated": row.sender_name},
        "addressed_to": agency(mailbox, row.addressed),
        "number": row.number,
        "date": day(row.date),
        "subject": row.subject,
        "flags": list(row.flags),
        "digest": row.digest,
        "state": str(row.state),
        "last_error": row.last_error,
        "verified_at": when(row.verified_at),
        "delivered_at": when(row.delivered_at),
        "standing": state(mailbox, mailbox.state_of_received(row)),
        "files": [
            {
                "name": file.name,
                "sha256": file.sha256,
                "size": file.size,
                "media_type": file.media_type,
                "stored": file.stored,
            }
            for file in mailbox.inbox.files(row.id)
        ],
    }


def content(raw: bytes) -> View:
    """What a letter says, field by field; of bytes that have been verified or that this agency wrote itself."""
    letter = read(open_envelope(raw).root)
    if not isinstance(letter, Letter):
        raise TypeError("a notice where a letter is to be shown")
    codes = load_codes()

    def coded(code: str, known: Any) -> View:
        found = known.get(code)
        return {"code": code, "th": found.th if found else None, "en": found.en if found else None}

    view: View = {
        "letter_id": str(letter.letter_id),
        "number": letter.number,
        "date": day(letter.date.isoformat()),
        "sent_at": when(letter.sent_at.isoformat()),
        "kind": coded(letter.kind, codes.kinds),
        "document_type": letter.document_type,
        "speed": coded(letter.speed, codes.speed),
        "secrecy": coded(letter.secrecy, codes.secrecy),
        "acknowledgement": letter.acknowledgement,
        "due_by": when(letter.due_by.isoformat()) if letter.due_by else None,
        "sender": asdict(letter.sender),
        "receivers": [asdict(each) for each in letter.receivers],
        "replaces": asdict(letter.replaces) if letter.replaces else None,
        "sealed": letter.sealed is not None,
        "sender_reference": letter.sender_reference,
    }
    if letter.content:
        view |= asdict(letter.content)
    return view


def said(mailbox: Mailbox, notice: NoticeRow) -> View:
    """A notice about a letter, in words."""
    shown = {
        name: value
        for name, value in asdict(notice).items()
        if value not in (None, (), False) and name not in ("id", "arrival", "outbox", "event")
    }
    return (
        shown
        | word(notice.event)
        | {
            "author": agency(mailbox, notice.author),
            "event_time": when(notice.event_time),
        }
    )


def condition(found: Condition) -> View:
    """What keeps the adapter from working, since when, and what to do."""
    finding = found.finding
    words = load_codes().conditions[finding.code]
    return {
        "code": str(finding.code),
        "since": when(found.since),
        "th": words.th,
        "en": words.en,
        "about": finding.about or None,
        "detail_th": finding.detail_th or None,
        "detail_en": finding.detail_en or None,
        "advice_th": words.advice_th,
        "advice_en": words.advice_en,
    }


def condition_lines(found: Condition) -> tuple[str, str]:
    """The same as a line of Thai and one of English."""
    view = condition(found)

    def line(language: str, since: str) -> str:
        about = f" [{view['about']}]" if view["about"] else ""
        detail = f" ({view[f'detail_{language}']})" if view[f"detail_{language}"] else ""
        return f"{view['code']}: {view[language]}{about}{detail} {since} — {view[f'advice_{language}']}"

    moment = view["since"]
    return line("th", f"ตั้งแต่ {moment['thai']}"), line("en", f"Since {moment['iso']}.")


def quarantined(arrival: Arrival) -> View:
    """A message that could not be understood or believed."""
    known = load_codes().refusals.get(arrival.reason or "")
    return {
        "arrival": arrival.id,
        "consignment": arrival.consignment or None,
        "type": arrival.type,
        "arrived_at": when(arrival.arrived_at.isoformat()),
        "reason": arrival.reason,
        "reason_th": known.th if known else None,
        "reason_en": known.en if known else None,
        "detail": arrival.detail,
        "sha256": arrival.sha256,
    }
