"""How the command line speaks: JSON for programs, tables for people, mistakes in Thai and English."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.table import Table

from adapters.mailbox import Mailbox
from bus.settings import AdapterSettings, load_adapter_settings

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", envvar="SARABAN_ADAPTER_CONFIG", help="The settings, such as adapter.toml."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]

config_before_command: ContextVar[Path | None] = ContextVar("config_before_command", default=None)
"""The `--config` that stands before the command."""

MISTAKEN = 1
"""The exit status when nothing was done for what was asked."""
MISCONFIGURED = 2
_WIDE = 100_000
NOT_NOW = 75
"""The exit status when the same may work later."""


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


def say(as_json: bool, account: Any, words: RenderableType) -> None:
    """Print the account, or the words."""
    if as_json:
        print_json(account)
    else:
        console = Console()
        needed = Measurement.get(wide := Console(width=_WIDE), wide.options, words)
        # A pipe or a file has no width, and nothing is folded there; on a terminal no identifier is broken.
        console.width = max(console.width, needed.minimum if console.is_terminal else needed.maximum)
        console.print(words)


def print_json(account: Any) -> None:
    """Print JSON as it is: no colours, no line breaks in the middle of a value."""
    typer.echo(json.dumps(account, ensure_ascii=False, indent=2, default=str))


def bilingual(account: Mapping[str, Any]) -> Table:
    """An account as a table of two columns."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in account.items():
        if value not in (None, [], {}, "", ()):
            table.add_row(f"[bold]{name}[/bold]", _shown(value))
    return table


def _shown(value: Any) -> RenderableType:
    if isinstance(value, Mapping):
        if value.keys() == {"iso", "thai"}:
            return f"{value['thai']} ({value['iso']})"
        return bilingual(value)
    if isinstance(value, list | tuple):
        table = Table(show_header=False, box=None, padding=0)
        for each in value:
            table.add_row(_shown(each))
        return table
    return str(value)
