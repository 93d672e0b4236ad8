"""The entries about one letter, each decoded when it is looked at: a circular to thousands has as many."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any, Self, overload

from bus.ledger.entry import Entry, Kind


class History(Sequence[Entry]):
    """Entries in order, as the database has them: rows of number, kind and body."""

    def __init__(self, rows: Sequence[tuple[Any, ...]]) -> None:
        self._rows = rows

    @property
    def numbers(self) -> list[int]:
        """The number of each."""
        return [seq for seq, _, _ in self._rows]

    def of_kind(self, kind: Kind) -> Iterator[Entry]:
        """Yield those of one kind."""
        return (_decoded(row) for row in self._rows if row[1] == kind)

    def until(self, size: int) -> Self:
        """Return those that are among the first `size` entries of the ledger."""
        return type(self)(self._rows[: self._place(size)])

    def after(self, size: int) -> Self:
        """Return those that are not among the first `size` entries of the ledger."""
        return type(self)(self._rows[self._place(size) :])

    def _place(self, size: int) -> int:
        return bisect_right(self._rows, size, key=lambda row: int(row[0]))

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> Entry: ...
    @overload
    def __getitem__(self, place: slice) -> Self: ...
    def __getitem__(self, place: int | slice) -> Entry | Self:
        return type(self)(self._rows[place]) if isinstance(place, slice) else _decoded(self._rows[place])

    def __iter__(self) -> Iterator[Entry]:
        return map(_decoded, self._rows)


def _decoded(row: tuple[Any, ...]) -> Entry:
    return Entry(json.loads(row[2]))
