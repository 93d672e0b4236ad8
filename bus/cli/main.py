"""The command line's root: processes, topology and directory."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bus.cli import agencies as agencies_commands
from bus.cli import agency as agency_commands
from bus.cli import agency_changes, agency_listing
from bus.cli import audit as audit_commands
from bus.cli import backup as backup_commands
from bus.cli import brokers as brokers_commands
from bus.cli import calendar as calendar_commands
from bus.cli import console as console_commands
from bus.cli import doctor as doctor_command
from bus.cli import evidence as evidence_commands
from bus.cli import init as init_command
from bus.cli import keys as keys_commands
from bus.cli import ledger as ledger_commands
from bus.cli import parked as parked_commands
from bus.cli import units as units_command
from bus.cli.common import Config, directory_of, opened, say, settings_of, steward
from bus.cli.running import run
from bus.directory.speaking import Speaking, speaking
from bus.directory.writing import write_directory
from bus.errors import BusError, Misconfigured, Transient
from bus.exits import MISUSED, NEGATIVE, NOT_NOW, complain, status_of
from bus.faults import unexpected
from bus.process import keep_private
from bus.release import Version
from bus.router.activation import activate_directory, directory_in_force
from bus.router.signers import bus_seal
from bus.thai import now

app = typer.Typer(name="saraban-bus", no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
directory_app = typer.Typer(no_args_is_help=True, help="The directory of agencies.")
app.add_typer(brokers_commands.app, name="topology")
app.add_typer(directory_app, name="directory")
app.add_typer(calendar_commands.app, name="calendar")
app.add_typer(keys_commands.app, name="key")
app.add_typer(ledger_commands.app, name="ledger")
app.add_typer(parked_commands.app, name="parked")
app.add_typer(audit_commands.app, name="audit")
app.add_typer(console_commands.app, name="console")
app.add_typer(agency_commands.app, name="agency")
agency_commands.app.command("list")(agency_listing.agency_list)
agency_commands.app.command("show")(agency_listing.agency_show)
agency_changes.register(agency_commands.app)
app.command("init")(init_command.init)
app.command("doctor")(doctor_command.doctor)
app.command("units")(units_command.units)
app.command("agencies")(agencies_commands.agencies)
app.command("evidence")(evidence_commands.evidence)
app.command("backup")(backup_commands.backup)
app.command("restore")(backup_commands.bring_back)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def main() -> None:
    """Run the command line; whatever goes wrong ends with a sentence and no traceback."""
    keep_private()
    sys.exit(status_of(app, _explained))


def _explained(error: Exception) -> int:
    """Say what an error means: a mistake in a file, what may work later, a refusal, or what nobody foresaw."""
    if isinstance(error, Misconfigured):
        complain(*error.problems)
        return MISUSED
    if isinstance(error, Transient):
        complain(f"not now: {error}")
        return NOT_NOW
    if isinstance(error, BusError):
        complain(error)
        return NEGATIVE
    return unexpected(error)


@app.callback()
def saraban_bus(version: Version = False) -> None:
    """The bus, run and spoken to from a command line."""


# Each of the three processes is loaded by its own command: no other one needs a web server or a consumer of queues.


@app.command()
def router(config: Config = None) -> None:
    """Run a router: take submissions through the gates into the ledger and to the inboxes."""
    from bus.router.process import run_router

    run("router", config, run_router)


@app.command()
def serve(config: Config = None) -> None:
    """Serve the depot over HTTP."""
    from bus.serve import run_depot

    run("serve", config, run_depot)


@app.command()
def enrol(config: Config = None) -> None:
    """Approve the requests of agencies that need no person: for trials, and renewals where the settings say so."""
    from bus.enrolment.process import run_enrolment

    run("enrol", config, run_enrolment)


@directory_app.command("apply")
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


@directory_app.command("export")
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


@directory_app.command("check")
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
