"""`saraban-bus calendar`: what a calendar file would change, and putting it in force, also for accepted letters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import typer

from bus.calendar import load_calendar
from bus.cli.common import Config, Json, opened, say, settings_of, steward
from bus.cli.progress import bars
from bus.identifiers import AgencyCode
from bus.ledger.database import reading
from bus.ledger.extending import Portion, affected, count_waiting, extend
from bus.ledger.reading import Reader
from bus.router.activation import activate_calendar, calendar_entry

app = typer.Typer(no_args_is_help=True, help="Working hours, holidays and deadlines.")
File = Annotated[Path | None, typer.Argument(help="The calendar file; that of the settings if left out.")]


@app.command()
def check(file: File = None, config: Config = None, json: Json = False) -> None:
    """Read a calendar file and say everything that is wrong with it, or how many letters it would make due later."""
    settings = settings_of(config)
    calendar = load_calendar(file or settings.calendar.file)
    with opened(settings) as ledger, reading(ledger.engine) as connection, bars(json) as progress:
        in_force = calendar_entry(Reader(connection), calendar)
        total = count_waiting(connection)
        letters, agencies = _counted(affected(connection, calendar), progress, total)
    said = f"version {calendar.version}: nothing wrong" + (
        f", in force (entry {in_force})" if in_force else ""
    )
    words = [said, "no registration of an accepted letter would be due later by it"]
    if letters:
        words = [
            said,
            f"{_letters(letters, agencies)} still waited for would be due later by it",
            "`calendar apply` leaves them as they are: who does not register in the time given is called silent",
            "`calendar apply --extend` gives them the later time, with an entry for each letter",
        ]
    value = {"version": calendar.version, "entry": in_force, "letters": letters, "agencies": agencies}
    say(value, json=json, words=words)


@app.command()
def apply(
    file: File = None,
    extend_accepted: Annotated[
        bool,
        typer.Option(
            "--extend", help="Give letters accepted before the later due times that follow from it."
        ),
    ] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Put a calendar file in force: an entry in the ledger, taken up by every router at its next letter.

    Letters accepted before keep their due times unless `--extend` is given; interrupted, it goes on when run again.
    """
    settings = settings_of(config)
    who = steward(settings)
    calendar = load_calendar(file or settings.calendar.file)
    with opened(settings) as ledger, bars(json) as progress:
        entry = activate_calendar(ledger, calendar, operator=who)
        value = {"version": calendar.version, "entry": entry}
        words = [f"calendar version {calendar.version} is in force (entry {entry})"]
        if extend_accepted:
            with reading(ledger.engine) as connection:
                total = count_waiting(connection)
            letters, agencies = _counted(extend(ledger, calendar, entry, operator=who), progress, total)
            value |= {"letters": letters, "agencies": agencies}
            words.append(f"{_letters(letters, agencies)} still waited for are due later now")
        else:
            words.append("letters accepted before keep their due times; `--extend` gives them the later ones")
    say(value, json=json, words=words)


def _counted(
    portions: Iterable[Portion], progress: Callable[[str, int, int], None], total: int
) -> tuple[int, int]:
    """How many letters, and how many agencies that owe their registrations."""
    done = letters = 0
    agencies: set[AgencyCode] = set()
    for one in portions:
        done, letters = done + one.looked_at, letters + len(one.letters)
        agencies |= one.agencies
        progress("letters", done, max(done, total))
    return letters, len(agencies)


def _letters(letters: int, agencies: int) -> str:
    return f"the registrations of {letters} letters by {agencies} agencies"
