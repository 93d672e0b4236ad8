"""`saraban-bus ledger`: create it, read it, search it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from bus.cli import proving, reports
from bus.cli.common import Auditor, Config, note_reading, opened, say, settings_of, table
from bus.cli.finding import find
from bus.cli.letters import letters_named, row_of, state_of
from bus.cli.unaccepted import all_values, print_in_full, unaccepted_named
from bus.documents.notes import log_key, make_key
from bus.errors import Misconfigured, Problem
from bus.ledger import schema
from bus.ledger.entry import Entry, Kind, canonical
from bus.ledger.rows import LetterRow
from bus.ledger.state import LetterState
from bus.ledger.store import Ledger
from bus.text import printable
from bus.thai import thai_datetime

app = typer.Typer(no_args_is_help=True, help="The ledger: what happened, to which letter, and who knows.")

proving.add_to(app)
reports.add_to(app)
app.command("find")(find)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_TAIL_EVERY = 0.5
_PAGE = 500


@app.command()
def init(
    config: Config = None,
    role: Annotated[
        str | None, typer.Option(help="PostgreSQL role that routers run as; it may append and read.")
    ] = None,
) -> None:
    """Create the ledger's tables, or bring them to the newest schema, and the key that signs its heads."""
    section = settings_of(config).ledger
    schema.upgrade(section.address(), runtime_role=role)
    if not section.key.exists():
        _require_no_heads(section.address(), section.key)
        make_key(section.key, section.passphrase_text())
    signer = log_key(section.key, section.origin, section.passphrase_text())
    say({}, json=False, words=["the ledger is ready; the public key of its log:", str(signer.verifier)])


def _require_no_heads(url: str, key: Path) -> None:
    """Raise Misconfigured where heads were signed with a key that is not here: another one would never be believed."""
    ledger = Ledger(url)
    try:
        with ledger.read() as reader:
            signed = reader.heads.newest() is not None
    finally:
        ledger.close()
    if signed:
        wrong = "is missing, and this ledger has heads that were signed with it"
        fix = "Bring the key to this machine; a new one would not be believed."
        raise Misconfigured(Problem(str(key), "ledger.key", wrong, fix))


@app.command()
def rebuild(config: Config = None) -> None:
    """Make the work lists (pending consignments, deadlines) anew from the entries. Stop every router first."""
    with opened(settings_of(config)) as ledger, ledger.append() as writer:
        writer.rebuild()
    say({}, json=False, words=["the work lists are rebuilt"])


@app.command()
def show(
    letter: Annotated[
        str, typer.Argument(help="LetterID, letter number, SHA-256 or ledger number of a submission.")
    ],
    config: Config = None,
    json: Json = False,
    auditor: Auditor = None,
) -> None:
    """Show a letter: what each recipient did, and every entry about it; or why a submission was not accepted."""
    settings = settings_of(config)
    with opened(settings) as ledger:
        with ledger.read() as reader:
            rows = letters_named(reader, letter)
            found = [(row, reader.state_of(row.letter), reader.entries_of(row.letter)) for row in rows]
            others = all_values(unaccepted_named(reader, letter), settings, reader)
        note_reading(ledger, auditor, "show", {"letter": letter}, len(found) + len(others))
    if not found and not others:
        nothing = f"no letter {printable(letter)} in this ledger, and no other submission"
        say({"letters": []}, json=json, words=[nothing])
        raise typer.Exit(1)
    if json:
        value = [
            {**row_of(row), **state_of(state), "entries": [dict(e.body) for e in es]}
            for row, state, es in found
        ]
        say({"letters": value, "unaccepted": others}, json=True, words=())
        return
    for row, state, entries in found:
        _print(row, state, entries)
    print_in_full(others)


@app.command()
def tail(
    config: Config = None,
    json: Json = False,
    count: Annotated[int, typer.Option("-n", help="How many of the newest entries to begin with.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until stopped.")] = False,
) -> None:
    """Print the newest entries, one a line."""
    with opened(settings_of(config)) as ledger:
        for entry in _newest(ledger, count, follow=follow):
            # One JSON object a line, so that what follows can be read as it comes.
            typer.echo(canonical(entry.body) if json else _line(entry))


def _newest(ledger: Ledger, count: int, *, follow: bool) -> Iterator[Entry]:
    with ledger.read() as reader:
        after = max(reader.head() - count, 0)
    while True:
        with ledger.read() as reader:
            batch = reader.entries(after=after)
        yield from batch
        after = batch[-1].seq if batch else after
        if not batch and not follow:
            return
        if not batch:
            time.sleep(_TAIL_EVERY)


def _print(row: LetterRow, state: LetterState, entries: list[Entry]) -> None:
    table(
        f"{row.number or '(no number)'}  {row.letter_id}  from {row.sender}, dated {row.dated}",
        ["recipient", "role", "state", "consigned", "delivered", "answered", "เลขรับ", "overdue"],
        (
            [
                code,
                one.role,
                one.status,
                _when(one.consigned_at),
                _when(one.receipt.at if one.receipt else None),
                _when(one.answer.at if one.answer else None),
                one.answer.number if one.answer else None,
                ", ".join(one.overdue),
            ]
            for code, one in state.recipients.items()
        ),
    )
    silent = ", ".join(state.unacknowledged) or "nobody"
    say({}, json=False, words=[f"has not acknowledged: {silent}", "", *map(_line, entries), ""])


def _when(at: str | None) -> tuple[str, ...]:
    return (at[:19].replace("T", " "), thai_datetime(datetime.fromisoformat(at))) if at else ()


def _line(entry: Entry) -> str:
    body = entry.body
    about = f" letter {entry.letter}" if entry.letter and entry.letter != entry.seq else ""
    said = {
        Kind.NOTICE: lambda: f"{body['event']} {body.get('number', '')}".strip(),
        Kind.REFUSED: lambda: f"{body['code']} {body.get('where', '')}".strip(),
        Kind.ACCEPTED: lambda: f"{body['letterId']} to {len(body['recipients'])}",
        Kind.CONSIGNED: lambda: ", ".join(body["recipients"]),
        Kind.OVERDUE: lambda: f"{body['deadline']}: {', '.join(body['silent'])}",
    }.get(entry.kind, lambda: "")()
    who = body.get("agency", "bus")
    return f"{entry.seq:>7}  {body['at'][:23]}  {entry.kind:<18} {who:<10}{about}  {said}".rstrip()
