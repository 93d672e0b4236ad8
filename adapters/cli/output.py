"""How the command line speaks: JSON for programs, tables for people, mistakes in Thai and English."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from adapters.mailbox import Mailbox
from bus.settings import AdapterSettings, load_adapter_settings
from bus.text import print_json, printable, printable_lines

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", envvar="SARABAN_ADAPTER_CONFIG", help="The settings, such as adapter.toml."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]

config_before_command: ContextVar[Path | None] = ContextVar("config_before_command", default=None)
"""The `--config` that stands before the command."""

_WIDE = 100_000
_IDENTIFIER = re.compile(r"[0-9A-Fa-f:.+T-]{4,}")
"""A LetterID, hash, code or time: folded it can be neither searched for nor copied."""


def settings_of(config: Path | None) -> AdapterSettings:
    """The settings of a command's own `--config`, of that before the command, or of an `adapter.toml` right here."""
    given = config or config_before_command.get()
    here = Path("adapter.toml")
    return load_adapter_settings(given or (here if here.exists() else None))


@contextmanager
def opened(config: Path | None) -> Iterator[Mailbox]:
    """The mailbox of the settings, made if there is none."""
    settings = settings_of(config)
    with Mailbox(settings.mailbox.folder, settings.agency) as mailbox:
        yield mailbox


@contextmanager
def reading(config: Path | None) -> Iterator[tuple[AdapterSettings, Mailbox]]:
    """The settings and their mailbox, of which nothing is made or changed; Misconfigured when there is none."""
    settings = settings_of(config)
    with Mailbox(settings.mailbox.folder, settings.agency, only_reading=True) as mailbox:
        yield settings, mailbox


def say(as_json: bool, view: Any, words: str | Table) -> None:
    """Print the view as JSON, or the words: a sentence becomes one harmless line."""
    if as_json:
        print_json(view)
    elif isinstance(words, str):
        # A sentence is wrapped by the terminal and not by us: it can be copied as a whole.
        _console().print(Text(printable(words)), soft_wrap=True)
    else:
        _print(words, fold=False)


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


def _console() -> Console:
    return Console(markup=False, emoji=False, highlight=False)


def _print(table: Table, *, fold: bool) -> None:
    """Print a table: no word of it is broken, or none but in cells that may be folded; on a pipe nothing is folded."""
    console = _console()
    needed = Measurement.get(wide := Console(width=_WIDE), wide.options, table)
    if not console.is_terminal:  # a pipe or a file has no width
        console.width = max(console.width, needed.maximum)
    elif not fold:
        console.width = max(console.width, needed.minimum)
    console.print(table)


def bilingual(view: Mapping[str, Any]) -> Table:
    """A view as a table of two columns."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in view.items():
        if value not in (None, [], {}, "", ()):
            table.add_row(Text(printable(name), style="bold"), _shown(value))
    return table


def _shown(value: Any) -> RenderableType:
    if isinstance(value, Mapping):
        if value.keys() == {"iso", "thai"}:
            return Text(printable(f"{value['thai']} ({value['iso']})"))
        return bilingual(value)
    if isinstance(value, list | tuple):
        table = Table(show_header=False, box=None, padding=0)
        for each in value:
            table.add_row(_shown(each))
        return table
    return Text(printable_lines(value))
