"""Who has not acknowledged which letter, out of each one's frozen recipient set, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bus.documents.lifecycle import ON_HOLD
from bus.identifiers import AgencyCode
from bus.ledger.reading import Reader
from bus.ledger.state import LetterState
from bus.views.letters import row_of

_PAGE = 500
MISSING = {
    "consignment": ("ยังไม่ถึงตู้หนังสือ", "not in the inbox yet"),
    "release": ("รอไว้ เพราะหน่วยงานพักใช้งานอยู่", "on hold, the agency is suspended"),
    "receipt": (
        "ถึงตู้หนังสือแล้ว แต่ระบบของหน่วยงานยังไม่ตอบรับ",
        "in the inbox, and the adapter has not acknowledged it",
    ),
    "registration": (
        "ระบบของหน่วยงานตอบรับแล้ว แต่เจ้าหน้าที่ยังไม่ลงทะเบียนรับ",
        "delivered, and the clerk has not registered it",
    ),
}
"""What may be missing, the earliest first, in Thai and English."""


def unacknowledged(
    reader: Reader, agency: AgencyCode | None, speed: str | None, accepted_by: str
) -> Iterator[dict[str, Any]]:
    """Yield each letter that somebody has not acknowledged, newest first, with the silent by what is missing."""
    before = None
    while rows := reader.find_letters(recipient=agency, accepted_by=accepted_by, before=before, limit=_PAGE):
        before = rows[-1].letter
        wanted = [row for row in rows if speed in (None, row.speed)]
        states = reader.states_of([row.letter for row in wanted])
        for row in wanted:
            silent = [code for code in states[row.letter].unacknowledged if agency in (None, code)]
            if silent:
                yield row_of(row, states[row.letter]) | {
                    "silent": silent,
                    "missing": missing_of(states[row.letter], silent),
                }


def missing_of(state: LetterState, silent: list[AgencyCode]) -> dict[str, list[AgencyCode]]:
    """Return the silent ones by what has not happened: by whom each is to be asked."""
    found: dict[str, list[AgencyCode]] = {}
    for code in silent:
        one = state.recipients[code]
        what = (
            "registration"
            if one.receipt
            else "receipt"
            if one.consigned_at
            else "release"
            if one.progress.carried == ON_HOLD
            else "consignment"
        )
        found.setdefault(what, []).append(code)
    return {what: found[what] for what in MISSING if what in found}
