"""What the commands share: settings, the ledger, and two ways of saying a thing."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from bus.directory import Directory, load_directory
from bus.directory.clusters import require_known_clusters
from bus.ledger import schema
from bus.ledger.entry import Kind
from bus.ledger.store import Ledger
from bus.operators import Operator
from bus.router.activation import directory_in_force
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

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

AsCsv = Annotated[
    bool, typer.Option("--csv", help="Print CSV for a spreadsheet; below the rows it says what was asked.")
]


def settings_of(config: Path | None) -> BusSettings:
    """Return the settings; a file named `bus.toml` in this folder serves when none is given."""
    here = Path("bus.toml")
    return load_bus_settings(config or (here if here.exists() else None))


def directory_of(settings: BusSettings) -> Directory:
    """Return the directory of the file that the settings name. Raises Misconfigured with all its mistakes."""
    section = settings.directory
    directory = load_directory(section.file, certificates=section.certificates)
    require_known_clusters(directory, settings.brokers, str(section.file))
    return directory


def newest_directory(settings: BusSettings) -> Directory:
    """Return the directory in force, or that of the file where it is newer, or where there is none in force yet.

    So that what was approved by command and stands in no file is there, and what a file adds can be made ready before
    it is put in force.
    """
    with opened(settings) as ledger, ledger.read() as reader:
        entry = reader.latest(Kind.DIRECTORY)
        in_force = directory_in_force(reader)[1] if entry else None
    if in_force is not None and not settings.directory.file.exists():
        return in_force
    stated = directory_of(settings)
    return in_force if in_force is not None and in_force.version >= stated.version else stated


@contextmanager
def opened(settings: BusSettings) -> Iterator[Ledger]:
    """Give the ledger of these settings. Raises Misconfigured when its schema is not the newest."""
    schema.check(settings.ledger.address())
    with Ledger(settings.ledger.address()) as ledger:
        yield ledger


def operator() -> Operator:
    """Return who acts: by the login name, or the number of a user without a name, until operators have keys."""
    try:
        return Operator(getpass.getuser(), None, "local")
    except (KeyError, OSError, ImportError):
        # KeyError up to Python 3.12: containers run as numbers that no passwd file knows.
        return Operator(f"uid {os.getuid()}", None, "local")


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


def note(sentence: str) -> None:
    """Say something to the person at the terminal and to no program."""
    if sys.stderr.isatty():
        sys.stderr.write(sentence + "\n")
