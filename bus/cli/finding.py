"""`saraban-bus ledger find`: letters by whatever an auditor knows of them; on the screen, or as a file.

An export carries the question, the number of answers and the ledger's head, so that it can be asked again and compared.
"""

from __future__ import annotations

import csv
import json as json_module
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Annotated, Any

import typer

from bus.cli.common import Auditor, Config, note_reading, opened, settings_of, table
from bus.cli.letters import dates_of, in_batches, letters_named, row_of, state_of, summary_of
from bus.cli.unaccepted import all_values, find_unaccepted, print_table
from bus.directory import BUS, from_json
from bus.errors import RejectionCode
from bus.ledger.entry import Kind
from bus.ledger.finding import Asked
from bus.ledger.reading import Reader
from bus.ledger.rows import LetterRow
from bus.ledger.state import LetterState
from bus.text import printable
from bus.thai import normalise_number

_Found = tuple[LetterRow, LetterState]
_CSV = (
    "letter",
    "number",
    "dated",
    "sender",
    "subject",
    "letterId",
    "acceptedAt",
    "recipients",
    "unacknowledged",
)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What was found, and what has to be known to ask again."""

    query: Mapping[str, Any]
    head: Mapping[str, Any]
    found: list[_Found]
    unaccepted: list[dict[str, Any]]
    """Refused and parked submissions, when what was asked for can be asked of them too."""


def find(
    config: Config = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print CSV, after lines that say what was asked.")
    ] = False,
    number: Annotated[str | None, typer.Option(help="Letter number, Thai or Arabic digits.")] = None,
    sender: Annotated[str | None, typer.Option("--from", help="Code of the sending agency.")] = None,
    recipient: Annotated[str | None, typer.Option("--to", help="Code of a recipient.")] = None,
    date: Annotated[
        str | None,
        typer.Option(help="The letter's date, พ.ศ. or ISO; two with `..` between them are a range."),
    ] = None,
    subject: Annotated[str | None, typer.Option(help="Words of the subject; all have to be in it.")] = None,
    file: Annotated[str | None, typer.Option(help="SHA-256 of a file that the letter names.")] = None,
    certificate: Annotated[
        str | None, typer.Option(help="Serial number or SHA-256 of the certificate that it was signed with.")
    ] = None,
    state: Annotated[
        str | None, typer.Option(help="State of a recipient, such as delivered, or `unacknowledged`.")
    ] = None,
    letter_id: Annotated[str | None, typer.Option("--id", help="LetterID.")] = None,
    sha256: Annotated[
        str | None, typer.Option("--hash", help="SHA-256 of a submission's bytes, or its digest.")
    ] = None,
    code: Annotated[str | None, typer.Option(help="Code of a refusal, such as signature.broken.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many letters.")] = 1000,
    auditor: Auditor = None,
) -> None:
    """Find letters, and submissions that were not accepted; everything given has to apply."""
    first, last = dates_of(date)
    query: Asked = {
        "letter_id": letter_id.lower() if letter_id else None,
        "number": normalise_number(number) if number else None,
        "sender": sender,
        "recipient": recipient,
        "since": first,
        "until": last,
        "words": tuple(subject.split()) if subject else (),
        "file": file.lower() if file else None,
    }
    if sha256 and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise typer.BadParameter("a SHA-256 is 64 hexadecimal digits")
    if code and code not in set(RejectionCode):
        raise typer.BadParameter(
            f"{printable(code)} is no code of a refusal; known: {', '.join(RejectionCode)}"
        )
    of_any = ("letter_id", "number", "sender")
    settings = settings_of(config)
    with opened(settings) as ledger:
        with ledger.read() as reader:
            if certificate:
                query["certificates"] = _fingerprints(reader, certificate)
            if state or any(value for name, value in query.items() if name not in of_any):
                refused = []  # a recipient's state, a subject or a file is known of accepted letters only
            else:
                refused = find_unaccepted(
                    reader,
                    limit,
                    id=query.get("letter_id"),
                    number=query.get("number"),
                    sender=sender,
                    hash=sha256.lower() if sha256 else None,
                    code=code,
                )
            meant = {row.letter for row in letters_named(reader, sha256)} if sha256 else None
            if code:
                meant = set()  # what was accepted has no code of a refusal
            matching: Asked = {**query, "letters": meant}
            pages = in_batches(reader, partial(reader.find_letters, **matching))
            wanted = (pair for pair in pages if state is None or _has(pair[1], state, recipient))
            asked = {name: value for name, value in query.items() if value not in (None, ())}
            more = {"state": state, "hash": sha256, "code": code}
            asked |= {name: value for name, value in more.items() if value}
            asked |= {"limit": limit}
            told = all_values(refused, settings, reader)
            answer = _Answer(asked, _head(reader), list(islice(wanted, limit)), told)
        note_reading(ledger, auditor, "find", asked, len(answer.found) + len(told))
    if json:
        _print_json(answer)
    elif as_csv:
        _print_csv(answer)
    else:
        table(
            f"{len(answer.found)} letters",
            ["entry", "number", "dated", "from", "subject", "LetterID", "recipients"],
            (
                [r.letter, r.number or "–", r.dated, r.sender, r.subject, r.letter_id, summary_of(s)]
                for r, s in answer.found
            ),
        )
        print_table(answer.unaccepted)


def _fingerprints(reader: Reader, text: str) -> tuple[str, ...]:
    """The SHA-256 of every certificate that was ever pinned under this serial number, or the text itself."""
    plain = text.lower().replace(":", "").removeprefix("0x")
    found = {plain} if len(plain) == 64 else set()
    for entry in reader.every(Kind.DIRECTORY):
        directory = from_json(reader.must_document(entry))
        for holder in (BUS, *directory.agencies):
            for pin in directory.pins(holder):
                serial = pin.certificate.serial_number
                if plain in (f"{serial:x}", str(serial)):
                    found.add(pin.fingerprint)
    # Nothing has the fingerprint "", so that an unknown serial number finds nothing.
    return tuple(sorted(found)) or ("",)


def _has(state: LetterState, wanted: str, recipient: str | None) -> bool:
    if wanted == "unacknowledged":
        return bool(set(state.unacknowledged) & ({recipient} if recipient else set(state.recipients)))
    return any(one.status == wanted for code, one in state.recipients.items() if recipient in (None, code))


def _head(reader: Reader) -> dict[str, Any]:
    head = reader.heads.newest()
    return {
        "entries": reader.head(),
        "signed": head.size if head else 0,
        "root": head.root.hex() if head else None,
    }


def _print_json(answer: _Answer) -> None:
    value = {
        "query": dict(answer.query),
        "count": len(answer.found),
        "head": dict(answer.head),
        "letters": [{**row_of(row), **state_of(one)} for row, one in answer.found],
        "unaccepted": answer.unaccepted,
    }
    sys.stdout.write(json_module.dumps(value, ensure_ascii=False, indent=2) + "\n")


def _print_csv(answer: _Answer) -> None:
    about = {"query": dict(answer.query), "count": len(answer.found), "head": dict(answer.head)}
    for name, value in about.items():
        sys.stdout.write(f"# {name}: {json_module.dumps(value, ensure_ascii=False)}\n")
    written = csv.writer(sys.stdout)
    written.writerow(_CSV)
    written.writerows(_lines(answer.found))


def _lines(found: list[_Found]) -> Iterator[list[object]]:
    for row, state in found:
        values = row_of(row) | {
            "recipients": " ".join(f"{code}={one.status}" for code, one in state.recipients.items()),
            "unacknowledged": " ".join(state.unacknowledged),
        }
        yield [_harmless(values[name]) for name in _CSV]


def _harmless(value: object) -> object:
    """A text that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
