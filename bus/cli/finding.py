"""`saraban-bus ledger find`: letters by whatever an auditor knows of them; on the screen, or as a file.

An export carries the question, the number of answers and the ledger's head, so that it can be asked again and compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from typing import Annotated, Any

import typer

from bus.cli import asking
from bus.cli.common import AsCsv, Config, Json, note_reading, opened, say, settings_of, who_reads
from bus.cli.output import exported, listed
from bus.cli.unaccepted import print_listed
from bus.directory import Names
from bus.evidence.words import DISPUTED
from bus.identifiers import AgencyCode, LetterId
from bus.ledger.finding import Asked
from bus.ledger.reading import Reader
from bus.ledger.state import LetterState
from bus.ledger.unaccepted import UnacceptedRow
from bus.pages.columns import About, Column, day
from bus.settings.bus import BusSettings
from bus.thai import normalise_number
from bus.views.asking import UNACKNOWLEDGED, names_of
from bus.views.finding import COLUMNS_BY_RECIPIENT, Found, by_recipient, head_of
from bus.views.letters import in_batches, letters_named, row_of, state_of, summary_of
from bus.views.unaccepted import EXPORT_COLUMNS, all_values, as_rows, find_unaccepted

_OF_ANY = {"letter_id", "number", "sender", "hash", "code", "limit"}
"""What can be asked of every submission, accepted or not."""
_NAMED = (
    "letter_id",
    "number",
    "sender",
    "recipient",
    "since",
    "until",
    "words",
    "file",
    "certificates",
    "state",
    "hash",
    "code",
)


def find(
    config: Config = None,
    json: Json = False,
    as_csv: AsCsv = False,
    number: Annotated[str | None, typer.Option(help="Letter number, Thai or Arabic digits.")] = None,
    sender: Annotated[
        str | None, typer.Option("--from", help="The sending agency: code, name or abbreviation.")
    ] = None,
    recipient: Annotated[
        str | None, typer.Option("--to", help="A recipient: code, name or abbreviation.")
    ] = None,
    date: Annotated[
        str | None,
        typer.Option(help="The letter's date, พ.ศ. or ISO; two with `..` between them are a range."),
    ] = None,
    subject: Annotated[str | None, typer.Option(help="Words of the subject; all have to be in it.")] = None,
    file: Annotated[
        str | None,
        typer.Option(help="A file that the letter names: its SHA-256, or its path on this machine."),
    ] = None,
    certificate: Annotated[
        str | None, typer.Option(help="Serial number or SHA-256 of the certificate that it was signed with.")
    ] = None,
    state: Annotated[
        str | None,
        typer.Option(help="State of a recipient, such as delivered or ลงทะเบียนรับแล้ว, or `unacknowledged`."),
    ] = None,
    letter_id: Annotated[str | None, typer.Option("--id", help="LetterID.")] = None,
    sha256: Annotated[
        str | None,
        typer.Option(
            "--hash", help="SHA-256 of a submission, or its digest; or the path of a file that is one."
        ),
    ] = None,
    code: Annotated[str | None, typer.Option(help="Code of a refusal, such as signature.broken.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="At most so many letters.")] = 1000,
) -> None:
    """Find letters, and submissions that were not accepted; everything given has to apply."""
    first, last = asking.dates(date)
    query: Asked = {
        "letter_id": LetterId(letter_id.lower()) if letter_id else None,
        "number": normalise_number(number) if number else None,
        "since": first,
        "until": last,
        "words": asking.words(subject),
        "file": asking.file(file),
    }
    wanted = _Wanted(asking.state(state), asking.refusal(code), asking.file(sha256, "--hash"), limit)
    settings = settings_of(config)
    who = who_reads(settings)
    with opened(settings) as ledger:
        with ledger.read() as reader:
            names = names_of(reader)
            query["sender"] = asking.agency(names, sender, "--from")
            query["recipient"] = asking.agency(names, recipient, "--to")
            query["certificates"] = asking.certificates(reader, certificate)
            result = _search(reader, settings, query, wanted)
        note_reading(ledger, who, "find", result.asked, len(result.letters) + len(result.others))
    _show(result, names, json=json, as_csv=as_csv)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is asked for beside what an index answers."""

    state: str | None
    code: str | None
    sha256: str | None
    limit: int


@dataclass(frozen=True, slots=True)
class _Result:
    asked: dict[str, Any]
    letters: list[Found]
    others: list[dict[str, Any]]
    """What was not accepted."""
    head: dict[str, Any]


def _search(reader: Reader, settings: BusSettings, query: Asked, wanted: _Wanted) -> _Result:
    asked = _asked(query, wanted.limit, state=wanted.state, hash=wanted.sha256, code=wanted.code)
    query["letters"] = _meant(reader, wanted.sha256, wanted.code)
    pages = in_batches(reader, partial(reader.find_letters, **query))
    to = query.get("recipient")
    fitting = (pair for pair in pages if wanted.state is None or _has(pair[1], wanted.state, to))
    return _Result(
        asked=asked,
        letters=list(islice(fitting, wanted.limit)),
        others=all_values(_unaccepted(reader, asked), settings, reader),
        head=head_of(reader),
    )


def _show(result: _Result, names: Names, *, json: bool, as_csv: bool) -> None:
    if json:
        letters = [{**row_of(row, one), **state_of(one)} for row, one in result.letters]
        answer = {"query": result.asked, "count": len(letters), "head": result.head, "letters": letters}
        say(answer | {"unaccepted": result.others}, json=True, words=())
    elif as_csv:
        columns = [*COLUMNS_BY_RECIPIENT, *EXPORT_COLUMNS]
        rows = chain(by_recipient(result.letters), as_rows(result.others))
        exported(columns, rows, About(result.asked, result.head), names)
    else:
        shown = ({**row_of(row, one), "recipients": summary_of(one)} for row, one in result.letters)
        listed(f"{len(result.letters)} letters", _COLUMNS, shown, names)
        print_listed(result.others, names)


def _asked(query: Asked, limit: int, **more: str | None) -> dict[str, Any]:
    values: Mapping[str, Any] = {**query, **more}
    return {name: values[name] for name in _NAMED if values.get(name) not in (None, ())} | {"limit": limit}


def _meant(reader: Reader, sha256: str | None, code: str | None) -> set[int] | None:
    """The letters among which one is looked for, None for all: none that was accepted has a code of a refusal."""
    if code:
        return set()
    return {row.letter for row in letters_named(reader, sha256)} if sha256 else None


def _unaccepted(reader: Reader, asked: Mapping[str, Any]) -> list[UnacceptedRow]:
    """The same question to what was not accepted; of that no subject, recipient or state is known."""
    if asked.keys() - _OF_ANY:
        return []
    return find_unaccepted(
        reader,
        asked["limit"],
        id=asked.get("letter_id"),
        number=asked.get("number"),
        sender=asked.get("sender"),
        hash=asked.get("hash"),
        code=asked.get("code"),
    )


def _has(state: LetterState, wanted: str, recipient: AgencyCode | None) -> bool:
    if wanted == UNACKNOWLEDGED:
        return bool(set(state.unacknowledged) & ({recipient} if recipient else set(state.recipients)))
    of_these = [one for code, one in state.recipients.items() if recipient in (None, code)]
    return any(wanted == one.outcome or (wanted == DISPUTED and one.disputed) for one in of_these)


_COLUMNS = (
    Column("letter", "entry", "ลำดับในบัญชี", plain=True),
    Column("number", "number", "ที่"),
    Column("dated", "dated", "ลงวันที่ พ.ศ.", day),
    Column("sender", "from", "จาก", who="short"),
    Column("subject", "subject", "เรื่อง"),
    Column("letterId", "LetterID", "รหัสหนังสือ"),
    Column("recipients", "recipients", "ผู้รับ"),
)
