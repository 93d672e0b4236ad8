"""The command line's root: its commands, each of which is loaded when it is called."""

from __future__ import annotations

import sys

import typer

from bus.cli.common import Config
from bus.cli.running import run
from bus.commands import loading
from bus.errors import BusError, Misconfigured, Transient
from bus.exits import MISUSED, NEGATIVE, NOT_NOW, complain, status_of
from bus.faults import unexpected
from bus.process import keep_private
from bus.release import Version

_PLACES = {
    "topology": "bus.cli.brokers:app",
    "directory": "bus.cli.directory:app",
    "calendar": "bus.cli.calendar:app",
    "key": "bus.cli.keys:app",
    "ledger": "bus.cli.ledger:app",
    "parked": "bus.cli.parked:app",
    "audit": "bus.cli.audit:app",
    "console": "bus.cli.console:app",
    "agency": "bus.cli.agency_commands:app",
    "init": "bus.cli.init:init",
    "doctor": "bus.cli.doctor:doctor",
    "units": "bus.cli.units:units",
    "agencies": "bus.cli.agencies:agencies",
    "evidence": "bus.cli.evidence:evidence",
    "backup": "bus.cli.backup:backup",
    "restore": "bus.cli.backup:bring_back",
}

app = typer.Typer(
    name="saraban-bus",
    cls=loading(_PLACES),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="The bus, run and spoken to from a command line.",
)


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
