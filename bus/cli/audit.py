"""`saraban-bus audit`: a letter and its files, opened for an auditor by a grant that is itself in the ledger."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from bus.cli.asking import finite
from bus.cli.common import Config, Json, as_reader, opened, say, settings_of, steward
from bus.cli.evidence import gathered
from bus.depot.store import local_contents
from bus.errors import Misconfigured, Problem
from bus.evidence.page import letter_of, page
from bus.identifiers import RawDigest
from bus.ledger.entry import Entry, Kind, timestamp
from bus.ledger.evidence import Evidence
from bus.ledger.reading import Reader
from bus.ledger.rows import LetterRow
from bus.operators import Role
from bus.people import acting
from bus.settings.bus import BusSettings
from bus.thai import now
from bus.views.letters import MOST_NUMBER, letters_named

app = typer.Typer(no_args_is_help=True, help="Grants by which auditors open letters; each is an entry.")
_LONGEST_HOURS = 24.0 * 31


@app.command()
def grant(
    letter: Annotated[str, typer.Argument(help="LetterID, letter number, or ledger number of the letter.")],
    auditor: Annotated[str, typer.Option(help="The name of the person who may open it.")],
    reason: Annotated[str, typer.Option(help="Why, such as the number of the order.")],
    hours: Annotated[
        float, typer.Option(min=0.1, max=_LONGEST_HOURS, callback=finite, help="For how long.")
    ] = 8.0,
    config: Config = None,
    json: Json = False,
) -> None:
    """Let an auditor open a letter and its files for some hours."""
    settings = settings_of(config)
    who = steward(settings)
    with opened(settings) as ledger:
        with ledger.read() as reader:
            row = _the_letter(reader, letter)
        with ledger.append() as writer:
            until = timestamp(writer.at + timedelta(hours=hours))
            entry = writer.entry(
                Kind.GRANTED,
                letter=row.letter,
                auditor=auditor,
                until=until,
                reason=reason,
                **who.fields(),
            )
    words = [f"grant {entry}: {auditor} may open letter {row.letter} until {until[:19]}"]
    say({"grant": entry, "letter": row.letter, "auditor": auditor, "until": until}, json=json, words=words)


@app.command(name="open")
def open_letter(
    number: Annotated[
        int, typer.Argument(metavar="GRANT", min=1, max=MOST_NUMBER, help="The number of the grant.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="An empty or new folder.")],
    config: Config = None,
    json: Json = False,
) -> None:
    """Write a letter, its notices and its files into a folder, for whom the grant is; it is an entry."""
    settings = settings_of(config)
    who = acting(settings, Role.AUDITOR, Role.STEWARD)
    auditor = who.name
    with opened(settings) as ledger:
        with ledger.read() as reader:
            letter = _granted(reader, number, auditor)
        found = gathered(ledger, settings, letter)
        # Entered first: nobody reads unseen, not even when the copying fails half way.
        with ledger.append() as writer:
            entry = writer.entry(Kind.READ, letter=letter, grant=number, what="letter", **as_reader(who))
        names = _written(found, settings, output)
    words = [
        f"entry {entry}: {auditor} has opened letter {letter}",
        *(f"  {output / name}" for name in names),
    ]
    say({"entry": entry, "letter": letter, "files": names}, json=json, words=words)


def _the_letter(reader: Reader, name: str) -> LetterRow:
    rows = letters_named(reader, name)
    if len(rows) == 1:
        return rows[0]
    shown = ", ".join(f"{row.letter} ({row.sender}, {row.dated})" for row in rows) or "none"
    raise typer.BadParameter(f"{name!r} means {len(rows)} letters: {shown}; name one by its ledger number")


def _granted(reader: Reader, number: int, auditor: str) -> int:
    """Return the letter that a grant opens now for this auditor."""
    entry: Entry | None = reader.entry_at(number)
    if entry is None or entry.kind is not Kind.GRANTED:
        raise typer.BadParameter(f"{number} is no grant")
    if entry.body["auditor"] != auditor:
        raise typer.BadParameter(f"grant {number} is not for {auditor}")
    if datetime.fromisoformat(entry.body["until"]) < now():
        raise typer.BadParameter(f"grant {number} ended at {entry.body['until'][:19]}; ask for another")
    return int(entry.body["letter"])


def _written(found: Evidence, settings: BusSettings, output: Path) -> list[str]:
    output.mkdir(parents=True, exist_ok=True, mode=0o700)
    if any(output.iterdir()):
        raise Misconfigured(Problem(str(output), "--output", "is not empty", "Name a new folder."))
    shown = {name: data for name, data in found.members.items() if name.endswith(".xml")}
    files = _copied(found, settings, output)
    shown["index.html"] = page(found, now(), files=files).encode()
    for name, data in shown.items():
        (output / name).parent.mkdir(exist_ok=True)
        (output / name).write_bytes(data)
    return [*sorted(shown), *files.values()]


def _copied(found: Evidence, settings: BusSettings, output: Path) -> dict[RawDigest, str]:
    """Copy the letter's files under their own names, as far as those are plain, else under their SHA-256.

    Returns the names by SHA-256.
    """
    store, names = local_contents(settings.depot.folder), {}
    for file in letter_of(found).all_files:
        plain = Path(file.name).name == file.name and not file.name.startswith(".")
        name = f"{file.digest[:8]}-{file.name}" if plain else file.digest
        if store.size(file.digest) is None or file.digest in names:
            continue
        with store.open(file.digest) as source, (output / name).open("xb") as target:
            shutil.copyfileobj(source, target, 1024 * 1024)
        names[file.digest] = name
    return names
