"""What the commands share: settings, the ledger, and two ways of saying a thing."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bus.ledger import schema
from bus.ledger.entry import Kind
from bus.ledger.store import Ledger
from bus.settings import BusSettings, load_bus_settings
from bus.text import print_json, printable

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", envvar="SARABAN_BUS_CONFIG", help="The settings file (bus.toml)."),
]

Auditor = Annotated[
    str | None,
    typer.Option(
        envvar="SARABAN_AUDITOR", help="Who reads; it is entered into the ledger what was asked for."
    ),
]


def settings_of(config: Path | None) -> BusSettings:
    """Return the settings; a file named `bus.toml` in this folder serves when none is given."""
    here = Path("bus.toml")
    return load_bus_settings(config or (here if here.exists() else None))


@contextmanager
def opened(settings: BusSettings) -> Iterator[Ledger]:
    """Give the ledger of these settings. Raises Misconfigured when its schema is not the newest."""
    schema.check(settings.ledger.address())
    ledger = Ledger(settings.ledger.address())
    try:
        yield ledger
    finally:
        ledger.close()


def operator() -> str:
    """Return the login name under which an operator's act is recorded."""
    return getpass.getuser()


def note_reading(
    ledger: Ledger, auditor: str | None, what: str, query: Mapping[str, Any], count: int
) -> None:
    """Enter that a named auditor has read: the question and how much was found, never what."""
    if auditor:
        with ledger.append() as writer:
            writer.entry(Kind.READ, auditor=auditor, what=what, query=dict(query), count=count)


def say(value: Any, *, json: bool, words: Iterable[str]) -> None:
    """Print a value as JSON, or what it means in words, each sentence as one harmless line."""
    if json:
        print_json(value)
    else:
        for sentence in words:
            sys.stdout.write(printable(sentence) + "\n")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table for people; a cell is a value, or a sequence of values below one another."""
    drawn = Table(title=Text(printable(title)), title_justify="left")
    for column in columns:
        drawn.add_column(Text(column), overflow="fold")
    for row in rows:
        drawn.add_row(*map(_cell, row))
    Console(markup=False, emoji=False, highlight=False).print(drawn)


def _cell(value: object) -> Text:
    # As a string it would be read as markup.
    if isinstance(value, list | tuple):
        return Text("\n".join(map(printable, value)))
    return Text("" if value is None else printable(value))


def note(sentence: str) -> None:
    """Say something to the person at the terminal and to no program."""
    if sys.stderr.isatty():
        sys.stderr.write(sentence + "\n")
