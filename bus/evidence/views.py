"""What the page of a pack shows, as plain values taken from the pack's own documents and entries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date, datetime
from typing import Any

from bus.codes import load_codes
from bus.directory import Names
from bus.documents.letter import File, Letter
from bus.documents.notice import Notice, Registration
from bus.documents.xml import open_envelope, read
from bus.errors import Refused
from bus.evidence.words import DEADLINES, ROLES, shown_state, words_of
from bus.identifiers import RawDigest
from bus.ledger.entry import Entry, Kind
from bus.ledger.evidence import Evidence
from bus.ledger.state import Fact, RecipientState
from bus.thai import BANGKOK, thai_date, thai_datetime

View = dict[str, Any]
_KINDS = {
    Kind.ACCEPTED: ("ระบบกลางรับหนังสือ", "The bus accepted the letter"),
    Kind.CONSIGNED: ("ส่งถึงตู้หนังสือ", "Confirmed by the broker for"),
    Kind.CONSIGNMENT_FAILED: ("ตู้หนังสือยังไม่รับ จะส่งใหม่", "An inbox did not take it; it is tried again"),
    Kind.RELEASED: ("ส่งต่อ เพราะผู้รับพ้นการพักใช้งาน", "Released, the recipient is no longer suspended"),
    Kind.GRANTED: ("อนุญาตให้เปิดอ่าน", "An auditor was allowed to open it"),
    Kind.READ: ("เปิดอ่าน", "An auditor opened it"),
    Kind.DEADLINE_EXTENDED: ("เลื่อนกำหนดลงทะเบียนรับตามปฏิทิน", "Registration due later, by a calendar version"),
    Kind.OVERDUE: ("พ้นกำหนดโดยยังไม่ได้รับแจ้ง", "A deadline passed without a word of"),
}
_GIVEN_UP = ("too-large", "rejected")
"""Reasons for which a consignment is not tried again."""
_STRUCK_OFF = ("ตู้หนังสือรับไม่ได้ แจ้งผู้ดูแลระบบแล้ว", "The broker can never take it; the operators were alarmed")
_MARKS = dict.fromkeys(("delivered", "registered", "transferred", "settled"), "✓")
_MARKS |= dict.fromkeys(("refused", "misdirected", "handover-failed", "withdrawn"), "✗") | {"disputed": "?"}
_ACTS = frozenset({Kind.ACCEPTED, Kind.NOTICE, Kind.OVERDUE})
"""What somebody signed; everything else is how the bus carried the letter."""


def notices_of(evidence: Evidence) -> dict[int, Notice]:
    """Return the notices of a pack by the number of their entry, without those that cannot be read.

    A ledger that has such a one is for the verifier to judge; the pack with it must be made all the same.
    """
    found = {}
    for name, data in evidence.members.items():
        if name.startswith("notices/"):
            with suppress(Refused):
                notice = read(open_envelope(data).root)
                if isinstance(notice, Notice):
                    found[int(name.removeprefix("notices/").removesuffix(".xml"))] = notice
    return found


def letter_view(letter: Letter, evidence: Evidence, names: Names) -> View:
    """The letter's own facts, and when the bus accepted it."""
    codes, row = load_codes(), evidence.row
    content = letter.content
    return {
        "number": letter.number,
        "dated": _day(letter.date),
        "from": names.full(row.sender),
        "written_as": letter.sender.name,
        "unit": letter.sender.unit,
        "subject": content.subject if content else None,
        "kind": _coded(codes.kinds, letter.kind),
        "document_type": letter.document_type,
        "speed": _coded(codes.speed, letter.speed),
        "secrecy": _coded(codes.secrecy, letter.secrecy),
        "signers": content.signers if content else (),
        "enclosures": content.enclosures if content else (),
        "replaces": letter.replaces,
        "accepted": moment(row.accepted_at),
        "receipt_due": moment(row.receipt_due),
        "registration_due": moment(row.registration_due),
        "extensions": [_extension(one) for one in evidence.entries if one.kind is Kind.DEADLINE_EXTENDED],
        "id": str(letter.letter_id),
    }


def _extension(entry: Entry) -> View:
    """By which calendar version a registration was made due later, from when to when, for how many recipients."""
    return {
        "entry": entry.seq,
        "calendar": entry.body["calendar"],
        "groups": [
            {"was": moment(one["was"]), "due": moment(one["due"]), "recipients": len(one["recipients"])}
            for one in entry.body["extended"]
        ],
    }


def file_views(letter: Letter, packed: Mapping[RawDigest, str]) -> list[View]:
    """The letter's files; `packed` says under which names they are in the pack, by SHA-256."""
    return [_file(file, packed.get(file.digest), main=file is letter.main_file) for file in letter.all_files]


def _file(file: File, member: str | None, *, main: bool) -> View:
    known = load_codes().media_types.get(file.media_type)
    return {
        "name": file.name,
        "main": main,
        "size": f"{file.size:,}",
        "kind": (known.th, known.en) if known else (file.media_type, file.media_type),
        "sha256": file.digest,
        "member": member,
    }


def recipient_view(
    one: RecipientState, notices: Mapping[int, Notice], names: Names, due: str | None = None
) -> View:
    """What became of the letter at one recipient, with what it said of it.

    `due`: by when all others have to register; a time of the recipient's own is shown beside its state.
    """
    answer = one.progress.effective if one.progress.effective is not one.receipt else None
    notice = notices.get(answer.entry) if answer else None
    return {
        "name": names.full(one.agency),
        "addressed": None if one.addressed in ("", one.agency) else names.full(one.addressed),
        "role": ROLES.get(one.role, (one.role, one.role)),
        "state": words_of(shown_state(one)),
        "mark": _MARKS.get(shown_state(one), "…"),
        "consigned": moment(one.consigned_at),
        "receipt": _said(one.receipt, notices),
        "answer": _said(answer, notices),
        "registration": _registration(notice.registration if notice else None),
        "officer": notice.officer if notice else None,
        "reasons": _reasons(notice),
        "due": moment(one.registration_due) if due and one.registration_due != due else None,
        "overdue": [DEADLINES.get(each, (each, each)) for each in one.overdue],
    }


def _said(word: Fact | None, notices: Mapping[int, Notice]) -> View | None:
    if word is None:
        return None
    notice = notices.get(word.entry)
    return {
        "entry": word.entry,
        "member": f"notices/{word.entry}.xml",
        "words": words_of(word.event),
        "entered": moment(word.at),
        "stated": moment(notice.event_time.isoformat()) if notice else None,
    }


def _registration(registration: Registration | None) -> View | None:
    if registration is None:
        return None
    return {
        "number": registration.number,
        "year": registration.year,
        "unit": registration.unit,
        "officer": registration.officer,
        "at": moment(registration.registered_at.isoformat()),
    }


def _reasons(notice: Notice | None) -> list[str]:
    if notice is None:
        return []
    reasons = load_codes().clerk_reasons
    known = reasons.get(notice.reason_code or "")
    coded = [f"{known.th} · {known.en}"] if known else [notice.reason_code] if notice.reason_code else []
    return [*coded, *(each.value for each in notice.reason_texts)]


def acts(evidence: Evidence, notices: Mapping[int, Notice], names: Names) -> Iterator[View]:
    """Everything that somebody signed about the letter, in order, with the file that bears it and its certificate."""
    for entry in evidence.entries:
        if entry.kind in _ACTS:
            notice = notices.get(entry.seq)
            body = entry.body
            yield {
                **_step(entry, evidence, names),
                "stated": moment(body.get("eventTime")),
                "received": moment(body.get("receivedAt")),
                "registration": _registration(notice.registration if notice else None),
                "officer": notice.officer if notice else None,
                "reasons": _reasons(notice) if entry.kind is Kind.NOTICE else [],
                "supersedes": body.get("supersedes"),
                "members": _members(entry),
                "certificate": body.get("certificate"),
            }


def carriage(evidence: Evidence, names: Names) -> Iterator[View]:
    """How the bus carried it: the entries that nobody signed but the log."""
    for entry in evidence.entries:
        if entry.kind not in _ACTS:
            yield _step(entry, evidence, names)


def _members(entry: Entry) -> list[str]:
    if entry.kind is Kind.ACCEPTED:
        return ["letter.xml", "acceptance.xml", "recipients.json"]
    return [f"notices/{entry.seq}.xml"]


def _step(entry: Entry, evidence: Evidence, names: Names) -> View:
    body = entry.body
    # An acceptance names its recipients by the digest of their set.
    recipients = evidence.state.recipients if entry.kind is Kind.ACCEPTED else body.get("recipients", ())
    extended = [code for group in body.get("extended", ()) for code in group["recipients"]]
    about = body.get("about") or list(recipients) or body.get("silent") or extended
    words = words_of(body["event"]) if entry.kind is Kind.NOTICE else None
    if entry.kind is Kind.CONSIGNMENT_FAILED and body["reason"] in _GIVEN_UP:
        words = _STRUCK_OFF
    return {
        "entry": entry.seq,
        "at": moment(body["at"]),
        "who": names.full(body["agency"])
        if body.get("agency")
        else body.get("auditor") or body.get("operator"),
        "words": words or _KINDS.get(entry.kind, (str(entry.kind), str(entry.kind))),
        "deadline": DEADLINES.get(body.get("deadline", "")),
        "about": [names.full(code) for code in about if code != body.get("agency")],
        "number": body.get("number"),
    }


def _coded(codes: Mapping[str, Any], value: str) -> tuple[str, str]:
    known = codes.get(value)
    return (known.th, known.en) if known else (value, value)


def moment(text: str | None) -> dict[str, str] | None:
    """A time to the second, in both calendars."""
    if not text:
        return None
    at = datetime.fromisoformat(text).astimezone(BANGKOK)
    return {"iso": at.isoformat(timespec="seconds"), "thai": spoken(at), "short": spoken(at, short=True)}


def spoken(at: datetime, *, short: bool = False) -> str:
    """A time in Thai, to the second; its last word does not stand alone on the next line."""
    return thai_datetime(at, seconds=True, short=short).replace(" น.", "\u00a0น.")


def _day(value: date) -> dict[str, str]:
    return {"iso": value.isoformat(), "thai": thai_date(value)}
