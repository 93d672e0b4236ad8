"""What a search finds: a page of letters with what became of each, and what was not accepted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bus.directory import Names
from bus.evidence.words import DISPUTED, shown_state, words_of
from bus.identifiers import AgencyCode
from bus.ledger.reading import Reader
from bus.ledger.rows import LetterRow
from bus.ledger.state import LetterState
from bus.ledger.unaccepted import UnacceptedRow
from bus.views.asking import UNACKNOWLEDGED
from bus.views.finding import Found
from bus.views.folding import portions, states_within
from bus.views.letters import index_of, row_of
from bus.views.questions import Question

PAGE: Final = 50
_BATCH: Final = 250
_MOST_EXPORTED, _MOST_ROWS, _AT_ONCE = 1_000, 10_000, 25
"""Letters of a CSV, rows of it, and letters that are read for it at once; all of them are exported by a job."""
_MOST_LOOKED_AT: Final = 2_000
"""Letters whose state is looked at for one page: no index has the states."""
_MOST_WEIGHED: Final = 6_000
"""Recipients of these letters together: a letter to thousands is looked at alone."""


@dataclass(frozen=True, slots=True)
class Results:
    """A page of what was found."""

    letters: list[Found]
    before: int | None
    """The ledger number below which the next page begins; None for the last."""
    looked_at: int | None
    """How many letters were looked at for their states; None where nothing was asked of those."""


@dataclass(frozen=True, slots=True)
class Lines:
    """A page of what was found, as a list shows it."""

    rows: list[LetterRow]
    states: Mapping[int, LetterState]
    """By letter, of those of which the list says it."""
    recipients: Mapping[int, int]
    """How many each letter has."""
    before: int | None
    looked_at: int | None


def results(reader: Reader, question: Question, before: int | None, limit: int = PAGE) -> Results:
    """Return the newest letters below a ledger number to which everything applies, each with its whole state."""
    if question.state is None:
        rows = reader.find_letters(before=before, limit=limit + 1, **question.asked)
        states = reader.states_of([row.letter for row in rows[:limit]])
        found = [(row, states[row.letter]) for row in rows[:limit]]
        return Results(found, rows[limit - 1].letter if len(rows) > limit else None, None)
    found = []
    looked_at = weighed = 0
    to = question.asked.get("recipient")
    while rows := reader.find_letters(before=before, limit=_BATCH, **question.asked):
        for some, recipients in portions(reader, rows):
            if weighed and weighed + recipients > _MOST_WEIGHED:
                return Results(found, before, looked_at)
            states, weighed = reader.states_of([row.letter for row in some]), weighed + recipients
            for row in some:
                before, looked_at = row.letter, looked_at + 1
                if has(states[row.letter], question.state, to):
                    found.append((row, states[row.letter]))
                if len(found) == limit or looked_at == _MOST_LOOKED_AT:
                    return Results(found, before, looked_at)
        if len(rows) < _BATCH:
            break
    return Results(found, None, looked_at)


class Export:
    """The letters of a CSV: the newest, as many as have together so many recipients, each of which is a row.

    They are read as they are asked for, a few at once, so that thousands of states are never in memory together; how
    many there were, and the number below which the next file begins, is known after the last.
    """

    def __init__(self, reader: Reader, question: Question, before: int | None) -> None:
        self._reader, self._question = reader, question
        self.count = 0
        self.before = before

    def letters(self) -> Iterator[Found]:
        """Yield them."""
        recipients = looked_at = 0
        while self.count < _MOST_EXPORTED and recipients < _MOST_ROWS:
            some = results(self._reader, self._question, self.before, _AT_ONCE)
            self.count += len(some.letters)
            self.before, looked_at = some.before, looked_at + (some.looked_at or 0)
            recipients += sum(len(state.recipients) for _, state in some.letters)
            yield from some.letters
            # A question about a state may have looked at enough, and found little.
            if self.before is None or looked_at >= _MOST_LOOKED_AT or len(some.letters) < _AT_ONCE:
                break


def lines(reader: Reader, question: Question, before: int | None) -> Lines:
    """Return the same as a page lists it: of circulars to very many it does not say what became of them."""
    if question.state is not None:
        found = results(reader, question, before, PAGE)
        states = {row.letter: state for row, state in found.letters}
        many = {letter: len(state.recipients) for letter, state in states.items()}
        return Lines([row for row, _ in found.letters], states, many, found.before, found.looked_at)
    rows = reader.find_letters(before=before, limit=PAGE + 1, **question.asked)
    states, counts = states_within(reader, [row.letter for row in rows[:PAGE]])
    return Lines(rows[:PAGE], states, counts, rows[PAGE - 1].letter if len(rows) > PAGE else None, None)


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


def shown(found: Lines, names: Names) -> Iterator[dict[str, Any]]:
    """Yield each letter with how many recipients are in each state, and how many have not acknowledged.

    Of a letter whose state a list does not say, the states are none, and `unacknowledged` and `registrationDue` None.
    """
    for row in found.rows:
        state = found.states.get(row.letter)
        counts = Counter(map(shown_state, state.recipients.values())) if state else Counter()
        yield {
            **(row_of(row, state) if state else index_of(row)),
            "senderName": called(names, row.sender),
            "recipients": found.recipients.get(row.letter, 0),
            "outcomes": [
                {"state": each, "words": words_of(each), "count": count}
                for each, count in counts.most_common()
            ],
            "unacknowledged": len(state.unacknowledged) if state else None,
        }


def called(names: Names, code: AgencyCode) -> str:
    """Return an agency's code with its abbreviation, or with its whole name where it has none."""
    known = names.agencies.get(code)
    return names.short(code) if known is None or known.abbrev_th else names.full(code)
