"""Entries of the ledger as they are listed, one a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bus.evidence.words import words_of
from bus.ledger.entry import Entry, Kind
from bus.pages.columns import Column, iso, joined, moment

ENTRY_COLUMNS = (
    Column("seq", "entry", "ลำดับในบัญชี", plain=True),
    Column("at", "entered", "ลงบัญชีเมื่อ", moment),
    Column("at", "entered, ISO", "ลงบัญชีเมื่อ ค.ศ.", iso, plain=True),
    Column("kind", "kind", "ชนิด"),
    Column("event", "event", "เหตุการณ์", lambda event: " · ".join(words_of(event))),
    Column("agency", "whose", "ของหน่วยงาน", who="full"),
    Column("letter", "letter", "หนังสือลำดับที่", plain=True),
    Column("said", "said", "ความ"),
)


def entry_rows(entries: Iterable[Entry]) -> Iterator[dict[str, Any]]:
    """Yield each as a row."""
    for entry in entries:
        yield {**entry.body, "said": said_of(entry)}


def _extended(groups: list[dict[str, Any]]) -> str:
    return "; ".join(f"{joined(one['recipients'])} until {one['due'][:16]}" for one in groups)


def _asked_with(body: Mapping[str, Any]) -> str:
    return f"invited by entry {body['invitation']}" if "invitation" in body else "renews its key"


def _decided(body: Mapping[str, Any]) -> str:
    why = f": {body['reason']}" if "reason" in body else ""
    return f"by {body['operator']}{why}" if "operator" in body else why


def said_of(entry: Entry) -> str:
    """Return in a few words what an entry says."""
    body = entry.body
    said: str = {
        Kind.NOTICE: lambda: f"{body['event']} {body.get('number', '')}".strip(),
        Kind.REFUSED: lambda: f"{body['code']} {body.get('where', '')}".strip(),
        Kind.REFUSALS_COUNTED: lambda: ", ".join(f"{n} × {code}" for code, n in body["codes"].items()),
        Kind.SHARE_EXCEEDED: lambda: ", ".join(f"{what} {n} %" for what, n in body["percent"].items()),
        Kind.ACCEPTED: lambda: f"{body['letterId']} to {len(body['consignments'])}",
        Kind.CONSIGNED: lambda: ", ".join(body["recipients"]),
        Kind.DEADLINE_EXTENDED: lambda: f"{body['deadline']}: {_extended(body['extended'])}",
        Kind.OVERDUE: lambda: f"{body['deadline']}: {', '.join(body['silent'])}",
        Kind.DIRECTORY: lambda: f"version {body['version']}, {_decided(body)}",
        Kind.INVITED: lambda: f"{body['name_th']}, until {body['until'][:16]}, {_decided(body)}",
        Kind.ENROLMENT_REQUESTED: lambda: f"{_asked_with(body)}, key {body['fingerprint'][:16]}",
        Kind.ENROLMENT_REFUSED: lambda: f"{body['code']}, {_asked_with(body)}",
        Kind.ENROLMENT_ANSWERED: lambda: f"{body['outcome']}, {_decided(body)}",
        Kind.READ: lambda: str(body["what"]),
        Kind.GRANTED: lambda: f"{body['auditor']}, until {body['until'][:16]}, {_decided(body)}",
        Kind.ORDERED: lambda: f"{body.get('act', '?')}, {_decided(body)}",
        Kind.ORDER_DONE: lambda: f"order {body['order']} {body['outcome']} {body.get('detail', '')}".strip(),
    }.get(entry.kind, lambda: "")()
    return said


def line_of(entry: Entry) -> str:
    """Return an entry as one line."""
    body = entry.body
    about = f" letter {entry.letter}" if entry.letter and entry.letter != entry.seq else ""
    who = body.get("agency", "bus")
    line = f"{entry.seq:>7}  {body['at'][:23]}  {entry.kind:<18} {who:<10}{about}  {said_of(entry)}"
    return line.rstrip()
