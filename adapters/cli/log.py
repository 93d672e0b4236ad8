"""`saraban-adapter log`: whether the bus's ledger only grows, as far as this agency has seen."""

from __future__ import annotations

import typer

from adapters import views
from adapters.agent.witnessing import COSIGNED_SIZE
from adapters.cli.output import AsJson, Config, reading, say, settings_of
from adapters.cli.tables import account
from adapters.doctor.configuration import log_key_of
from adapters.mailbox import Mailbox
from adapters.status import witness_trouble
from bus.documents.notes import make_key, witness_key, witness_name
from bus.exits import NEGATIVE
from bus.text import print_json

app = typer.Typer(no_args_is_help=True, help="The ledger of the bus, as a witness sees it.")


@app.command()
def status(config: Config = None, as_json: AsJson = False) -> None:
    """The newest head that is believed, what was cosigned, and every head that contradicts what was believed."""
    with reading(config) as (_, mailbox):
        view = status_view(mailbox)
        print_json(view) if as_json else account(view)
    if view["alarms"]:
        raise typer.Exit(NEGATIVE)


@app.command()
def key(config: Config = None) -> None:
    """Print this agency's public key as a witness, for the operator of the bus; make the key if there is none."""
    settings = settings_of(config)
    section = settings.witness
    if not section.key.exists():
        make_key(section.key, section.passphrase_text())
    name = witness_name(log_key_of(settings), settings.agency)
    # `say` does not wrap it: it goes into the directory, and a terminal's width must not break it.
    say(False, None, str(witness_key(section.key, name, section.passphrase_text()).verifier))


def status_view(mailbox: Mailbox) -> views.View:
    """What this mailbox knows of the ledger's heads."""
    newest = mailbox.heads.newest()
    cosigned = mailbox.properties.get(COSIGNED_SIZE)
    return {
        "size": newest.size if newest else None,
        "root": newest.root.hex() if newest else None,
        "seen_at": views.when(newest.seen_at) if newest else None,
        "checkpoint": newest.note if newest else None,
        "cosigned_size": int(cosigned) if cosigned else None,
        "witness_key": witness_trouble(mailbox),
        "alarms": [
            {"at": views.when(one.at), "reason": one.reason, "held": one.held, "shown": one.shown}
            for one in mailbox.heads.alarms()
        ],
    }
