"""What a certificate of delivery states about a letter, as plain values; `sheet.py` puts them into words."""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bus.directory import Names
from bus.evidence import views
from bus.evidence.certificates import certificates_of
from bus.evidence.page import letter_of
from bus.evidence.summary import answered
from bus.evidence.views import View, moment
from bus.identifiers import AgencyCode, RawDigest
from bus.ledger.evidence import Evidence
from bus.verifier import merkle
from bus.verifier.notes import read_checkpoint, read_note


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Three times of the letter that are never mixed, each in both calendars."""

    stated: View
    """What its sender wrote into it."""
    received: View
    """When the bus had it."""
    entered: View
    """When the ledger entered it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """The sender's signature: by which certificate, and what that was worth when the bus received the letter."""

    by: str
    certificate: View | None
    """As `certificates.py` has it; None where neither the directory nor the letter has one that can be read."""
    pinned: bool
    """Whether the directory has the certificate itself, and not the authority that issued it."""
    good: bool
    """Whether it was in its validity, and not revoked by the directory, at that time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """By what the letter and the state of the ledger are recognised; hashes in hexadecimal."""

    digest: str
    """SHA-256 of the letter's content (C14N 1.1 without the signature): what every notice names."""
    raw_sha256: str
    """SHA-256 of the file `letter.xml` as it was received."""
    entry: int
    """Number of the entry by which the ledger accepted it."""
    through: int
    """Number of the newest entry about it."""
    origin: str
    size: int
    root: str
    signed: View | None
    cosigned: tuple[str, ...]
    pack_sha256: str | None
    """Of the evidence pack that goes with it, None where none does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """How the entry of the acceptance leads to the root; hashes in hexadecimal."""

    leaf: str
    path: tuple[str, ...]
    entries: tuple[int, ...]
    """Every entry about the letter, each with a proof in the pack."""
    holds: bool
    """Whether the proof of every one of them leads to the root: computed here, and not believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Everything that the certificate says."""

    answer: tuple[str, str]
    letter: View
    files: tuple[View, ...]
    times: Times
    seal: Seal
    registration: bool
    """Whether the letter asks for a receiving number, and not for a receipt only."""
    silent: tuple[View, ...]
    """The recipients that have not acknowledged."""
    others: tuple[View, ...]
    fingerprint: Fingerprint
    proof: Proof
    stamped: bool
    doubts: tuple[str, ...]
    made: View


def statement_of(
    evidence: Evidence,
    names: Names,
    at: datetime,
    *,
    pack: bytes | None = None,
    stamped: bool = False,
    doubts: Sequence[str] = (),
    each: bool = True,
) -> Statement:
    """Return what a certificate made at `at` states; `stamped` and `doubts` as they are of the pack.

    Without `each`, what became of each recipient is left out, which takes a second where there are thousands.
    """
    notices = views.notices_of(evidence)
    letter = letter_of(evidence)
    recipients = evidence.state.recipients
    received = {entry.seq: entry.body.get("receivedAt") for entry in evidence.entries}
    shown = {
        code: _with_receipt_times(
            views.recipient_view(one, notices, names, evidence.row.registration_due), received
        )
        for code, one in recipients.items()
        if each
    }
    silent = evidence.state.unacknowledged if each else []
    waited_for = set(silent)
    closed = [code for code in shown if code not in waited_for]
    return Statement(
        answer=answered(list(recipients.values()), notices, names),
        letter=views.letter_view(letter, evidence, names),
        files=tuple(views.file_views(letter, {})),
        times=Times(
            stated=_known(letter.sent_at.isoformat()),
            received=_known(evidence.state.received_at),
            entered=_known(evidence.row.accepted_at),
        ),
        seal=_seal(evidence, names),
        registration=evidence.state.asks_registration,
        silent=tuple(shown[code] for code in silent),
        others=tuple(shown[code] for code in closed),
        fingerprint=_fingerprint(evidence, names, pack),
        proof=_proof(evidence),
        stamped=stamped,
        doubts=tuple(doubts),
        made=_known(at.isoformat()),
    )


def names_of(evidence: Evidence) -> Names:
    """Return what the agencies are called, by the versions of the directory that go with the evidence."""
    return Names(directory.agencies.values() for directory in evidence.directories)


def _with_receipt_times(view: View, received: Mapping[int, str | None]) -> View:
    """The view of a recipient, in which each notice also has the time at which the bus had it."""
    said = {
        name: {**view[name], "received": moment(received.get(view[name]["entry"]))}
        for name in ("receipt", "answer")
        if view[name]
    }
    return view | said


def _seal(evidence: Evidence, names: Names) -> Seal:
    sender, used = evidence.row.sender, evidence.entries[0].body.get("certificate")
    certificates = {one["sha256"]: one for one in certificates_of(evidence, names)}
    found = certificates.get(used or "")
    return Seal(
        by=names.full(sender),
        certificate=found,
        pinned=used in _pinned(evidence, sender),
        good=found is not None and _good(found, datetime.fromisoformat(evidence.state.received_at)),
    )


def _pinned(evidence: Evidence, sender: AgencyCode) -> set[RawDigest]:
    return {
        RawDigest(pin.fingerprint) for directory in evidence.directories for pin in directory.pins(sender)
    }


def _good(certificate: View, at: datetime) -> bool:
    since, until = (datetime.fromisoformat(certificate[name]["iso"]) for name in ("since", "until"))
    revoked = certificate["revoked"]
    return since <= at <= until and not (revoked and datetime.fromisoformat(revoked["iso"]) <= at)


def _fingerprint(evidence: Evidence, names: Names, pack: bytes | None) -> Fingerprint:
    head = evidence.head
    return Fingerprint(
        digest=evidence.row.digest,
        raw_sha256=hashlib.sha256(evidence.members["letter.xml"]).hexdigest(),
        entry=evidence.entries[0].seq,
        through=evidence.entries[-1].seq,
        origin=read_checkpoint(read_note(head.note)).origin,
        size=head.size,
        root=head.root.hex(),
        signed=moment(head.at),
        cosigned=tuple(names.full(code) for code in evidence.cosigned),
        pack_sha256=None if pack is None else hashlib.sha256(pack).hexdigest(),
    )


def _proof(evidence: Evidence) -> Proof:
    proofs = {
        int(seq): [b64decode(one) for one in path]
        for seq, path in json.loads(evidence.members["proofs.json"]).items()
    }
    first, head = evidence.entries[0].seq, evidence.head
    leaves = {
        entry.seq: merkle.leaf_hash(evidence.members[f"entries/{entry.seq}.json"])
        for entry in evidence.entries
    }
    holds = True
    for seq, leaf in leaves.items():
        try:
            merkle.require_inclusion(leaf, seq - 1, head.size, head.root, proofs[seq])
        except merkle.Unproven:
            holds = False
    return Proof(
        leaf=leaves[first].hex(),
        path=tuple(one.hex() for one in proofs[first]),
        entries=tuple(leaves),
        holds=holds,
    )


def _known(text: str) -> View:
    found = moment(text)
    if found is None:
        raise ValueError("a time is lacking")
    return found
