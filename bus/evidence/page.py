"""The page of a pack that people read: what happened, in plain words, Thai first, with both calendars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from bus.codes import load_codes
from bus.directory import from_json
from bus.documents.letter import Letter
from bus.documents.xml import open_envelope, read
from bus.ledger.entry import Entry, Kind
from bus.ledger.evidence import Evidence
from bus.ledger.state import RecipientState
from bus.thai import thai_date, thai_datetime

Names = Callable[[str], str]
_STATES = {
    "accepted": ("ระบบกลางรับไว้แล้ว", "accepted by the bus"),
    "held": ("รอส่ง ผู้รับพักใช้งานอยู่", "held, the recipient is suspended"),
    "consigned": ("ส่งถึงตู้หนังสือแล้ว", "in the recipient's queue"),
    "withdrawn": ("ถอนคืนแล้ว", "withdrawn"),
    "disputed": ("ลงรับแล้ว แต่เลขรับถูกทักท้วง", "registered, and the number is disputed"),
}
_KINDS = {
    Kind.ACCEPTED: ("ระบบกลางรับหนังสือ", "The bus accepted the letter"),
    Kind.CONSIGNED: ("ส่งถึงตู้หนังสือ", "Confirmed by the broker for"),
    Kind.CONSIGNMENT_FAILED: ("ตู้หนังสือยังไม่รับ จะส่งใหม่", "An inbox did not take it; it is tried again"),
    Kind.OVERDUE: ("พ้นกำหนดโดยยังไม่ได้รับแจ้ง", "A deadline passed without a word of"),
}


def page(evidence: Evidence, at: datetime, doubts: Sequence[str] = ()) -> str:
    """Return the page as HTML, with the checks that the pack does not pass; everything in it is escaped."""
    letter = read(open_envelope(evidence.members["letter.xml"]).root)
    if not isinstance(letter, Letter):
        raise TypeError("the document of an accepted letter is a notice")
    names = _names(evidence)
    return (
        _environment()
        .get_template("evidence.html")
        .render(
            letter=letter,
            doubts=doubts,
            dated=_day(letter.date),
            accepted=_moment(evidence.row.accepted_at),
            sender=names(evidence.row.sender),
            recipients=[_recipient(one, names) for one in evidence.state.recipients.values()],
            silent=[names(code) for code in evidence.state.unacknowledged],
            registration=evidence.state.asks_registration,
            steps=[_step(entry, names) for entry in evidence.entries],
            head=evidence.head,
            head_at=_moment(evidence.head.at),
            cosigned=[names(code) for code in evidence.cosigned],
            made=_moment(at.isoformat()),
        )
    )


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("bus.evidence"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )


def _names(evidence: Evidence) -> Names:
    """A function from an agency's code to its name with the code, by the newest directory in the pack."""
    newest = max(
        (name for name in evidence.members if name.startswith("directories/")),
        key=lambda name: int(name.partition("/")[2].partition(".")[0]),
    )
    agencies = from_json(evidence.members[newest]).agencies

    def named(code: str) -> str:
        return f"{agencies[code].name_th} ({code})" if code in agencies else code

    return named


def _recipient(one: RecipientState, names: Names) -> dict[str, Any]:
    th, en = _word(one.status)
    return {
        "name": names(one.agency),
        "role_th": "ผู้รับ" if one.role == "to" else "สำเนา",
        "role_en": one.role,
        "th": th,
        "en": en,
        "consigned": _moment(one.consigned_at),
        "delivered": _moment(one.receipt.at if one.receipt else None),
        "answered": _moment(one.answer.at if one.answer else None),
        "number": one.answer.number if one.answer else None,
        "acknowledged": one.acknowledged,
        "overdue": one.overdue,
    }


def _step(entry: Entry, names: Names) -> dict[str, Any]:
    body = entry.body
    about = body.get("about") or list(body.get("recipients", ())) or body.get("silent") or []
    th, en = _KINDS.get(entry.kind, (str(entry.kind), str(entry.kind)))
    if entry.kind is Kind.NOTICE:
        th, en = _word(body["event"])
    return {
        "entry": entry.seq,
        "at": _moment(body["at"]),
        "claimed": _moment(body.get("eventTime")),
        "received": _moment(body.get("receivedAt")),
        "who": names(body["agency"]) if body.get("agency") else "ระบบกลาง · the bus",
        "th": th,
        "en": en,
        "about": [names(code) for code in about if code != body.get("agency")],
        "number": body.get("number"),
    }


def _word(event: str) -> tuple[str, str]:
    known = load_codes().events.get(event)
    return _STATES.get(event) or ((known.th, known.en) if known else (event, event))


def _moment(text: str | None) -> dict[str, str] | None:
    if not text:
        return None
    at = datetime.fromisoformat(text)
    return {"iso": at.isoformat(timespec="seconds"), "thai": thai_datetime(at)}


def _day(value: date) -> dict[str, str]:
    return {"iso": value.isoformat(), "thai": thai_date(value)}
