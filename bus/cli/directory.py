"""`saraban-bus directory`: the file of agencies, put in force, written and checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bus.cli.common import Config, Json, directory_of, opened, say, settings_of, steward
from bus.directory.speaking import Speaking, speaking
from bus.directory.writing import write_directory
from bus.exits import NEGATIVE
from bus.router.activation import activate_directory, directory_in_force
from bus.router.signers import bus_seal
from bus.thai import now

app = typer.Typer(no_args_is_help=True, help="The directory of agencies.")


@app.command("apply")
def directory_apply(config: Config = None, json: Json = False) -> None:
    """Put the directory file in force: an entry in the ledger, and a consignment to every agency."""
    settings = settings_of(config)
    who, directory = steward(settings), directory_of(settings)
    with opened(settings) as ledger:
        entry = activate_directory(ledger, directory, bus_seal(settings), operator=who)
    found = speaking(directory, now())
    sentence = f"directory version {directory.version} is in force (entry {entry})"
    value = {"version": directory.version, "entry": entry, **_of_certificates(found)}
    say(value, json=json, words=[sentence, *(f"warning: {one}" for one in found.silent + found.warnings)])


@app.command("export")
def directory_export(
    folder: Annotated[Path, typer.Argument(help="A new folder, or an empty one.")],
    config: Config = None,
    json: Json = False,
) -> None:
    """Write the directory in force as a file with its certificates, to be changed and applied, or kept."""
    with opened(settings_of(config)) as ledger, ledger.read() as reader:
        _, directory = directory_in_force(reader)
        file = write_directory(directory, folder)
    said = f"wrote version {directory.version} to {file}; changed, it is version {directory.version + 1}"
    say({"file": str(file), "version": directory.version}, json=json, words=[said])


@app.command("check")
def directory_check(config: Config = None, json: Json = False) -> None:
    """Read the directory file and say everything that is wrong with it; exit 2 if it cannot be put in force.

    Exit 1 if it can, but the bus or an agency has no certificate that may sign now. Single certificates that have
    expired, or were revoked, are warned of.
    """
    settings = settings_of(config)
    directory = directory_of(settings)
    agencies, found = len(directory.agencies), speaking(directory, now())
    verdict = "nothing wrong" if not found.silent else f"{len(found.silent)} cannot sign"
    words = [f"version {directory.version}: {agencies} agencies, {verdict}", *found.silent]
    say(
        {"version": directory.version, "agencies": agencies, **_of_certificates(found)},
        json=json,
        words=[*words, *(f"warning: {one}" for one in found.warnings)],
    )
    if found.silent:
        raise typer.Exit(NEGATIVE)


def _of_certificates(found: Speaking) -> dict[str, list[str]]:
    """Return what is to be said of certificates, for programs; nothing where there is nothing."""
    said = {"findings": list(found.silent), "warnings": list(found.warnings)}
    return {name: sentences for name, sentences in said.items() if sentences}
