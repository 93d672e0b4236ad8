"""`saraban-bus parked`: submissions that met a fault of the bus."""

from __future__ import annotations

import sys
import time
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from bus.cli import asking
from bus.cli.common import AsCsv, Config, Json, note, opened, say, settings_of, steward
from bus.cli.output import exported, listed
from bus.exits import NEGATIVE, complain
from bus.ledger.entry import Entry
from bus.ledger.parked import WhichParked
from bus.ledger.reading import Reader
from bus.ledger.store import Ledger
from bus.operators import Operator
from bus.pages.columns import About, Column, moment
from bus.router import parking
from bus.thai import BANGKOK, parse_date
from bus.views.asking import names_of
from bus.views.finding import head_of
from bus.views.letters import MOST_NUMBER

app = typer.Typer(
    no_args_is_help=True, help="Submissions that met a fault of the bus: kept whole until replayed."
)

Number = Annotated[int, typer.Argument(min=1, max=MOST_NUMBER, help="The ledger number of the parked entry.")]
Agency = Annotated[str | None, typer.Option("--agency", help="Only what this agency submitted.")]
ReasonClass = Annotated[
    str | None,
    typer.Option("--reason-class", help="Only what met this fault last, as `parked faults` has it."),
]
Since = Annotated[
    str | None, typer.Option("--since", help="Parked on this day or later; a time is ISO 8601.")
]
Until = Annotated[
    str | None, typer.Option("--until", help="Parked by the end of this day, or before a time.")
]


@app.command("list")
def list_parked(
    config: Config = None,
    json: Json = False,
    as_csv: AsCsv = False,
    agency: Agency = None,
    reason_class: ReasonClass = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """List what is parked and has not been replayed with success."""
    with opened(settings_of(config)) as ledger, ledger.read() as reader:
        names, head = names_of(reader), head_of(reader)
        which, asked = _which(reader, agency, reason_class, since, until)
        found = reader.parked.rows(which)
    rows = [{**row.entry.body, "fault": row.fault} for row in found]
    if json:
        say({"parked": [dict(row.entry.body) for row in found]}, json=True, words=())
    elif as_csv:
        exported(_COLUMNS, rows, About(asked or {"parked": "all"}, head), names)
    else:
        listed(f"{len(rows)} parked", _COLUMNS, rows, names)


_COLUMNS = (
    Column("seq", "entry", "ลำดับในบัญชี", plain=True),
    Column("at", "since", "พักไว้เมื่อ", moment),
    Column("agency", "agency", "หน่วยงาน", who="short"),
    Column("fault", "fault", "ข้อผิดพลาดที่พบ"),
    Column("rawSha256", "SHA-256 of the submission", "SHA-256 ของสิ่งที่ส่งมา"),
)


@app.command()
def faults(
    config: Config = None,
    json: Json = False,
    agency: Agency = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """Count what is parked by the fault that it met last, most first."""
    with opened(settings_of(config)) as ledger, ledger.read() as reader:
        names = names_of(reader)
        which, _ = _which(reader, agency, None, since, until)
        found = reader.parked.by_fault(which)
    if json:
        say({"parked": sum(found.values()), "faults": found}, json=True, words=())
        return
    rows = [{"fault": fault, "count": count} for fault, count in found.items()]
    listed(f"{sum(found.values())} parked", _FAULTS, rows, names)


_FAULTS = (
    Column("fault", "fault", "ข้อผิดพลาดที่พบ"),
    Column("count", "count", "จำนวน", plain=True),
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
    reason: Annotated[str, typer.Option(help="Why it will pass now: goes into the ledger.")],
    number: Annotated[
        int | None,
        typer.Argument(
            min=1, max=MOST_NUMBER, help="The ledger number of one; without it, many are asked for."
        ),
    ] = None,
    config: Config = None,
    json: Json = False,
    agency: Agency = None,
    reason_class: ReasonClass = None,
    since: Since = None,
    until: Until = None,
    everything: Annotated[bool, typer.Option("--all", help="All that are parked.")] = False,
    rate: Annotated[int, typer.Option(min=1, max=60_000, help="How many are asked for in a minute.")] = 60,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be asked for, and stop.")
    ] = False,
) -> None:
    """Ask the routers to take parked submissions through the gates again; recorded with your name and reason."""
    settings = settings_of(config)
    filtered = any((agency, reason_class, since, until))
    if (number is not None) + filtered + everything != 1:
        raise typer.BadParameter("name one NUMBER, or which ones by options, or --all", param_hint="NUMBER")
    who = steward(settings)
    with opened(settings) as ledger:
        if number is not None and not dry_run:
            with ledger.append() as writer:
                _parked(writer, number)
                entry = parking.request_replay(writer, number, operator=who, reason=reason)
            words = [
                f"replay of {number} requested (entry {entry})",
                f"ขอส่งรายการ {number} ผ่านการตรวจอีกครั้งแล้ว",
            ]
            say({"entry": entry}, json=json, words=words)
            return
        with ledger.read() as reader:
            if number is not None:
                _parked(reader, number)
                dry = parking.dry_run(reader, after=number - 1, limit=1)
            else:
                dry = parking.dry_run(reader, _which(reader, agency, reason_class, since, until)[0])
        if dry_run:
            _say_dry(dry, json=json)
        else:
            _ask(ledger, dry, rate, who, reason, json=json)


def _say_dry(dry: parking.Dry, *, json: bool) -> None:
    many, before = len(dry.parked), len(dry.asked)
    words = [
        f"{many} would be asked for; {before} were asked for before and are not carried out yet",
        f"จะขอส่งใหม่ {many} รายการ; อีก {before} รายการขอไว้แล้วและยังไม่ได้ดำเนินการ",
        *(f"{number}" for number in dry.parked),
    ]
    say({"wouldAsk": list(dry.parked), "askedBefore": list(dry.asked)}, json=json, words=words)


def _ask(ledger: Ledger, dry: parking.Dry, rate: int, who: Operator, reason: str, *, json: bool) -> None:
    requests: dict[int, int] = {}
    passed_over = list(dry.asked)
    for some, seconds in parking.portions(dry.parked, rate):
        with ledger.append() as writer:
            asked = parking.request_replays(writer, some, operator=who, reason=reason)
        requests.update(asked.requests)
        passed_over += asked.passed_over
        note(f"{len(requests)} of {len(dry.parked)}")
        time.sleep(seconds)
    many, over = len(requests), len(passed_over)
    words = [
        f"replay of {many} requested; {over} needed none any more, or were asked for before",
        f"ขอส่งใหม่แล้ว {many} รายการ; {over} รายการไม่ต้องขอแล้ว หรือขอไว้ก่อนแล้ว",
    ]
    value = {"requested": {str(seq): entry for seq, entry in requests.items()}, "passedOver": passed_over}
    say(value, json=json, words=words)


def _which(
    reader: Reader, agency: str | None, reason_class: str | None, since: str | None, until: str | None
) -> tuple[WhichParked, dict[str, Any]]:
    """Return what is asked for, and the same in words for the foot of a table."""
    which = WhichParked(
        agency=asking.agency(names_of(reader), agency, "--agency") if agency else None,
        fault=reason_class,
        since=_time(since, "--since", timedelta()),
        until=_time(until, "--until", timedelta(days=1)),
    )
    asked = {"agency": which.agency, "fault": which.fault, "since": which.since, "until": which.until}
    return which, {name: str(value) for name, value in asked.items() if value is not None}


def _time(text: str | None, option: str, more: timedelta) -> datetime | None:
    """Return the time that is meant; of a day its beginning, and `more`. Raises typer.BadParameter."""
    if text is None:
        return None
    try:
        stated = datetime.fromisoformat(text) if "T" in text else None
        if stated is None:
            day = parse_date(text.strip())
            return datetime(day.year, day.month, day.day, tzinfo=BANGKOK) + more
    except (ValueError, OverflowError) as wrong:
        raise typer.BadParameter(f"{text!r} is no day and no time", param_hint=option) from wrong
    return stated if stated.tzinfo else stated.replace(tzinfo=BANGKOK)


def _parked(reader: Reader, number: int) -> Entry:
    entry = reader.entry_at(number) if reader.parked.is_waiting(number) else None
    if entry is None:
        complain(f"nothing is parked under {number}")
        raise typer.Exit(NEGATIVE)
    return entry
