"""What the commands share: settings, the ledger, and two ways of saying a thing."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from bus.directory import Directory, load_directory
from bus.directory.clusters import require_known_clusters
from bus.exits import complain
from bus.ledger import schema
from bus.ledger.entry import Kind
from bus.ledger.halt import Halted
from bus.ledger.store import Ledger
from bus.operators import Operator, Role
from bus.people import acting, reading
from bus.router.activation import directory_in_force
from bus.settings.bus import BusSettings, load_bus_settings
from bus.text import print_json, printable

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", envvar="SARABAN_BUS_CONFIG", help="The settings file (bus.toml)."),
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
    with Ledger(settings.ledger.address(), tiles_folder=settings.ledger.tiles_folder) as ledger:
        yield ledger


def steward(settings: BusSettings) -> Operator:
    """Return who acts here: a steward, by the operator's key. Raises Misconfigured with what to do."""
    return acting(settings, Role.STEWARD)


def who_reads(settings: BusSettings) -> Operator | None:
    """Return who reads letters here, by the operator's key; None where no key is set. Raises Misconfigured.

    Whoever is an operator alone sees no subject, and so reads nothing here.
    """
    return acting(settings, Role.AUDITOR, Role.STEWARD) if reading(settings) else None


def note_reading(
    ledger: Ledger, who: Operator | None, what: str, query: Mapping[str, Any], count: int
) -> None:
    """Enter who has read: the question and how much was found, never what.

    A halted ledger takes no entry, and has to be read to be mended: that is said, and the reading goes on.
    """
    if who is None:
        return
    try:
        with ledger.append() as writer:
            writer.entry(Kind.READ, what=what, query=dict(query), count=count, **as_reader(who))
    except Halted as halted:
        complain(f"this reading was not entered: {halted}")


def as_reader(who: Operator) -> dict[str, Any]:
    """Return what an entry of a reading bears of the person."""
    return {"auditor": who.name, "role": who.role, "method": who.method}


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
