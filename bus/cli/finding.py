"""`saraban-bus ledger find`: letters by whatever an auditor knows of them; on the screen, or as a file.

An export carries the question, the number of answers and the ledger's head, so that it can be asked again and compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Annotated, Any

import typer

from bus.cli import asking
from bus.cli.common import AsCsv, Auditor, Config, note_reading, opened, say, settings_of
from bus.cli.letters import in_batches, row_of, state_of, summary_of
from bus.cli.letters import words_of as sought
from bus.cli.output import About, Column, Row, day, exported, iso, joined, listed, moment
from bus.directory import Names
from bus.evidence.words import ROLES, words_of
from bus.ledger.finding import Asked
from bus.ledger.reading import Reader
from bus.ledger.rows import LetterRow
from bus.ledger.state import LetterState
from bus.thai import normalise_number

_Found = tuple[LetterRow, LetterState]


def find(
    config: Config = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
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
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="At most so many letters.")] = 1000,
    auditor: Auditor = None,
) -> None:
    """Find letters; everything given has to apply."""
    first, last = asking.dates(date)
    query: Asked = {
        "number": normalise_number(number) if number else None,
        "since": first,
        "until": last,
        "words": sought(subject),
        "file": asking.file(file),
    }
    wanted_state = asking.state(state)
    with opened(settings_of(config)) as ledger:
        with ledger.read() as reader:
            names = asking.names_of(reader)
            query["sender"] = asking.agency(names, sender, "--from")
            query["recipient"] = to = asking.agency(names, recipient, "--to")
            query["certificates"] = asking.certificates(reader, certificate)
            pages = in_batches(reader, partial(reader.find_letters, **query))
            wanted = (pair for pair in pages if wanted_state is None or _has(pair[1], wanted_state, to))
            asked = _asked(query, wanted_state, limit)
            found = list(islice(wanted, limit))
            head = head_of(reader)
        note_reading(ledger, auditor, "find", asked, len(found))
    if json:
        letters = [{**row_of(row), **state_of(one)} for row, one in found]
        say({"query": asked, "count": len(found), "head": head, "letters": letters}, json=True, words=())
    elif as_csv:
        exported(columns_by_recipient(names), by_recipient(found), About(asked, head))
    else:
        shown = ({**row_of(row), "recipients": summary_of(one)} for row, one in found)
        listed(f"{len(found)} letters", _columns(names), shown)


def _asked(query: Asked, state: str | None, limit: int) -> dict[str, Any]:
    named = ("number", "sender", "recipient", "since", "until", "words", "file", "certificates")
    values: Mapping[str, Any] = query
    asked = {name: values[name] for name in named if values.get(name) not in (None, ())}
    return asked | ({"state": state} if state else {}) | {"limit": limit}


def _has(state: LetterState, wanted: str, recipient: str | None) -> bool:
    if wanted == asking.UNACKNOWLEDGED:
        return bool(set(state.unacknowledged) & ({recipient} if recipient else set(state.recipients)))
    return any(one.status == wanted for code, one in state.recipients.items() if recipient in (None, code))


def head_of(reader: Reader) -> dict[str, Any]:
    """Return of which state of the ledger an answer is."""
    head = reader.heads.newest()
    return {
        "entries": reader.head(),
        "signed": head.size if head else 0,
        "root": head.root.hex() if head else None,
    }


def _columns(names: Names) -> list[Column]:
    return [
        Column("letter", "entry", "ลำดับในบัญชี", plain=True),
        Column("number", "number", "ที่"),
        Column("dated", "dated", "ลงวันที่ พ.ศ.", day),
        Column("sender", "from", "จาก", names.short),
        Column("subject", "subject", "เรื่อง"),
        Column("letterId", "LetterID", "รหัสหนังสือ"),
        Column("recipients", "recipients", "ผู้รับ"),
    ]


def letter_columns(names: Names) -> list[Column]:
    """Return the columns of an export that say which letter a row is about."""
    return [
        Column("letter", "entry", "ลำดับในบัญชี", plain=True),
        Column("number", "number", "ที่"),
        Column("dated", "dated", "ลงวันที่ พ.ศ.", day),
        Column("dated", "dated, ISO", "ลงวันที่ ค.ศ.", plain=True),
        Column("sender", "from", "จาก", names.full),
        Column("subject", "subject", "เรื่อง"),
        Column("letterId", "LetterID", "รหัสหนังสือ"),
        Column("acceptedAt", "accepted", "ระบบกลางรับเมื่อ", moment),
        Column("acceptedAt", "accepted, ISO", "ระบบกลางรับเมื่อ ค.ศ.", iso, plain=True),
    ]


def columns_by_recipient(names: Names) -> list[Column]:
    """Return the columns of an export that has a row for each recipient of a letter."""
    return [
        *letter_columns(names),
        Column("recipient", "recipient", "ผู้รับ", names.full),
        Column("role", "role", "ประเภทผู้รับ", lambda role: _both(ROLES.get(role, (role, role)))),
        Column("status", "state", "สถานะ", lambda status: _both(words_of(status))),
        Column("consignedAt", "in its queue", "ส่งถึงตู้หนังสือเมื่อ", moment),
        Column("deliveredAt", "delivered", "เครื่องตอบรับเมื่อ", moment),
        Column("deliveredAt", "delivered, ISO", "เครื่องตอบรับเมื่อ ค.ศ.", iso, plain=True),
        Column("answeredAt", "answered", "เจ้าหน้าที่ตอบเมื่อ", moment),
        Column("answeredAt", "answered, ISO", "เจ้าหน้าที่ตอบเมื่อ ค.ศ.", iso, plain=True),
        Column("registration", "receiving number", "เลขรับ"),
        Column("acknowledged", "acknowledged", "ตอบรับแล้ว", lambda yes: "ใช่ (yes)" if yes else "ยัง (no)"),
        Column("overdue", "overdue", "พ้นกำหนด", joined),
    ]


def by_recipient(found: Iterable[_Found]) -> Iterator[Row]:
    """Yield what became of each letter at each of its recipients."""
    for row, state in found:
        silent = state.unacknowledged
        for code, one in state_of(state)["recipients"].items():
            registration = one.pop("number")
            yield {
                **row_of(row),
                **one,
                "registration": registration,
                "recipient": code,
                "acknowledged": code not in silent,
            }


def _both(words: tuple[str, str]) -> str:
    return f"{words[0]} ({words[1]})"
