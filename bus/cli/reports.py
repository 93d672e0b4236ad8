"""`saraban-bus ledger outstanding` and `report`: what an auditor asks again and again, answered from the entries."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

import typer

from bus.cli import asking
from bus.cli.asking import finite
from bus.cli.common import AsCsv, Config, Json, opened, say, settings_of
from bus.cli.output import exported, listed
from bus.directory import Names
from bus.identifiers import AgencyCode
from bus.ledger.entry import timestamp
from bus.ledger.reading import Reader
from bus.pages.columns import About, Column, day, joined, moment
from bus.thai import now
from bus.views.asking import names_of
from bus.views.finding import LETTER_COLUMNS, head_of
from bus.views.letters import letters_named
from bus.views.reports import REPORTS, spread
from bus.views.unacknowledged import MISSING, unacknowledged

_LONGEST_HOURS = 24.0 * 366 * 100


def add_to(app: typer.Typer) -> None:
    """Add the commands to `saraban-bus ledger`."""
    app.command("outstanding")(outstanding)
    app.command("report")(report)


def outstanding(
    agency: Annotated[
        str | None,
        typer.Option(help="Only what this recipient has not acknowledged: code, name or abbreviation."),
    ] = None,
    speed: Annotated[
        str | None, typer.Option(help="Only letters of this speed: 001 to 004, or its name.")
    ] = None,
    older_than: Annotated[
        float,
        typer.Option(
            "--older-than",
            min=0,
            max=_LONGEST_HOURS,
            callback=finite,
            help="Only letters accepted so many hours ago, or longer.",
        ),
    ] = 0.0,
    config: Config = None,
    json: Json = False,
    as_csv: AsCsv = False,
) -> None:
    """Say who has not acknowledged which letter, out of each one's frozen recipient set, and what is missing."""
    accepted_by, wanted_speed = timestamp(now() - timedelta(hours=older_than)), asking.speed(speed)
    with opened(settings_of(config)) as ledger, ledger.read() as reader:
        names = names_of(reader)
        code = asking.agency(names, agency, "--agency")
        found = list(unacknowledged(reader, code, wanted_speed, accepted_by))
        head, about = reader.head(), head_of(reader)
    query = {"agency": code, "speed": wanted_speed, "acceptedBy": accepted_by}
    query = {name: value for name, value in query.items() if value is not None}
    if json:
        say({"head": head, "query": query, "count": len(found), "outstanding": found}, json=True, words=())
    elif as_csv:
        rows = (
            {**one, "recipient": each, "missing": what}
            for one in found
            for what, silent in one["missing"].items()
            for each in silent
        )
        columns = [
            *LETTER_COLUMNS,
            Column("recipient", "not acknowledged by", "ผู้ที่ยังไม่ตอบรับ", who="full"),
            Column("missing", "what is missing", "สิ่งที่ยังขาด", lambda what: "{} ({})".format(*MISSING[what])),
        ]
        exported(columns, rows, About(query, about), names)
    else:
        title = f"{len(found)} letters that somebody has not acknowledged"
        listed(title, _columns(names), found, none="nobody is outstanding")


def _columns(names: Names) -> list[Column]:
    return [
        Column("letter", "entry", "ลำดับในบัญชี", plain=True),
        Column("acceptedAt", "accepted", "ระบบกลางรับเมื่อ", moment),
        Column("number", "number", "ที่"),
        Column("dated", "dated", "ลงวันที่", day),
        Column("sender", "from", "จาก", names.short),
        Column("letterId", "LetterID", "รหัสหนังสือ"),
        Column("missing", "not acknowledged by", "ผู้ที่ยังไม่ตอบรับ", lambda missing: _by_missing(names, missing)),
    ]


def _by_missing(names: Names, missing: Mapping[str, list[AgencyCode]]) -> str:
    return "; ".join(f"{MISSING[what][1]}: {joined(map(names.short, who))}" for what, who in missing.items())


def report(
    name: Annotated[str, typer.Argument(help=f"{', '.join(REPORTS)}.")],
    letter: Annotated[
        str | None,
        typer.Option(help="Only what concerns this letter: LetterID, letter number or ledger number."),
    ] = None,
    config: Config = None,
    json: Json = False,
    as_csv: AsCsv = False,
) -> None:
    """Print a report: who was overdue, what was refused and why, what operators did, whose keys changed, what waits,

    who has read, and which letters look as if they had been sent twice.
    """
    name = asking.report_name(name, REPORTS)
    chosen = REPORTS[name]
    with opened(settings_of(config)) as ledger, ledger.read() as reader:
        names = names_of(reader)
        only = _letters(reader, letter) if letter else None
        rows = list(chosen.rows(reader, only))
        head, about = reader.head(), head_of(reader)
    query = {"report": name} | ({"letter": letter} if letter else {})
    if json:
        say({**query, "head": head, "count": len(rows), "rows": rows}, json=True, words=())
    elif as_csv:
        exported(chosen.columns, spread(rows, chosen.spread), About(query, about), names)
    else:
        listed(f"{name}: {len(rows)}", chosen.columns, rows, names)


def _letters(reader: Reader, name: str) -> frozenset[int]:
    found = letters_named(reader, name)
    if not found:
        raise typer.BadParameter(f"there is no letter {name!r} in this ledger", param_hint="--letter")
    return frozenset(row.letter for row in found)
