"""How letters are named, and letters as plain values."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bus.evidence.words import shown_state
from bus.identifiers import LetterId
from bus.ledger.reading import Reader
from bus.ledger.rows import LetterRow
from bus.ledger.state import LetterState
from bus.thai import normalise_number

_PAGE = 500
SHA256 = re.compile(r"[0-9a-f]{64}")
_MOST_DIGITS = 18
MOST_NUMBER = 10**_MOST_DIGITS
"""Above every ledger number, and below what a database's integers hold."""


def ledger_number(text: str) -> int | None:
    """Return the ledger number that a text is, None if it is none: a number that no ledger reaches is none."""
    return int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else None


def letters_named(reader: Reader, name: str) -> list[LetterRow]:
    """Return the letters that a person means by a LetterID, a letter number, a hash or a ledger number."""
    if SHA256.fullmatch(name.lower()):
        return reader.letters_by_hash(name.lower())
    if (seq := ledger_number(name)) is not None:
        row = reader.letter(seq)
        return [row] if row else []
    return reader.find_letters(letter_id=LetterId(name.lower())) or reader.find_letters(
        number=normalise_number(name)
    )


def paged(matching: Callable[..., list[LetterRow]]) -> Iterator[list[LetterRow]]:
    """Yield every matching letter, newest first, in pages."""
    before = None
    while rows := matching(before=before, limit=_PAGE):
        yield rows
        before = rows[-1].letter


def in_batches(
    reader: Reader, matching: Callable[..., list[LetterRow]]
) -> Iterator[tuple[LetterRow, LetterState]]:
    """Yield every matching letter, newest first, with its state."""
    for rows in paged(matching):
        states = reader.states_of([row.letter for row in rows])
        yield from ((row, states[row.letter]) for row in rows)


def row_of(row: LetterRow, state: LetterState) -> dict[str, Any]:
    """Return a letter's index as plain values, with the time at which its next registration is due by now."""
    return index_of(row) | {"registrationDue": state.registration_due}


def index_of(row: LetterRow) -> dict[str, Any]:
    """Return a letter's index as plain values; when its registrations are due by now is not in it."""
    return {
        "letter": row.letter,
        "letterId": row.letter_id,
        "digest": row.digest,
        "number": row.number,
        "dated": row.dated,
        "sender": row.sender,
        "subject": row.subject,
        "speed": row.speed,
        "acceptedAt": row.accepted_at,
        "receiptDue": row.receipt_due,
        "registrationDue": None,
        "certificate": row.certificate,
    }


def state_of(state: LetterState) -> dict[str, Any]:
    """Return where a letter stands with each recipient as plain values."""
    recipients: Mapping[str, Any] = {
        code: {
            "role": one.role,
            "addressed": one.addressed,
            "outcome": one.outcome,
            "state": shown_state(one),
            "consignedAt": one.consigned_at,
            "deliveredAt": one.receipt.at if one.receipt else None,
            "answeredAt": one.answer.at if one.answer else None,
            "number": one.answer.number if one.answer else None,
            "overdue": list(one.overdue),
            "registrationDue": one.registration_due if state.asks_registration else None,
        }
        for code, one in state.recipients.items()
    }
    return {"recipients": recipients, "unacknowledged": state.unacknowledged}


def summary_of(state: LetterState) -> str:
    """Return how many recipients are in each state, in words."""
    counts = Counter(map(shown_state, state.recipients.values()))
    return ", ".join(f"{status} {count}" for status, count in sorted(counts.items()))
