"""One entry with its proof, and entries in pages: as an auditor's pages have them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any, Final

from bus.directory import Names
from bus.identifiers import AgencyCode
from bus.ledger.entry import Entry, Kind, canonical, timestamp
from bus.ledger.reading import Reader
from bus.thai import BANGKOK
from bus.verifier import merkle
from bus.views.entries import said_of
from bus.views.search import called

PAGE: Final = 100
_MOST_LOOKED_AT: Final = 3_000
"""Entries in which a person's name is looked for at once: no index has it."""
_PERSONS: Final = ("operator", "auditor")
_OF_PERSONS: Final = (
    *(Kind.DIRECTORY, Kind.CALENDAR, Kind.REPLAY_REQUESTED, Kind.DEADLINE_EXTENDED, Kind.INVITED),
    *(Kind.ENROLMENT_ANSWERED, Kind.ORDERED, Kind.GRANTED, Kind.READ),
)
"""Kinds of entries that name a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which entries are asked for; None asks for nothing."""

    kind: Kind | None = None
    agency: AgencyCode | None = None
    person: str | None = None
    letter: int | None = None
    since: str | None = None
    until: str | None = None


def entries_page(reader: Reader, wanted: Wanted, before: int | None) -> tuple[list[Entry], int | None]:
    """Return the newest entries to which everything applies, and the number below which the next page begins."""
    above, below = _between(reader, wanted, before)
    if wanted.letter is not None:
        mine = reader.entries_of(wanted.letter).after(above).until(below - 1)
        fitting = list(islice((one for one in reversed(mine) if _fits(one, wanted)), PAGE + 1))
        return fitting[:PAGE], fitting[PAGE - 1].seq if len(fitting) > PAGE else None
    kinds = (wanted.kind,) if wanted.kind else _OF_PERSONS if wanted.person else ()
    found: list[Entry] = []
    looked_at = 0
    while batch := reader.acts.older(kinds, agency=wanted.agency, before=below, limit=PAGE * 5):
        for entry in batch:
            below, looked_at = entry.seq, looked_at + 1
            if entry.seq <= above:
                return found, None
            if _fits(entry, wanted):
                found.append(entry)
            if len(found) == PAGE or looked_at >= _MOST_LOOKED_AT:
                return found, below if below > 1 else None
    return found, None


def _fits(entry: Entry, wanted: Wanted) -> bool:
    body = entry.body
    return (
        (wanted.kind is None or entry.kind is wanted.kind)
        and (wanted.agency is None or body.get("agency") == wanted.agency)
        and (wanted.person is None or wanted.person in [body.get(each) for each in _PERSONS])
    )


def _between(reader: Reader, wanted: Wanted, before: int | None) -> tuple[int, int]:
    """Above which number the entries are, and below which."""
    newest = reader.head()
    above = _first_at(reader, newest, wanted.since, 0) - 1 if wanted.since else 0
    below = _first_at(reader, newest, wanted.until, 1) if wanted.until else newest + 1
    return above, min(below, before or below)


def _first_at(reader: Reader, newest: int, day: str, days: int) -> int:
    """The number of the first entry from the beginning of a day on, so many days later; numbers go by time."""
    at = datetime.combine(date.fromisoformat(day) + timedelta(days=days), datetime.min.time(), BANGKOK)
    wanted, low, high = timestamp(at), 1, newest + 1
    while low < high:
        middle = (low + high) // 2
        entry = reader.entry_at(middle)
        if entry is None or entry.body["at"] >= wanted:
            high = middle
        else:
            low = middle + 1
    return low


def line(entry: Entry, names: Names) -> dict[str, Any]:
    """Return an entry as a line of a list."""
    body = entry.body
    who = called(names, body["agency"]) if body.get("agency") else body.get("auditor") or body.get("operator")
    return {
        "entry": entry.seq,
        "at": body["at"],
        "kind": str(entry.kind),
        "agency": body.get("agency"),
        "who": who,
        "letter": entry.letter,
        "said": said_of(entry),
    }


def whole_entry(reader: Reader, entry: Entry) -> dict[str, Any]:
    """Return an entry with its octets, its neighbours about the same letter and its proof."""
    octets = canonical(entry.body)
    head = reader.heads.newest()
    proven = head is not None and entry.seq <= head.size
    value: dict[str, Any] = {
        "entry": entry.seq,
        "kind": str(entry.kind),
        "at": entry.body["at"],
        "letter": entry.letter,
        "body": dict(entry.body),
        "octets": octets,
        "leaf": merkle.leaf_hash(octets.encode()).hex(),
        "document": entry.document,
        "prior": entry.body.get("prior"),
        "next": _next(reader, entry),
        "newest": reader.head(),
        "proof": None,
    }
    if head is not None and proven:
        path = reader.tree().inclusion_proof(entry.seq, head.size)
        value["proof"] = {
            "index": entry.seq - 1,
            "size": head.size,
            "root": head.root.hex(),
            "path": [one.hex() for one in path],
            "signedAt": head.at,
            "cosigned": len(reader.heads.cosigners(head.size)),
            "holds": _holds(octets, entry.seq, head.size, head.root, path),
        }
    return value


def _next(reader: Reader, entry: Entry) -> int | None:
    if entry.letter is None:
        return None
    return next(iter(reader.entries_of(entry.letter).after(entry.seq).numbers), None)


def _holds(octets: str, seq: int, size: int, root: bytes, path: Sequence[bytes]) -> bool:
    try:
        merkle.require_inclusion(merkle.leaf_hash(octets.encode()), seq - 1, size, root, path)
    except merkle.Unproven:
        return False
    return True


def fields_of(body: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the fields of an entry as lines of a table, a long value as JSON."""
    return [
        (name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for name, value in body.items()
    ]
