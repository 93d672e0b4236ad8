"""What a search finds: a page of letters with what became of each, and what was not accepted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from bus.directory import Names
from bus.evidence.words import DISPUTED, shown_state, words_of
from bus.identifiers import AgencyCode
from bus.ledger.reading import Reader
from bus.ledger.state import LetterState
from bus.ledger.unaccepted import UnacceptedRow
from bus.views.asking import UNACKNOWLEDGED
from bus.views.finding import Found
from bus.views.letters import row_of
from bus.views.questions import Question

PAGE: Final = 50
_BATCH: Final = 250
_MOST_LOOKED_AT: Final = 2_000
"""Letters whose state is looked at for one page: no index has the states."""


@dataclass(frozen=True, slots=True)
class Results:
    """A page of what was found."""

    letters: list[Found]
    before: int | None
    """The ledger number below which the next page begins; None for the last."""
    looked_at: int | None
    """How many letters were looked at for their states; None where nothing was asked of those."""


def results(reader: Reader, question: Question, before: int | None, limit: int = PAGE) -> Results:
    """Return the newest letters below a ledger number to which everything applies."""
    if question.state is None:
        rows = reader.find_letters(before=before, limit=limit + 1, **question.asked)
        states = reader.states_of([row.letter for row in rows[:limit]])
        found = [(row, states[row.letter]) for row in rows[:limit]]
        return Results(found, rows[limit - 1].letter if len(rows) > limit else None, None)
    found, looked_at = [], 0
    to = question.asked.get("recipient")
    while rows := reader.find_letters(before=before, limit=_BATCH, **question.asked):
        states = reader.states_of([row.letter for row in rows])
        for row in rows:
            before, looked_at = row.letter, looked_at + 1
            if has(states[row.letter], question.state, to):
                found.append((row, states[row.letter]))
            if len(found) == limit or looked_at == _MOST_LOOKED_AT:
                return Results(found, before, looked_at)
        if len(rows) < _BATCH:
            break
    return Results(found, None, looked_at)


def has(state: LetterState, wanted: str, recipient: AgencyCode | None) -> bool:
    """Whether a letter is in a state at one of its recipients, or at this one."""
    if wanted == UNACKNOWLEDGED:
        return bool(set(state.unacknowledged) & ({recipient} if recipient else set(state.recipients)))
    of_these = [one for code, one in state.recipients.items() if recipient in (None, code)]
    return any(wanted == one.outcome or (wanted == DISPUTED and one.disputed) for one in of_these)


def unaccepted_of(reader: Reader, question: Question, limit: int = PAGE) -> list[UnacceptedRow]:
    """Return what was not accepted and answers the same question, the newest first."""
    if not question.of_any:
        return []
    said = question.understood
    return reader.unaccepted.find(
        limit=limit,
        id=said.get("id"),
        number=said["number"][:200] if "number" in said else None,
        sender=said.get("from"),
        hash=said.get("hash"),
        code=said.get("code"),
    )


def shown(found: list[Found], names: Names) -> Iterator[dict[str, Any]]:
    """Yield each letter with how many recipients are in each state, and how many have not acknowledged."""
    for row, state in found:
        counts = Counter(map(shown_state, state.recipients.values()))
        yield {
            **row_of(row, state),
            "senderName": called(names, row.sender),
            "recipients": len(state.recipients),
            "outcomes": [
                {"state": each, "words": words_of(each), "count": count}
                for each, count in counts.most_common()
            ],
            "unacknowledged": len(state.unacknowledged),
        }


def called(names: Names, code: AgencyCode) -> str:
    """Return an agency's code with its abbreviation, or with its whole name where it has none."""
    known = names.agencies.get(code)
    return names.short(code) if known is None or known.abbrev_th else names.full(code)
