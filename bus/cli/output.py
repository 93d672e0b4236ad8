"""Every list and report on the screen: a table where one fits into the terminal, else a block of lines for each row.

In neither is an id broken. As a file it is what `bus.pages.columns` makes of it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from rich.console import Console

from bus.directory import Names
from bus.pages.columns import About, Column, Row, as_csv
from bus.text import printable

_GAP = 2


def listed(
    title: str,
    columns: Sequence[Column],
    rows: Iterable[Row],
    names: Names | None = None,
    *,
    none: str = "nothing",
) -> None:
    """Print rows for people; with the names of agencies where a column is one of these."""
    cells = [[column.text(row, names) for column in columns] for row in rows]
    used = [place for place in range(len(columns)) if any(line[place] for line in cells)]
    cells = [[line[place] for place in used] for line in cells]
    headings = [columns[place].en for place in used]
    width = Console().width
    lines = _table(headings, cells) if cells else [none]
    if any(cell_len(line) > width for line in lines):
        lines = _blocks(headings, cells)
    sys.stdout.write("\n".join([printable(title), "", *lines]) + "\n")


def _table(headings: Sequence[str], cells: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(cell_len, column)) for column in zip(headings, *cells, strict=True)]
    rule = ["─" * width for width in widths]
    return [_aligned(line, widths) for line in (headings, rule, *cells)]


def _blocks(headings: Sequence[str], cells: Sequence[Sequence[str]]) -> list[str]:
    widest = max(map(cell_len, headings))
    lines: list[str] = []
    for line in cells:
        lines += [_aligned(pair, [widest]) for pair in zip(headings, line, strict=True) if pair[1]]
        lines.append("")
    return lines[:-1]


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    """Cells beside each other; Thai vowels and tone marks above and below take no room of their own."""
    padded = [cell + " " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=False)]
    return (" " * _GAP).join([*padded, *line[len(widths) :]]).rstrip()


def exported(
    columns: Sequence[Column], rows: Iterable[Row], about: About, names: Names | None = None
) -> None:
    """Write rows to standard output as a spreadsheet opens them, and what they are below."""
    sys.stdout.flush()
    sys.stdout.buffer.write(as_csv(columns, rows, about, names))
    sys.stdout.buffer.flush()
