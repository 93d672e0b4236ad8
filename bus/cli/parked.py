"""`saraban-bus parked`: submissions that met a fault of the bus."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from bus.cli.common import AsCsv, Config, Json, opened, say, settings_of, steward
from bus.cli.output import exported, listed
from bus.exits import NEGATIVE, complain
from bus.ledger.entry import Entry
from bus.ledger.reading import Reader
from bus.router import parking
from bus.views.asking import names_of
from bus.views.columns import About, Column, moment
from bus.views.finding import head_of
from bus.views.letters import MOST_NUMBER

app = typer.Typer(
    no_args_is_help=True, help="Submissions that met a fault of the bus: kept whole until replayed."
)

Number = Annotated[int, typer.Argument(min=1, max=MOST_NUMBER, help="The ledger number of the parked entry.")]


@app.command("list")
def list_parked(config: Config = None, json: Json = False, as_csv: AsCsv = False) -> None:
    """List what is parked and has not been replayed with success."""
    with opened(settings_of(config)) as ledger, ledger.read() as reader:
        found, names, head = reader.parked.waiting(), names_of(reader), head_of(reader)
    rows = [dict(entry.body) for entry in found]
    if json:
        say({"parked": rows}, json=True, words=())
    elif as_csv:
        exported(_COLUMNS, rows, About({"parked": "all"}, head), names)
    else:
        listed(f"{len(rows)} parked", _COLUMNS, rows, names)


_COLUMNS = (
    Column("seq", "entry", "ลำดับในบัญชี", plain=True),
    Column("at", "since", "พักไว้เมื่อ", moment),
    Column("agency", "agency", "หน่วยงาน", who="short"),
    Column("rawSha256", "SHA-256 of the submission", "SHA-256 ของสิ่งที่ส่งมา"),
)


@app.command()
def show(
    number: Number,
    config: Config = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Write the submission's bytes to standard output.")
    ] = False,
) -> None:
    """Show a parked submission and what was done about it."""
    with opened(settings_of(config)) as ledger, ledger.read() as reader:
        entry = _parked(reader, number)
        if raw and sys.stdout.isatty():
            raise typer.BadParameter("raw bytes are not for a terminal: send them into a file, with `> FILE`")
        if raw:
            sys.stdout.buffer.write(reader.must_document(entry))
            return
    say(dict(entry.body), json=True, words=())


@app.command()
def replay(
    number: Number,
    reason: Annotated[str, typer.Option(help="Why it will pass now: goes into the ledger.")],
    config: Config = None,
    json: Json = False,
) -> None:
    """Ask the routers to take a parked submission through the gates again; recorded with your name and reason."""
    settings = settings_of(config)
    who = steward(settings)
    with opened(settings) as ledger, ledger.append() as writer:
        _parked(writer, number)
        entry = parking.request_replay(writer, number, operator=who, reason=reason)
    say({"entry": entry}, json=json, words=[f"replay of {number} requested (entry {entry})"])


def _parked(reader: Reader, number: int) -> Entry:
    for entry in reader.parked.waiting():
        if entry.seq == number:
            return entry
    complain(f"nothing is parked under {number}")
    raise typer.Exit(NEGATIVE)
