"""`saraban-bus ledger`: create it, read it, search it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Annotated

import typer

from bus.cli import proving, reports, tiles
from bus.cli.common import AsCsv, Config, Json, note_reading, opened, say, settings_of, who_reads
from bus.cli.files import files
from bus.cli.finding import find
from bus.cli.output import exported, listed
from bus.cli.unaccepted import print_in_full
from bus.directory import Names
from bus.exits import NEGATIVE
from bus.installing.ledgers import key_of, make_ledger, make_log_key
from bus.ledger.entry import Entry
from bus.ledger.rebuilding import rebuild as rebuild_work_lists
from bus.ledger.rows import LetterRow
from bus.ledger.state import LetterState
from bus.ledger.store import Ledger
from bus.pages.columns import About, Column, day, joined, moment
from bus.text import print_json, printable
from bus.views.asking import names_of
from bus.views.entries import ENTRY_COLUMNS, entry_rows, line_of
from bus.views.finding import COLUMNS_BY_RECIPIENT, by_recipient, head_of
from bus.views.letters import MOST_NUMBER, letters_named, row_of, state_of
from bus.views.unaccepted import EXPORT_COLUMNS, all_values, as_rows, unaccepted_named

app = typer.Typer(no_args_is_help=True, help="The ledger: what happened, to which letter, and who knows.")

proving.add_to(app)
reports.add_to(app)
app.command("find")(find)
app.command("files")(files)
app.add_typer(tiles.app, name="tiles")

_TAIL_EVERY = 0.5
_PAGE = 500


@app.command()
def init(
    config: Config = None,
    role: Annotated[
        str | None, typer.Option(help="PostgreSQL role that routers run as; it may append and read.")
    ] = None,
    console_role: Annotated[
        str | None,
        typer.Option(help="PostgreSQL role of the console; it may read, and append what its acts record."),
    ] = None,
) -> None:
    """Create the ledger's tables, or bring them to the newest schema, and the key that signs its heads."""
    settings = settings_of(config)
    make_ledger(settings, role=role, console_role=console_role)
    make_log_key(settings)
    key = str(key_of(settings).verifier)
    say({}, json=False, words=["the ledger is ready; the public key of its log:", key])


@app.command()
def rebuild(config: Config = None) -> None:
    """Make the work lists (pending consignments, deadlines) anew from the entries. Stop every router first."""
    with opened(settings_of(config)) as ledger, ledger.append() as writer:
        rebuild_work_lists(writer)
    say({}, json=False, words=["the work lists are rebuilt"])


@app.command()
def show(
    letter: Annotated[
        str, typer.Argument(help="LetterID, letter number, SHA-256 or ledger number of a submission.")
    ],
    config: Config = None,
    json: Json = False,
    as_csv: AsCsv = False,
) -> None:
    """Show a letter: what each recipient did, and every entry about it; or why a submission was not accepted."""
    settings = settings_of(config)
    who = who_reads(settings)
    with opened(settings) as ledger:
        with ledger.read() as reader:
            rows, names, head = letters_named(reader, letter), names_of(reader), head_of(reader)
            found = [(row, reader.state_of(row.letter), reader.entries_of(row.letter)) for row in rows]
            others = all_values(unaccepted_named(reader, letter), settings, reader)
        note_reading(ledger, who, "show", {"letter": letter}, len(found) + len(others))
    if not found and not others:
        nothing = f"no letter {letter} in this ledger, and no other submission"
        say({"letters": []}, json=json, words=[nothing])
        raise typer.Exit(NEGATIVE)
    if json:
        value = [
            {**row_of(row, state), **state_of(state), "entries": [dict(e.body) for e in es]}
            for row, state, es in found
        ]
        say({"letters": value, "unaccepted": others}, json=True, words=())
        return
    if as_csv:
        pairs = ((row, state) for row, state, _ in found)
        columns = [*COLUMNS_BY_RECIPIENT, *EXPORT_COLUMNS]
        rows_of_all = chain(by_recipient(pairs), as_rows(others))
        exported(columns, rows_of_all, About({"letter": letter}, head), names)
        return
    for row, state, entries in found:
        _print(row, state, entries, names)
    print_in_full(others)


@app.command()
def tail(
    config: Config = None,
    json: Json = False,
    count: Annotated[
        int, typer.Option("-n", min=0, max=MOST_NUMBER, help="How many of the newest first.")
    ] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until stopped.")] = False,
    as_csv: AsCsv = False,
) -> None:
    """Print the newest entries, one a line."""
    if as_csv and follow:
        raise typer.BadParameter("a file with an end cannot follow", param_hint="--csv")
    with opened(settings_of(config)) as ledger:
        if as_csv:
            with ledger.read() as reader:
                names, about = names_of(reader), About({"newest": count}, head_of(reader))
            exported(ENTRY_COLUMNS, entry_rows(_newest(ledger, count, follow=False)), about, names)
            return
        for entry in _newest(ledger, count, follow=follow):
            if json:
                # One JSON object a line, so that what follows can be read as it comes.
                print_json(dict(entry.body), indent=None)
            else:
                sys.stdout.write(printable(line_of(entry)) + "\n")
            sys.stdout.flush()


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


def _print(row: LetterRow, state: LetterState, entries: Iterable[Entry], names: Names) -> None:
    title = f"{row.number or '(no number)'}  {row.letter_id}  from {names.short(row.sender)}, dated {day(row.dated)}"
    recipients = ({"recipient": code, **one} for code, one in state_of(state)["recipients"].items())
    listed(title, _RECIPIENT_COLUMNS, recipients, names)
    silent = joined(map(names.short, state.unacknowledged)) or "nobody"
    heading = f"{'entry':>7}  {'entered':<23}  {'kind':<18} {'whose':<10}  said"
    lines = map(printable, map(line_of, entries))
    say({}, json=False, words=["", f"has not acknowledged: {silent}", "", heading, *lines, ""])


_RECIPIENT_COLUMNS = (
    Column("recipient", "recipient", "ผู้รับ", who="short"),
    Column("role", "role", "ประเภทผู้รับ"),
    Column("state", "state", "สถานะ"),
    Column("consignedAt", "in its queue", "ส่งถึงตู้หนังสือเมื่อ", moment),
    Column("deliveredAt", "delivered", "เครื่องตอบรับเมื่อ", moment),
    Column("answeredAt", "answered", "เจ้าหน้าที่ตอบเมื่อ", moment),
    Column("number", "receiving number", "เลขรับ"),
    Column("overdue", "overdue", "พ้นกำหนด", joined),
)
