"""One letter as an auditor's page has it: who has not acknowledged first, then who, what and when, and the proof."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import date, datetime
from enum import Enum
from typing import Any, Final

from bus.directory import Names
from bus.evidence.proof_words import proof_sentences, proves, proves_not
from bus.evidence.statement import statement_of
from bus.evidence.views import acts, carriage, notices_of
from bus.evidence.words import DEADLINES, ROLES, shown_state, words_of
from bus.ledger.entry import Entry
from bus.ledger.glance import MOST_PROVEN, best_head, glance
from bus.ledger.history import History
from bus.ledger.reading import Reader
from bus.ledger.rows import LetterRow
from bus.ledger.state import LetterState
from bus.thai import now
from bus.views.entries import said_of
from bus.views.letters import row_of
from bus.views.unacknowledged import MISSING, missing_of

MOST: Final = 150
"""Rows of a list on the page; the CSV has every recipient, and the list of entries every entry."""

_NAMED: Final = 50
"""Agencies that one step, or one head, names on the page."""


def whole_letter(reader: Reader, names: Names, row: LetterRow) -> dict[str, Any]:
    """Return everything that the page of a letter shows, as plain values."""
    entries = reader.entries_of(row.letter)
    state = reader.folded(entries)
    silent = state.unacknowledged
    missing = missing_of(state, silent)
    lacking = {code: what for what, some in missing.items() for code in some}
    closed = [code for code in state.recipients if code not in lacking]
    value: dict[str, Any] = {
        **row_of(row, state),
        "senderName": names.full(row.sender),
        "acknowledgement": row.acknowledgement,
        "recipients": len(state.recipients),
        "silentCount": len(silent),
        "silent": [_silent(state, names, code, lacking[code]) for code in silent[:MOST]],
        "closedCount": len(closed),
        "closed": [_closed(state, names, code) for code in closed[:MOST]],
        "entryCount": len(entries),
    }
    return value | _stated(reader, names, row, state, entries)


def _recipient(state: LetterState, names: Names, code: Any) -> dict[str, Any]:
    one = state.recipients[code]
    return {
        "agency": code,
        "name": names.full(code),
        "addressed": None if one.addressed in ("", code) else names.full(one.addressed),
        "role": one.role,
        "roleWords": ROLES.get(one.role, (one.role, one.role)),
        "state": shown_state(one),
        "stateWords": words_of(shown_state(one)),
        "consignedAt": one.consigned_at,
        "deliveredAt": one.receipt.at if one.receipt else None,
        "overdue": [str(each) for each in one.overdue],
        "overdueWords": [DEADLINES.get(each, (each, each)) for each in one.overdue],
    }


def _silent(state: LetterState, names: Names, code: Any, what: str) -> dict[str, Any]:
    due = state.recipients[code].registration_due if state.asks_registration else None
    return _recipient(state, names, code) | {"missing": what, "missingWords": MISSING[what], "due": due}


def _closed(state: LetterState, names: Names, code: Any) -> dict[str, Any]:
    answer = state.recipients[code].answer
    return _recipient(state, names, code) | {
        "answeredAt": answer.at if answer else None,
        "receivingNumber": answer.number if answer else None,
        "answerEntry": answer.entry if answer else None,
    }


def _stated(
    reader: Reader, names: Names, row: LetterRow, state: LetterState, entries: History
) -> dict[str, Any]:
    """What documents and head say; without a head over the acceptance, which takes seconds, there is none of it."""
    head = best_head(reader, entries[-1].seq) or reader.heads.newest()
    if head is None or head.size < row.letter:
        return {"statement": None, "unsigned": [_line(entry) for entry in entries[:MOST]]}
    evidence = glance(reader, row, state, entries, head)
    statement = statement_of(evidence, names, now(), each=False)
    covered = entries.until(head.size).numbers
    proven = replace(statement.proof, entries=tuple(covered))
    notices = notices_of(evidence)
    mark = statement.fingerprint
    value = plain(replace(statement, fingerprint=replace(mark, cosigned=mark.cosigned[:_NAMED])))
    value["fingerprint"]["cosignedCount"] = len(mark.cosigned)
    # Their lists are those above, which go on beyond what is proven here.
    del value["silent"], value["others"], value["doubts"]
    value["proof"]["proven"] = len(statement.proof.entries)
    return {
        "statement": value,
        "words": {
            "proof": proof_sentences(replace(statement, proof=proven)),
            "proves": proves(statement),
            "provesNot": proves_not(statement),
        },
        "partlyProven": len(covered) > MOST_PROVEN,
        "checkpoint": evidence.members["checkpoint"].decode(),
        "acts": plain(list(map(_short, acts(evidence, notices, names)))),
        "carriage": plain(list(map(_short, carriage(evidence, names)))),
        "unsigned": [_line(entry) for entry in entries.after(head.size)[:MOST]],
    }


def _short(step: Mapping[str, Any]) -> dict[str, Any]:
    """A step with so many of those whom it is about, and how many there are."""
    return {**step, "about": step["about"][:_NAMED], "aboutCount": len(step["about"])}


def _line(entry: Entry) -> dict[str, Any]:
    return {"entry": entry.seq, "at": entry.body["at"], "kind": str(entry.kind), "said": said_of(entry)}


def plain(value: Any) -> Any:
    """Return a value as JSON has it: of a dataclass its fields, of a date its ISO form."""
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, Enum):
        return str(value)
    return value if value is None or isinstance(value, (str, int, bool)) else str(value)
