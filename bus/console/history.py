"""How each agency's queue was in the last 24 hours, a reading a minute, in memory only.

Of thousands of agencies few have anything waiting at a time: a minute keeps the figures of those alone.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

MINUTES: Final = 24 * 60


@dataclass(frozen=True, slots=True)
class Point:
    """One minute of one agency."""

    at: str
    waiting: int | None
    """Messages in its queue; None where its cluster could not be asked."""
    pending: int
    """Consignments that are not in its queue yet."""


@dataclass(frozen=True, slots=True)
class _Minute:
    at: str
    away: frozenset[str]
    """The clusters that could not be asked."""
    places: array[int]
    """The agencies that have anything, in order; beside each its figures."""
    waiting: array[int]
    pending: array[int]


class History:
    """The newest minutes of all agencies."""

    def __init__(self, minutes: int = MINUTES) -> None:
        self._minutes: deque[_Minute] = deque(maxlen=minutes)
        self._places: dict[str, int] = {}
        self._unheard: dict[str, str] = {}

    def note(self, at: str, rows: Iterable[Mapping[str, Any]], away: Iterable[str]) -> None:
        """Keep a reading, the first of each minute; and since when each agency is without an adapter."""
        rows = list(rows)
        self._note_adapters(at, rows)
        if self._minutes and self._minutes[-1].at[:16] == at[:16]:
            return
        figures = sorted(
            (self._places.setdefault(row["code"], len(self._places)), waiting, pending)
            for row in rows
            for waiting, pending in [(row["waiting"] or 0, row["pending"] + row["onHold"])]
            if waiting or pending
        )
        columns = (array("I", column) for column in zip(*figures, strict=True)) if figures else _nothing()
        self._minutes.append(_Minute(at, frozenset(away), *columns))

    def _note_adapters(self, at: str, rows: Iterable[Mapping[str, Any]]) -> None:
        for row in rows:
            if row["consumers"] == 0:
                self._unheard.setdefault(row["code"], at)
            elif row["consumers"]:
                self._unheard.pop(row["code"], None)

    def without_adapter_since(self, code: str) -> str | None:
        """Return since when at least no adapter of an agency is connected, as far as was seen; None while one is."""
        return self._unheard.get(code)

    def of(self, code: str, cluster: str) -> list[Point]:
        """Return the minutes of one agency, the oldest first."""
        place = self._places.get(code)
        found = []
        for minute in list(self._minutes):
            waiting = pending = 0
            if place is not None:
                at = bisect_left(minute.places, place)
                if at < len(minute.places) and minute.places[at] == place:
                    waiting, pending = minute.waiting[at], minute.pending[at]
            found.append(Point(minute.at, None if cluster in minute.away else waiting, pending))
        return found


def _nothing() -> Iterator[array[int]]:
    return (array("I") for _ in range(3))
