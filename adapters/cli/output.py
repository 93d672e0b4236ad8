"""How the command line speaks: JSON for programs, sentences for people, mistakes in Thai and English."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any

import typer

from adapters.mailbox import Mailbox
from bus.settings.adapter import AdapterSettings, load_adapter_settings
from bus.text import print_json, printable

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


def say(as_json: bool, view: Any, words: str) -> None:
    """Print the view as JSON, or the words as one harmless line, which the terminal wraps: it is copied as a whole."""
    if as_json:
        print_json(view)
    else:
        sys.stdout.write(f"{printable(words)}\n")
