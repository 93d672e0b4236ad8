"""Everything that the ledger can show about one letter, as of one signed head, from one snapshot."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bus.directory import Directory, directory_of
from bus.directory.lines import AGENCY
from bus.errors import Transient
from bus.identifiers import AgencyCode, RawDigest
from bus.ledger.checkpoint import published
from bus.ledger.entry import Entry, Kind, canonical
from bus.ledger.excerpts import excerpt, named_in, records_shown
from bus.ledger.reading import Reader
from bus.ledger.rows import Head, LetterRow
from bus.ledger.state import LetterState

_SIGNED = (Kind.NOTICE, Kind.OVERDUE)
"""Entries whose document is a signed notice."""


class NotSigned(Transient):
    """No signed head covers the newest entry about a letter yet; one will, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A letter with all that was ever said about it, provable."""

    row: LetterRow
    state: LetterState
    entries: tuple[Entry, ...]
    """Those about the letter, in order."""
    head: Head
    cosigned: tuple[AgencyCode, ...]
    """The agencies whose witnesses have cosigned the head."""
    members: Mapping[str, bytes]
    """What goes into a pack, by name: documents, entries, proofs, the head and what matters of the directory."""
    directories: tuple[Directory, ...]
    """The versions of the directory that go with it, the oldest first, as far as the pack has them."""


def gather(reader: Reader, letter: int) -> Evidence:
    """Gather the evidence about a letter, by its ledger number.

    Raises LookupError when there is no such letter or the ledger has lost a document, NotSigned when a head is lacking.
    """
    row = reader.letter(letter)
    if row is None:
        raise LookupError(f"no letter under ledger number {letter}")
    entries = list(reader.entries_of(letter))
    head = _head(reader, entries[-1].seq)
    cosignatures = reader.heads.cosignatures(head.size)
    directories = _directories(reader, entries, head.size)
    members = {
        "letter.xml": reader.must_document(entries[0]),
        "acceptance.xml": _must(reader, RawDigest(entries[0].body["acceptance"])),
        "recipients.json": _must(reader, RawDigest(entries[0].body["recipients"])),
        "checkpoint": published(head, [line for _, line in cosignatures]).encode(),
        "proofs.json": proofs_of(reader, [*entries, *directories], head.size),
    }
    for entry in (*entries, *directories):
        members[f"entries/{entry.seq}.json"] = canonical(entry.body).encode()
    for entry in entries:
        if entry.kind in _SIGNED:
            members[f"notices/{entry.seq}.xml"] = reader.must_document(entry)
    documents = (data for name, data in members.items() if name.endswith(".xml"))
    state = reader.state_of(letter)
    codes = {*state.recipients, *_agencies(entries, cosignatures)}
    named = named_in(documents) | {f"{AGENCY}{code}" for code in codes}
    versions = []
    for entry in directories:
        version = int(entry.body["version"])
        records = reader.directories.records(version)
        member = excerpt(records, directory_of(version, records), named)
        versions.append(directory_of(version, records_shown(member)))
        members[f"directories/{entry.seq}.json"] = member
    return Evidence(
        row=row,
        state=state,
        entries=tuple(entries),
        head=head,
        cosigned=tuple(agency for agency, _ in cosignatures),
        members=members,
        directories=tuple(versions),
    )


def _agencies(entries: Iterable[Entry], cosignatures: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Whom the entries and the cosignatures name."""
    for entry in entries:
        if "agency" in entry.body:
            yield str(entry.body["agency"])
        if entry.kind is Kind.CONSIGNED:
            yield from entry.body["recipients"]
    yield from (agency for agency, _ in cosignatures)


def _head(reader: Reader, seq: int) -> Head:
    """A head that covers the entry: best one that witnesses have cosigned."""
    anchor = reader.heads.anchor_covering(seq)
    if anchor is not None and reader.heads.cosignatures(anchor.size, most=1):
        return anchor
    newest = reader.heads.newest()
    if newest is None or newest.size < seq:
        raise NotSigned(f"no signed head covers entry {seq} yet; try again in a few seconds")
    return newest


def _directories(reader: Reader, entries: Iterable[Entry], size: int) -> list[Entry]:
    """The directory's versions that were used, those in force when the bus itself signed, and the newest."""
    known = [entry for entry in reader.every(Kind.DIRECTORY) if entry.seq <= size]
    wanted = {known[-1].seq} if known else set()
    by_version = {entry.body["version"]: entry.seq for entry in known}
    for entry in entries:
        if "directory" in entry.body:
            wanted.add(by_version[entry.body["directory"]])
        if entry.kind in (Kind.ACCEPTED, Kind.OVERDUE):
            wanted.add(max(one.seq for one in known if one.seq < entry.seq))
    return [entry for entry in known if entry.seq in wanted]


def proofs_of(reader: Reader, entries: Iterable[Entry], size: int) -> bytes:
    """Return, by number of the entry, the hashes that lead from it to the root over `size` entries, as JSON."""
    tree = reader.tree()
    proofs: dict[str, Any] = {
        str(entry.seq): [b64encode(one).decode() for one in tree.inclusion_proof(entry.seq, size)]
        for entry in entries
    }
    return canonical(proofs).encode()


def _must(reader: Reader, sha256: RawDigest) -> bytes:
    found = reader.document(sha256)
    if found is None:
        raise LookupError(f"the ledger has lost document {sha256}")
    return found
