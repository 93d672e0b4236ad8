"""What a sheet of paper consists of, as plain values: it is laid out by typst on paper and by HTML on a screen.

A line is a text in Thai, or in no language such as a number, and the same in English where that is something else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Line = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Rows:
    """Names, each with what stands beside it."""

    rows: tuple[tuple[Line, tuple[Line, ...]], ...]
    form: Literal["rows"] = "rows"


@dataclass(frozen=True, slots=True)
class Table:
    """Columns with their share of the width, and cells of several lines."""

    columns: tuple[tuple[Line, int], ...]
    rows: tuple[tuple[tuple[Line, ...], ...], ...]
    form: Literal["table"] = "table"


@dataclass(frozen=True, slots=True)
class Points:
    """Sentences, one below the other."""

    points: tuple[Line, ...]
    numbered: bool = False
    form: Literal["points"] = "points"


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the sheet under its heading."""

    title: Line
    parts: tuple[Rows | Table | Points, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """All of it, from the top."""

    title: Line
    name: str
    """The letter's number, for the document's own title."""
    letter_id: str
    made: Line
    answer: Line
    notes: tuple[Line, ...]
    """What whoever takes it into the hand has to know first."""
    sections: tuple[Section, ...]
