"""By what a search can be narrowed: how many letters there are of each agency, speed, kind and day, as links."""

from __future__ import annotations

from calendar import monthrange
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final

from bus.codes import load_codes
from bus.directory import Names
from bus.identifiers import AgencyCode
from bus.ledger.reading import Reader
from bus.thai import thai_date
from bus.views.questions import Question

_MOST_COUNTED: Final = 1_000
_MOST_SHOWN: Final = 12
Facet = dict[str, Any]


def facets_of(reader: Reader, question: Question, names: Names) -> dict[str, Any]:
    """Return the facets of what is found; counts are of at most so many of the newest letters, which is said.

    Of dates the next step is given: years, then the months of one, then the days of one.
    """
    rows = reader.find_letters(limit=_MOST_COUNTED + 1, **question.asked)
    more, rows = len(rows) > _MOST_COUNTED, rows[:_MOST_COUNTED]
    speeds = load_codes().speed
    return {
        "count": len(rows),
        "more": more,
        "facets": [
            _facet("from", Counter(row.sender for row in rows), lambda code: (_full(names, code),) * 2),
            _facet(
                "speed",
                Counter(row.speed for row in rows),
                lambda code: (speeds[code].th, speeds[code].en) if code in speeds else (code, code),
            ),
            _dates(Counter(row.dated for row in rows)),
        ],
    }


def _full(names: Names, code: str) -> str:
    return names.short(AgencyCode(code))


def _facet(name: str, counts: Mapping[str, int], words: Any) -> Facet:
    ranked = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return {
        "name": name,
        "links": [
            {"words": words(key), "count": count, "query": {name: key}} for key, count in ranked[:_MOST_SHOWN]
        ],
        "left": max(len(ranked) - _MOST_SHOWN, 0),
    }


def _dates(days: Mapping[str, int]) -> Facet:
    for length in (4, 7, 10):
        counts: Counter[str] = Counter()
        for day, count in days.items():
            counts[day[:length]] += count
        if len(counts) > 1 or length == 10:
            break
    return {"name": "dated", "links": list(_spans(sorted(counts.items(), reverse=True))), "left": 0}


def _spans(counts: Iterable[tuple[str, int]]) -> Iterable[dict[str, Any]]:
    for key, count in counts:
        year, month, day = (*map(int, key.split("-")), 0, 0)[:3]
        first = date(year, month or 1, day or 1)
        last = date(year, month or 12, day or monthrange(year, month or 12)[1])
        # The year, the month with it, or the whole date.
        thai = thai_date(first).split(" ", 0 if day else 1 if month else 2)[-1]
        query = {"since": first.isoformat(), "until": last.isoformat()}
        yield {"words": (thai, key), "count": count, "query": query}
