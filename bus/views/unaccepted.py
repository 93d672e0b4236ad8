"""Submissions that were refused or parked, as plain values, with the reason in full."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Unpack

from bus.codes import Codes, load_codes
from bus.ledger.reading import Reader
from bus.ledger.unaccepted import AskedUnaccepted, UnacceptedRow
from bus.pages.columns import Column, Row, iso
from bus.settings.bus import BusSettings
from bus.thai import normalise_number
from bus.views.letters import SHA256, ledger_number


def unaccepted_named(reader: Reader, name: str) -> list[UnacceptedRow]:
    """Return what a person means by a LetterID, a letter number, a hash or a ledger number."""
    if (seq := ledger_number(name)) is not None and (row := reader.unaccepted.at(seq)):
        return [row]
    if SHA256.fullmatch(name.lower()):
        return reader.unaccepted.find(hash=name.lower())
    return reader.unaccepted.find(id=name.lower()) or reader.unaccepted.find(number=normalise_number(name))


def find_unaccepted(reader: Reader, limit: int, **asked: Unpack[AskedUnaccepted]) -> list[UnacceptedRow]:
    """Return the submissions to which everything applies; none where nothing is asked that they can answer."""
    return reader.unaccepted.find(limit=limit, **asked) if any(asked.values()) else []


def values_of(row: UnacceptedRow, codes: Codes, reader: Reader) -> dict[str, Any]:
    """Return a submission and its refusal as plain values."""
    entry = reader.entry_at(row.entry)
    body = entry.body if entry else {}
    value: dict[str, Any] = {
        "entry": row.entry,
        "at": row.at,
        "kind": row.kind,
        "agency": row.agency,
        "type": row.type,
        "id": row.id,
        "number": row.number,
        "rawSha256": row.raw,
        "digest": row.digest,
        "verified": bool(body.get("digest")),
        "code": row.code,
        "where": body.get("where"),
        "answer": body.get("answer"),
    }
    if words := codes.refusals.get(row.code or ""):
        value["refusal"] = {
            "th": words.th,
            "en": words.en,
            "adviceTh": words.advice_th,
            "adviceEn": words.advice_en,
        }
    return value


def all_values(rows: Sequence[UnacceptedRow], settings: BusSettings, reader: Reader) -> list[dict[str, Any]]:
    """The same for several."""
    codes = load_codes(settings.codes.folder)
    return [values_of(row, codes, reader) for row in rows]


EXPORT_COLUMNS = (
    Column("refusedAt", "not accepted, ISO", "ไม่รับเมื่อ ค.ศ.", iso, plain=True),
    Column("code", "code of the refusal", "รหัสเหตุที่ไม่รับ"),
    Column("refusal", "refusal", "เหตุที่ไม่รับ", lambda words: f"{words['th']} ({words['en']})"),
    Column("rawSha256", "SHA-256 of the submission", "SHA-256 ของสิ่งที่ส่ง"),
)
"""The columns that an export of letters has besides, for what was not accepted."""


def as_rows(found: Sequence[Row]) -> Iterator[Row]:
    """Yield them as rows of an export of letters."""
    for one in found:
        yield {
            "letter": one["entry"],
            "number": one["number"],
            "sender": one["agency"],
            "letterId": one["id"],
            "status": one["kind"],
            "refusedAt": one["at"],
            **{name: one.get(name) for name in ("code", "refusal", "rawSha256")},
        }
