"""Verifying the whole ledger from its rows: what a rewrite, however clever, would have to get past.

1. Every entry: its number follows on the one before, its leaf hash is that of its body, its columns follow from it, its
   documents are there, its time is not before the last one's, and what it says was answered is among the answers.
2. The tree: the tiles are those of the leaves, and at the size of each signed head the root is the one that was signed.
3. Every document: its bytes have the SHA-256 under which they are kept.
4. Consignment numbers: from 1, without a gap, for each recipient.
5. Every letter: the chain of its entries, its index, its frozen recipients, and each step of each delivery.

Rows are read in batches, so that memory does not grow with the ledger. A row that cannot even be read is a finding like
any other. What nobody can see from the database alone, a ledger made anew with all its heads, is seen by whoever holds
an older head: the signer's own file is given to `verify` as one, and so may be a witness's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from bus.ledger.checkpoint import Tampered, missing, require_signed_head
from bus.ledger.entry import Kind
from bus.ledger.findings import Progress, Report, guarded
from bus.ledger.heads import Heads
from bus.ledger.merkle import Frontier
from bus.ledger.rows import Head
from bus.ledger.tables import consignments, documents, entries
from bus.ledger.tiles import Tree
from bus.ledger.verifying_directories import check_directories
from bus.ledger.verifying_entries import checked_entries
from bus.ledger.verifying_letters import check_letters
from bus.ledger.verifying_signatures import check_signatures
from bus.ledger.verifying_tiles import check_tiles
from bus.verifier.notes import VerifierKey

NO_HEAD, CUT_OFF = "checkpoint.none", "entry.cut-off"
_HASH = 32
_BEFORE_ANY_ROUTER = (
    Kind.DIRECTORY,
    Kind.CALENDAR,
    Kind.INVITED,
    Kind.ENROLMENT_REQUESTED,
    Kind.ENROLMENT_REFUSED,
    Kind.ENROLMENT_ANSWERED,
    Kind.ORDERED,
    Kind.ORDER_DONE,
    Kind.RELEASED,
    Kind.GRANTED,
    Kind.READ,
    Kind.REPLAY_REQUESTED,
)
"""What operators and auditors enter by themselves, and what agencies ask for that join."""
_DOCUMENTS = 100
"""At a time: each may have a mebibyte."""


def verify(
    connection: Connection,
    key: VerifierKey,
    *,
    since: Head | None = None,
    known: Sequence[Head] = (),
    signatures: bool = False,
    progress: Progress = lambda *_: None,
) -> Report:
    """Verify the ledger of this snapshot; with `since`, a head that the caller trusts, what came after it.

    `known` are heads that the caller holds besides those in the database; with `signatures`, every letter and notice is
    opened and its signature checked again, which takes far longer than all the rest. Findings stand in the report;
    nothing is raised for them. Raises Transient when the database is away, and Tampered when `since` is no head of
    this log.
    """
    size = connection.scalar(select(func.max(entries.c.seq))) or 0
    report = Report(size, since.size if since else 0)
    frontier = _begun(connection, since, key, report)
    heads = _Heads(connection, key, report, known)
    seen = 0
    for row in checked_entries(connection, report, progress):
        seen += 1
        frontier.append(_hash(row.leaf))
        heads.check(frontier)
    heads.check_rest(size)
    report.root = frontier.root().hex()
    report.signed = heads.newest
    report.counts |= {"entries": seen, "checkpoints": heads.checked}
    if size and not heads.newest and _should_be_signed(connection):
        report.note(
            NO_HEAD,
            "checkpoints",
            "no head is signed yet, so that these entries can be held against none",
        )
    check_tiles(connection, report, progress)
    _check_documents(connection, report, progress)
    _check_numbers(connection, report)
    check_letters(connection, report, progress)
    check_directories(connection, report, progress)
    if signatures:
        check_signatures(connection, report, progress)
    return report


def _begun(connection: Connection, since: Head | None, key: VerifierKey, report: Report) -> Frontier:
    if since is None:
        return Frontier()
    require_signed_head(since, key)
    where = f"checkpoint {since.size}"
    try:
        frontier = Frontier(since.size, Tree(connection).complete)
    except LookupError:
        report.note(CUT_OFF, where, missing(report.size, since))
        return Frontier()
    if frontier.root() != since.root:
        report.note("tree.root", where, "the entries before it are not those that were signed")
    return frontier


def _should_be_signed(connection: Connection) -> bool:
    """Whether a router has written here, which signs a head every few seconds.

    Before the first one, there is what operators have put in force, and who asked to join; nobody signs.
    """
    by_routers = select(entries.c.seq).where(entries.c.kind.not_in(_BEFORE_ANY_ROUTER)).limit(1)
    return connection.execute(by_routers).first() is not None


def _hash(value: Any) -> bytes:
    """A leaf hash as bytes; what is none was noted, and stands for a hash of nothing."""
    return bytes(value) if isinstance(value, bytes | memoryview) and len(value) == _HASH else bytes(_HASH)


# ---- 2: the tree ---------------------------------------------------------------------------------------------------


class _Heads:
    """The signed heads, in order, each to be compared when so many entries have been seen."""

    def __init__(
        self, connection: Connection, key: VerifierKey, report: Report, known: Sequence[Head]
    ) -> None:
        self._heads = Heads(connection)
        self._key = key
        self._report = report
        self._known = sorted((one for one in known if one.size > report.since), key=lambda one: -one.size)
        self._waiting: list[Head] = []
        self.checked = 0
        self.newest = report.since
        """The size of the largest head that agreed."""
        self._load(report.since)

    def check(self, frontier: Frontier) -> None:
        """Compare the heads of this size."""
        for waiting in (self._waiting, self._known):
            while waiting and waiting[-1].size <= frontier.size:
                self._compare(waiting.pop(), frontier)
                if not self._waiting:
                    self._load(frontier.size)
                    break

    def check_rest(self, size: int) -> None:
        """Note the heads of more entries than there are."""
        while self._waiting or self._known:
            head = (self._waiting or self._known).pop()
            self._report.note(CUT_OFF, f"checkpoint {head.size}", missing(size, head))
            if not self._waiting:
                self._load(max(head.size, size))

    def _compare(self, head: Head, frontier: Frontier) -> None:
        self.checked += 1
        where = f"checkpoint {head.size}"
        with guarded(self._report, where):
            try:
                require_signed_head(head, self._key)
            except Tampered as error:
                self._report.note("checkpoint.signature", where, str(error))
            if head.size != frontier.size or head.root == frontier.root():
                self.newest = max(self.newest, head.size)
            else:
                said = f"the first {head.size} entries are not those that were signed"
                self._report.note("tree.root", where, said)

    def _load(self, after: int) -> None:
        self._waiting[:] = self._heads.above(after)[::-1]


# ---- 3: documents --------------------------------------------------------------------------------------------------


def _check_documents(connection: Connection, report: Report, progress: Progress) -> None:
    total = connection.scalar(select(func.count()).select_from(documents)) or 0
    done, last = 0, b""
    while True:
        query = (
            select(documents).where(documents.c.sha256 > last).order_by(documents.c.sha256).limit(_DOCUMENTS)
        )
        rows = connection.execute(query).all()
        if not rows:
            break
        for row in rows:
            try:
                if hashlib.sha256(row.bytes).digest() != bytes(row.sha256):
                    report.note(
                        "document.bytes", f"document {bytes(row.sha256).hex()}", "its bytes are others"
                    )
            except Exception as error:
                report.unreadable(f"document {bytes(row.sha256).hex()}", error)
        done, last = done + len(rows), bytes(rows[-1].sha256)
        progress("documents", done, total)
    report.counts["documents"] = done


# ---- 4: consignment numbers ----------------------------------------------------------------------------------------


def _check_numbers(connection: Connection, report: Report) -> None:
    number = consignments.c.number
    query = select(consignments.c.agency, func.count(), func.min(number), func.max(number))
    for agency, count, first, last in connection.execute(query.group_by(consignments.c.agency)):
        if (first, last) != (1, count):
            where = f"consignments of {agency}"
            report.note("consignment.gap", where, f"{count} are there, numbered {first} to {last}")
