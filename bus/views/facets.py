"""By what a search can be narrowed: letters of each agency, kind, speed, outcome and day, counted, as links."""

from __future__ import annotations

from calendar import monthrange
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any, Final

from bus.codes import load_codes
from bus.directory import Names
from bus.evidence.words import shown_state, words_of
from bus.identifiers import AgencyCode
from bus.ledger.reading import Reader
from bus.thai import thai_date
from bus.views.asking import UNACKNOWLEDGED
from bus.views.folding import states_within
from bus.views.questions import Question
from bus.views.search import called

_MOST_SHOWN: Final = 12
_MOST_STATES: Final = 200
"""Letters whose states are counted, the newest, circulars to very many left out: no index has states."""
Words = Callable[[Any], tuple[str, str]]
Facet = dict[str, Any]


def facets_of(reader: Reader, question: Question, names: Names) -> dict[str, Any]:
    """Return the facets of what is found; counts are of so many of the newest letters, which is said.

    Of dates the next step is given: years, then the months of one, then the days of one.
    """
    found, codes = reader.facets(**question.asked), load_codes()

    def agency(code: str) -> tuple[str, str]:
        return (called(names, AgencyCode(code)),) * 2

    def coded(known: Mapping[str, Any]) -> Words:
        return lambda code: (known[code].th, known[code].en) if code in known else (str(code), str(code))

    kinds = {code: count for code, count in found.kinds.items() if code is not None}
    return {
        "count": found.count,
        "more": found.more,
        "facets": [
            _facet("state", _states(reader, question), _state_words, of=_MOST_STATES),
            _facet("from", found.senders, agency),
            _facet("to", found.recipients, agency),
            _facet("kind", kinds, coded(codes.kinds)),
            _facet("speed", found.speeds, coded(codes.speed)),
            _dates(found.days),
        ],
    }


def _states(reader: Reader, question: Question) -> Counter[str]:
    """Of how many letters a recipient is in each state, and of how many somebody has not acknowledged."""
    rows = reader.find_letters(limit=_MOST_STATES, **question.asked)
    counts: Counter[str] = Counter()
    states, _ = states_within(reader, [row.letter for row in rows])
    for state in states.values():
        counts.update({shown_state(one) for one in state.recipients.values()})
        counts.update([UNACKNOWLEDGED] if state.unacknowledged else [])
    return counts


def _state_words(state: str) -> tuple[str, str]:
    return ("ยังไม่ตอบรับ", "not acknowledged") if state == UNACKNOWLEDGED else words_of(state)


def _facet(name: str, counts: Mapping[str, int], words: Words, of: int | None = None) -> Facet:
    ranked = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    shown = ranked[:_MOST_SHOWN]
    return {
        "name": name,
        "links": [{"words": words(key), "count": count, "query": {name: key}} for key, count in shown],
        "left": max(len(ranked) - _MOST_SHOWN, 0),
        "of": of,
    }


def _dates(days: Mapping[str, int]) -> Facet:
    for length in (4, 7, 10):
        counts: Counter[str] = Counter()
        for day, count in days.items():
            counts[day[:length]] += count
        if len(counts) > 1 or length == 10:
            break
    return {
        "name": "dated",
        "links": list(_spans(sorted(counts.items(), reverse=True))),
        "left": 0,
        "of": None,
    }


def _spans(counts: Iterable[tuple[str, int]]) -> Iterable[dict[str, Any]]:
    for key, count in counts:
        year, month, day = (*map(int, key.split("-")), 0, 0)[:3]
        first = date(year, month or 1, day or 1)
        last = date(year, month or 12, day or monthrange(year, month or 12)[1])
        # The year, the month with it, or the whole date.
        thai = thai_date(first).split(" ", 0 if day else 1 if month else 2)[-1]
        query = {"since": first.isoformat(), "until": last.isoformat()}
        yield {"words": (thai, key), "count": count, "query": query}
