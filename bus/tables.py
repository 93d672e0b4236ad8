"""Tables for people: identifiers stay whole on every terminal, and whatever is no terminal gets plain, wide lines.

An identifier (LetterID, hash, code, time) that is folded can be neither searched for nor copied. So only other cells
are folded; where even that does not fit, each row is printed as lines of its own. A pipe or a file has no width.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bus.text import printable

_IDENTIFIER = re.compile(r"[0-9A-Fa-f:.+T-]{4,}")
_LEAST = 10
"""Cells of a terminal that a column of other text gets at the least."""

Cell = object
"""What stands in a cell: None for nothing, a tuple for several lines."""


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Print a table to standard output; texts in it are data and no markup."""
    cells = [[_lines(cell) for cell in row] for row in rows]
    whole = [any(_is_identifier(row[place]) for row in cells) for place in range(len(columns))]
    console = Console(highlight=False)
    if not console.is_terminal:
        _print_plain(console, title, columns, cells)
        return
    widths = [_width([[name], *(row[place] for row in cells)]) for place, name in enumerate(columns)]
    least = [width if kept else min(width, _LEAST) for width, kept in zip(widths, whole, strict=True)]
    if sum(least) + 3 * len(columns) + 1 > console.width:
        _print_records(console, title, columns, cells)
        return
    drawn = Table(title=Text(printable(title), "bold"), title_justify="left")
    for name, width, kept in zip(columns, least, whole, strict=True):
        drawn.add_column(Text(name), overflow="fold", no_wrap=kept, min_width=width)
    for row in cells:
        drawn.add_row(*(Text("\n".join(lines)) for lines in row))
    console.print(drawn)


def _lines(cell: Cell) -> list[str]:
    if cell is None:
        return [""]
    return [printable(line) for line in cell] or [""] if isinstance(cell, tuple) else [printable(cell)]


def _is_identifier(lines: Sequence[str]) -> bool:
    return any(_IDENTIFIER.fullmatch(line) for line in lines)


def _width(cells: Iterable[Sequence[str]]) -> int:
    return max(cell_len(line) for lines in cells for line in lines)


def _print_plain(console: Console, title: str, columns: Sequence[str], cells: list[list[list[str]]]) -> None:
    rows = [list(columns), *([" / ".join(lines) for lines in row] for row in cells)]
    widths = [max(cell_len(row[place]) for row in rows) for place in range(len(columns))]
    for line in (printable(title), *(_padded(row, widths) for row in rows)):
        console.print(Text(line), soft_wrap=True)


def _padded(row: Sequence[str], widths: Sequence[int]) -> str:
    padded = (text + " " * (width - cell_len(text)) for text, width in zip(row, widths, strict=True))
    return "  ".join(padded).rstrip()


def _print_records(
    console: Console, title: str, columns: Sequence[str], cells: list[list[list[str]]]
) -> None:
    console.print(Text(printable(title), "bold"), soft_wrap=True)
    named = max(map(cell_len, columns))
    for row in cells:
        console.print()
        for name, lines in zip(columns, row, strict=True):
            for line in lines:
                console.print(Text(f"{_padded([name], [named]):<{named}}  {line}"), soft_wrap=True)
