"""A letter's way, hop by hop, as an operator may see it: no subject, no file, no officer, no receiving number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from bus.evidence.words import shown_state, words_of
from bus.identifiers import AgencyCode
from bus.ledger.entry import Entry, Kind
from bus.ledger.reading import Reader
from bus.ledger.rows import LetterRow
from bus.ledger.state import LetterState, RecipientState, fold

FOLDED = 2_000
"""Entries about a letter up to which the steps of all its recipients are worked out at once."""
SHOWN = 300
"""Recipients that are shown together."""
_NAMED = 10
_ATTEMPTS = 50
Step = dict[str, Any]


def steps_of(reader: Reader, letter: LetterRow, *, after: int, most: int) -> tuple[list[Step], int | None]:
    """Return the next steps behind an entry, each with the seconds since the one before, and where to go on."""
    entries = reader.due.silent.chain(letter.letter, after=after, limit=most + 1)
    shown = entries[:most]
    before = reader.due.silent.last_at(letter.letter, after) if after else None
    steps = []
    for entry in shown:
        body = entry.body
        since = body.get("receivedAt") if entry.kind is Kind.ACCEPTED else before
        steps.append(_step(entry, _seconds(since, body["at"])))
        before = body["at"]
    return steps, shown[-1].seq if len(entries) > most else None


def _step(entry: Entry, took: float | None) -> Step:
    body = entry.body
    about = _about(entry)
    return {
        "entry": entry.seq,
        "at": body["at"],
        "took": took,
        "kind": str(entry.kind),
        "event": list(words_of(body["event"])) if entry.kind is Kind.NOTICE else None,
        "who": None if entry.kind is Kind.CONSIGNMENT_FAILED else body.get("agency"),
        "about": about[:_NAMED],
        "aboutCount": len(about),
        "deadline": body.get("deadline"),
        "reason": body.get("reason") if entry.kind is Kind.CONSIGNMENT_FAILED else None,
    }


def _about(entry: Entry) -> Sequence[str]:
    body = entry.body
    match entry.kind:
        case Kind.NOTICE:
            return [code for code in body["about"] if code != body.get("agency")]
        case Kind.CONSIGNED | Kind.RELEASED:
            return list(body["recipients"])
        case Kind.OVERDUE:
            return list(body["silent"])
        case Kind.DEADLINE_EXTENDED:
            return [code for group in body["extended"] for code in group["recipients"]]
        case Kind.CONSIGNMENT_FAILED:
            return [body["agency"]]
        case _:
            return []


def recipients_of(
    reader: Reader, letter: LetterRow, agency: AgencyCode | None
) -> list[dict[str, Any]] | None:
    """Return each recipient's steps, or those of one; None where there is too much to work out for all."""
    if agency is None:
        many = reader.agencies.how_many([letter.letter]).get(letter.letter, 0)
        if many > SHOWN or reader.due.silent.size_of(letter.letter, FOLDED + 1) > FOLDED:
            return None
    state = state_for(reader, letter, agency)
    some = state.recipients.values() if agency is None else filter(None, [state.recipients.get(agency)])
    return [_recipient(one, letter) for one in some]


def state_for(reader: Reader, letter: LetterRow, agency: AgencyCode | None) -> LetterState:
    """Return a letter's state; with an agency, as far as that recipient goes."""
    if agency is None:
        return reader.state_of(letter.letter)
    chain = reader.due.silent.chain_of(letter.letter, agency, letter.sender)
    return fold(map(reader.recipient_sets.expanded, chain))


def _recipient(one: RecipientState, letter: LetterRow) -> dict[str, Any]:
    times = {
        "consigned": one.consigned_at,
        "delivered": one.receipt.at if one.receipt else None,
        "answered": one.answer.at if one.answer else None,
    }
    took, before = {}, letter.accepted_at
    for name, at in times.items():
        took[name] = _seconds(before, at)
        before = at or before
    return {
        "agency": one.agency,
        "addressed": one.addressed,
        "role": one.role,
        "outcome": one.outcome,
        "state": list(words_of(shown_state(one))),
        "times": times,
        "took": took,
        "overdue": [str(each) for each in one.overdue],
        "registrationDue": one.registration_due,
    }


def next_of(reader: Reader, letter: int) -> dict[str, Any]:
    """Return what comes next by itself: consignments that are tried again, and deadlines that are judged."""
    attempts = reader.due.silent.attempts(letter, limit=_ATTEMPTS)
    return {
        "attempts": [asdict(one) for one in attempts],
        "deadlines": [{"deadline": str(one.deadline), "at": one.at} for one in reader.due.of_letter(letter)],
    }


def _seconds(since: str | None, at: str | None) -> float | None:
    if since is None or at is None:
        return None
    return round((datetime.fromisoformat(at) - datetime.fromisoformat(since)).total_seconds(), 3)


def named_in(steps: Sequence[Step], recipients: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the codes of the agencies that are shown."""
    found = {code for step in steps for code in (step["who"], *step["about"]) if code}
    return found | {code for one in recipients for code in (one["agency"], one["addressed"])}
