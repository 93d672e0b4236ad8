"""Tables on the terminal, for people: loaded by the commands that draw one, and not by what runs for months."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from bus.text import printable, printable_lines

_WIDE = 100_000
_IDENTIFIER = re.compile(r"[0-9A-Fa-f:.+T-]{4,}")
"""A LetterID, hash, code or time: folded it can be neither searched for nor copied."""


def listing(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table for people; line feeds in a cell are ours or stay in it, and everything else in it is text."""
    table = Table(title=Text(title))
    for column in columns:
        table.add_column(Text(column), overflow="fold")
    for row in rows:
        cells = [Text(printable_lines(cell)) for cell in row]
        table.add_row(*cells)
        for drawn, cell in zip(table.columns, cells, strict=True):
            drawn.no_wrap = drawn.no_wrap or any(map(_IDENTIFIER.fullmatch, cell.plain.splitlines()))
    _print(table, fold=True)


def _print(table: Table, *, fold: bool) -> None:
    """Print a table: no word of it is broken, or none but in cells that may be folded; on a pipe nothing is folded."""
    console = Console(markup=False, emoji=False, highlight=False)
    needed = Measurement.get(wide := Console(width=_WIDE), wide.options, table)
    if not console.is_terminal:  # a pipe or a file has no width
        console.width = max(console.width, needed.maximum)
    elif not fold:
        console.width = max(console.width, needed.minimum)
    console.print(table)


def account(view: Mapping[str, Any]) -> None:
    """Print a view in two columns, in full."""
    _print(_bilingual(view), fold=False)


def _bilingual(view: Mapping[str, Any]) -> Table:
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in view.items():
        if value not in (None, [], {}, "", ()):
            table.add_row(Text(printable(name), style="bold"), _shown(value))
    return table


def _shown(value: Any) -> RenderableType:
    if isinstance(value, Mapping):
        if value.keys() == {"iso", "thai"}:
            return Text(printable(f"{value['thai']} ({value['iso']})"))
        return _bilingual(value)
    if isinstance(value, list | tuple):
        table = Table(show_header=False, box=None, padding=0)
        for each in value:
            table.add_row(_shown(each))
        return table
    return Text(printable_lines(value))
