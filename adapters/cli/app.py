"""The commands of `saraban-adapter`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adapters import views
from adapters.agent.reconciling import reconciliation
from adapters.cli import acts
from adapters.cli.output import (
    AsJson,
    Config,
    config_before_command,
    opened,
    reading,
    say,
    settings_of,
)
from adapters.connectors.folder import letters
from adapters.connectors.folder.contents import manifest_among, stem_of
from adapters.connectors.folder.folders import Folder
from adapters.connectors.folder.parsing import read_manifest
from adapters.connectors.folder.reasons import mistakes_of
from adapters.mailbox import InboxLetter, Mailbox, OutboxEntry, RecipientState
from adapters.mailbox.files import FileChanged
from adapters.mailbox.lookup import any_key, received_letter, sent_letter
from adapters.mailbox.mistakes import Mistake, Mistaken
from adapters.mailbox.properties import RECONCILE_ASKED_AT
from bus.commands import loading
from bus.release import Version
from bus.text import print_json, printable
from bus.thai import now

_PLACES = {
    "init": "adapters.cli.enrolling:init",
    "doctor": "adapters.cli.examining:doctor",
    "check": "adapters.cli.examining:check",
    "status": "adapters.cli.status:status",
    "ping": "adapters.cli.ping:ping",
    "unit": "adapters.cli.units:unit",
    "key": "adapters.cli.keys:app",
    "log": "adapters.cli.log:app",
    "rest": "adapters.cli.rest:app",
    "sql": "adapters.cli.sql:app",
    "ecms": "adapters.cli.ecms:app",
    "desk": "adapters.cli.desk:app",
}
"""What is loaded when it is called."""

app = typer.Typer(
    cls=loading(_PLACES), no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
acts.add_to(app)


@app.callback()
def settings(config: Config = None, version: Version = False) -> None:
    """An agency's adapter, run and spoken to from a command line."""
    config_before_command.set(config)


Limit = Annotated[int, typer.Option(min=1, max=1_000_000, help="At most so many letters.")]
LetterArgument = Annotated[str, typer.Argument(help="LetterID, reference, or letter number (ที่).")]


@app.command()
def run(config: Config = None) -> None:
    """Send, receive and acknowledge, until told to stop (SIGTERM or Ctrl-C)."""
    from adapters.cli import running  # the agent and a web server, which no other command needs

    running.run(settings_of(config))


@app.command()
def send(
    manifest: Annotated[
        Path, typer.Argument(help="A manifest (*.letter.toml or .json), or a folder with one.")
    ],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Put a letter into the outbox; the same one again is one letter. `run` sends it."""
    with opened(config) as mailbox:
        try:
            row = letters.put(mailbox, _composed(mailbox, manifest))
        except (OSError, FileChanged) as exc:
            raise Mistaken(*mistakes_of(exc)) from exc
        say(as_json, views.sent(mailbox, row), f"{row.document_id} {row.state}: {row.reference}")


def _composed(mailbox: Mailbox, manifest: Path) -> letters.Composed:
    with Folder.at(manifest if manifest.is_dir() else manifest.parent) as folder:
        name = manifest_among(folder.names()) if manifest.is_dir() else manifest.name
        if name is None or not folder.holds(name):
            raise Mistaken(Mistake(str(manifest), "ไม่พบไฟล์ letter.toml", "there is no manifest here"))
        return letters.compose(mailbox, read_manifest(folder, name).fields(), folder, stem_of(manifest.name))


@app.command(name="send-again")
def send_again(letter: LetterArgument, config: Config = None, as_json: AsJson = False) -> None:
    """Submit a refused letter or notice once more, its files included, when what stood in its way has changed."""
    with opened(config) as mailbox:
        row = mailbox.outbox.find(letter) or sent_letter(mailbox, any_key(letter))
        mailbox.outbox.send_again(row.id)
        row = mailbox.outbox.get(row.id)
        say(as_json, views.sent(mailbox, row), f"{row.document_id} {row.state}")


@app.command(name="verify-again")
def verify_again(config: Config = None, as_json: AsJson = False) -> None:
    """Verify once more what is in quarantine, as after the bus's certificate was mended; `run` does it."""
    with opened(config) as mailbox:
        count = mailbox.arrivals.verify_again()
        say(as_json, {"to_be_judged": count}, f"{count} messages will be judged again")


@app.command()
def dismiss(
    arrival: Annotated[int, typer.Argument(min=1, max=2**63 - 1, help="Its number, as `status` shows it.")],
    reason: Annotated[str, typer.Option(help="Why it needs no more attention; it is kept with it.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Take a message out of the quarantine, with a reason; it stays in the mailbox as it came."""
    if not reason.strip():
        raise typer.BadParameter("say why", param_hint="--reason")
    with opened(config) as mailbox:
        if not mailbox.arrivals.dismiss(arrival, printable(" ".join(reason.split()))[:1000]):
            th, en = (
                "ไม่มีรายการนี้ในรายการที่กักไว้",
                "there is no such message in the quarantine; `status` lists them",
            )
            raise Mistaken(Mistake(str(arrival), th, en))
        say(as_json, {"arrival": arrival, "state": "dismissed"}, f"{arrival} dismissed")


@app.command()
def reconcile(config: Config = None, as_json: AsJson = False) -> None:
    """Have the bus compare what it gave with what has arrived, and consign again what is missing; `run` asks it."""
    with opened(config) as mailbox:
        mailbox.properties.set(RECONCILE_ASKED_AT, now().isoformat())
        report = reconciliation(mailbox)
        view = {"highest": report.highest, "missing": [list(gap) for gap in report.missing]}
        waits = "" if mailbox.running() else "; the adapter does not run, so that this waits until it does"
        say(as_json, view, f"asked, with {len(report.missing)} gaps below {report.highest}{waits}")


@app.command()
def outbox(config: Config = None, as_json: AsJson = False, limit: Limit = 100) -> None:
    """Letters sent, newest first, each with its recipients' states."""
    with reading(config) as (_, mailbox):
        rows = mailbox.outbox.letters(limit=limit)
        if as_json:
            print_json([views.sent(mailbox, row) for row in rows])
            return
        columns = ("ที่ Number", "ลงวันที่ Date", "เรื่อง Subject", "สถานะ State", "ผู้รับ Recipients")
        cells = (
            (
                printable(row.number or "–"),
                _day(row.date),
                printable(row.subject or ""),
                _state(row),
                _recipients(mailbox, row),
            )
            for row in rows
        )
        from adapters.cli import tables

        tables.listing("Outbox", columns, cells)


@app.command()
def inbox(config: Config = None, as_json: AsJson = False, limit: Limit = 100) -> None:
    """Letters received, newest first."""
    with reading(config) as (_, mailbox):
        rows = mailbox.inbox.letters(limit=limit)
        if as_json:
            print_json([views.received(mailbox, row) for row in rows])
            return
        columns = ("ที่ Number", "ลงวันที่ Date", "จาก From", "เรื่อง Subject", "สถานะ State")
        cells = (
            (
                printable(row.number or "–"),
                _day(row.date),
                printable(row.sender_name),
                printable(row.subject or ""),
                _state_words(mailbox, row),
            )
            for row in rows
        )
        from adapters.cli import tables

        tables.listing("Inbox", columns, cells)


@app.command()
def show(letter: LetterArgument, config: Config = None, as_json: AsJson = False) -> None:
    """A letter, sent or received, with everything that was said about it."""
    with reading(config) as (_, mailbox):
        found = mailbox.outbox.find(letter) or mailbox.outbox.letter(reference=letter)
        if found is not None and found.type == "letter":
            view = _sent_in_full(mailbox, found)
        else:
            view = _found_in_full(mailbox, letter)
        if as_json:
            print_json(view)
            return
        from adapters.cli import tables

        tables.account(view)


def _sent_in_full(mailbox: Mailbox, row: OutboxEntry) -> views.View:
    notices = mailbox.notices.about(row.own_letter_id, row.digest)
    return (
        views.content(row.raw or row.document)
        | views.sent(mailbox, row)
        | {"direction": "sent", "notices": [views.said(mailbox, each) for each in notices]}
    )


def _found_in_full(mailbox: Mailbox, text: str) -> views.View:
    key = any_key(text)
    try:
        row = received_letter(mailbox, key)
    except Mistaken:
        return _sent_in_full(mailbox, sent_letter(mailbox, key))
    notices = mailbox.notices.about(row.letter_id, row.digest)
    return (
        views.content(mailbox.arrivals.get(row.arrival).body)
        | views.received(mailbox, row)
        | {"direction": "received", "notices": [views.said(mailbox, each) for each in notices]}
    )


def _day(text: str | None) -> str:
    day = views.day(text)
    return f"{day['thai']}\n{day['iso']}" if day else "–"


def _state(row: OutboxEntry) -> str:
    return f"{row.state}\n{printable(row.refusal or row.last_error or '')}".strip()


def _recipients(mailbox: Mailbox, row: OutboxEntry) -> str:
    return "\n".join(_one_recipient(mailbox, each) for each in mailbox.states_of_sent(row))


def _one_recipient(mailbox: Mailbox, state: RecipientState) -> str:
    name = views.agency(mailbox, state.agency)["name_th"] or state.agency
    words = [views.word(state.state)["event_th"], state.receiving_number, *state.overdue]
    return printable(f"{name}: {' '.join(filter(None, words))}")


def _state_words(mailbox: Mailbox, row: InboxLetter) -> str:
    state = mailbox.state_of_received(row)
    shown = views.word(state.state)["event_th"] if row.state.delivered else str(row.state)
    return printable(" ".join(filter(None, (shown, state.receiving_number, row.last_error))))
