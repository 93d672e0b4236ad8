"""A letter at a glance: evidence for a page, with what a pack would have as far as a page can show it at once.

Of the directory only the sender's record goes with it, and only so many of the letter's entries are proven: a circular
to thousands has as many notices. Everything else is in a pack (evidence.py).
"""

from __future__ import annotations

from bus.directory import directory_of
from bus.directory.lines import AGENCY, AUTHORITY
from bus.identifiers import AgencyCode
from bus.ledger.checkpoint import published
from bus.ledger.entry import Kind, canonical
from bus.ledger.evidence import Evidence, proofs_of
from bus.ledger.history import History
from bus.ledger.reading import Reader
from bus.ledger.rows import Head, LetterRow
from bus.ledger.state import LetterState

MOST_PROVEN = 25
"""Entries about the letter whose proofs are worked out: the acceptance, and the newest."""
_MOST_COSIGNATURES = 20
"""Signature lines of witnesses that stand below the head: with fewer of them it is the same head."""


def glance(reader: Reader, row: LetterRow, state: LetterState, entries: History, head: Head) -> Evidence:
    """Return what a page shows of a letter whose acceptance is under `head`; `entries` are all about it."""
    covered = entries.until(head.size)
    shown = [covered[0], *covered[1:][-(MOST_PROVEN - 1) :]]
    lines = [line for _, line in reader.heads.cosignatures(head.size, most=_MOST_COSIGNATURES)]
    members = {
        "letter.xml": reader.must_document(shown[0]),
        "checkpoint": published(head, lines).encode(),
        "proofs.json": proofs_of(reader, shown, head.size),
    }
    for entry in shown:
        members[f"entries/{entry.seq}.json"] = canonical(entry.body).encode()
        if entry.kind in (Kind.NOTICE, Kind.OVERDUE):
            members[f"notices/{entry.seq}.xml"] = reader.must_document(entry)
    version = int(shown[0].body["directory"])
    return Evidence(
        row=row,
        state=state,
        entries=tuple(shown),
        head=head,
        cosigned=reader.heads.cosigners(head.size),
        members=members,
        directories=(directory_of(version, _records(reader, version, row.sender)),),
    )


def best_head(reader: Reader, seq: int) -> Head | None:
    """Return a signed head over an entry, best one that witnesses have cosigned; None where none is signed yet."""
    anchor = reader.heads.anchor_covering(seq)
    if anchor is not None and reader.heads.cosignatures(anchor.size, most=1):
        return anchor
    newest = reader.heads.newest()
    return newest if newest is not None and newest.size >= seq else None


def _records(reader: Reader, version: int, sender: AgencyCode) -> dict[str, bytes]:
    """What a version of the directory says of the sender, and of the authorities."""
    found = reader.directories.some(version, (f"{AGENCY}{sender}",))
    return found | reader.directories.some(version, reader.directories.keys(AUTHORITY))
