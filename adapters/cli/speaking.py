"""How the command line speaks: JSON for programs, tables for people, mistakes in Thai and English."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType
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


def settings_of(config: Path | None) -> AdapterSettings:
    """The settings of a command's own `--config`, of that before the command, or of an `adapter.toml` right here."""
    given = config or config_before_command.get()
    here = Path("adapter.toml")
    return load_adapter_settings(given or (here if here.exists() else None))


@contextmanager
def opened(config: Path | None) -> Iterator[Mailbox]:
    """The mailbox of the settings."""
    settings = settings_of(config)
    with Mailbox(settings.mailbox.folder, settings.agency) as mailbox:
        yield mailbox


def say(as_json: bool, account: Any, words: str | Table) -> None:
    """Print the account as JSON, or the words: a sentence becomes one harmless line."""
    if as_json:
        print_json(account)
    else:
        shown = Text(printable(words)) if isinstance(words, str) else words
        # A sentence is wrapped by the terminal and not by us: it can be copied as a whole.
        console = Console(markup=False, emoji=False, highlight=False)
        console.print(shown, soft_wrap=isinstance(words, str))


def listing(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table for people; line feeds in a cell are ours or stay in it, and everything else in it is text."""
    table = Table(title=Text(title))
    for column in columns:
        table.add_column(Text(column))
    for row in rows:
        table.add_row(*(Text(printable_lines(cell)) for cell in row))
    return table


def bilingual(account: Mapping[str, Any]) -> Table:
    """An account as a table of two columns."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in account.items():
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
