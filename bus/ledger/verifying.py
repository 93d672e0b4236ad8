"""Verifying the whole ledger from its rows: what a rewrite, however clever, would have to get past.

1. Every entry: its number follows on the one before, its leaf hash is that of its body, its columns follow from it.
2. The tree: the tiles are those of the leaves, and at the size of each checkpoint the root is the one that was signed.
3. Every document: its bytes have the SHA-256 under which they are kept, and every entry has its documents.
4. Consignment numbers: from 1, without a gap, for each recipient.
5. Every letter: the chain of its entries, its index, its frozen recipients, and each step of each delivery.

Rows are read in batches, so that memory does not grow with the ledger.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, Table, func, select

from bus.ledger import tiles as tiling
from bus.ledger.checkpoint import Tampered, require_signed_head
from bus.ledger.entry import canonical, columns
from bus.ledger.heads import Heads
from bus.ledger.merkle import Frontier
from bus.ledger.report import MOST_FINDINGS, Progress, Report
from bus.ledger.rows import Head
from bus.ledger.tables import consignments, documents, entries, tiles
from bus.ledger.tiles import Tree
from bus.ledger.verifying_letters import check_letters
from bus.verifier.notes import VerifierKey

_BATCH = 2_000
_INDEXED = ("seq", "at", "kind", "agency", "letter", "document", "leaf")
_KEPT = ("acceptance", "refusal")
"""Fields of an entry that hold the SHA-256 of another document."""


def verify(
    connection: Connection,
    key: VerifierKey,
    *,
    since: Head | None = None,
    progress: Progress = lambda *_: None,
) -> Report:
    """Verify the ledger of this snapshot; with `since`, a head that the caller trusts, what came after it.

    Findings stand in the report; nothing is raised for them. Raises Transient when the database is away.
    """
    size = connection.scalar(select(func.max(entries.c.seq))) or 0
    report = Report(size, since.size if since else 0)
    frontier = _begun(connection, since, key, report)
    heads = _Expected(connection, key, report)
    for row in _entries(connection, report, progress):
        _check_entry(row, report)
        frontier.append(bytes(row.leaf))
        heads.check(frontier)
    heads.check_rest(size)
    report.root = frontier.root().hex()
    report.counts |= {"entries": frontier.size - report.since, "checkpoints": heads.checked}
    _check_tiles(connection, report, progress)
    _check_documents(connection, report, progress)
    _check_numbers(connection, report)
    check_letters(connection, report, progress)
    return report


def _begun(connection: Connection, since: Head | None, key: VerifierKey, report: Report) -> Frontier:
    if since is None:
        return Frontier()
    tree = Tree(connection)
    try:
        require_signed_head(since, key)
        frontier = Frontier(since.size, tree.complete)
    except (Tampered, LookupError) as error:
        report.note("checkpoint.since", f"checkpoint {since.size}", str(error))
        return Frontier()
    if frontier.root() != since.root:
        report.note(
            "tree.root", f"checkpoint {since.size}", "the entries before it are not those that were signed"
        )
    return frontier


# ---- 1: entries ----------------------------------------------------------------------------------------------------


def _entries(connection: Connection, report: Report, progress: Progress) -> Iterator[Row[Any]]:
    """Yield every entry in order, noting numbers that are missing or there twice."""
    last = report.since
    for row in _streamed(connection, entries, entries.c.seq, last):
        if row.seq != last + 1:
            report.note("entry.missing", f"entry {last + 1}", f"the next entry is {row.seq}")
        last = row.seq
        if row.seq % _BATCH == 0:
            progress("entries", row.seq - report.since, report.size - report.since)
        yield row


def _check_entry(row: Row[Any], report: Report) -> None:
    where = f"entry {row.seq}"
    try:
        body = json.loads(row.body)
        expected = columns(row.body, body)
    except (ValueError, KeyError, TypeError):
        report.note("entry.unreadable", where, "the body is no entry")
        return
    for name in _INDEXED:
        found = getattr(row, name)
        if (bytes(found) if isinstance(found, memoryview) else found) != expected[name]:
            code = "entry.hash" if name == "leaf" else "entry.index"
            report.note(code, where, f"the column {name} does not follow from the body")
    if canonical(body) != row.body:
        report.note("entry.encoding", where, "the body is not in canonical form")


# ---- 2: the tree ---------------------------------------------------------------------------------------------------


class _Expected:
    """The signed heads, in order, each to be compared when so many entries have been seen."""

    def __init__(self, connection: Connection, key: VerifierKey, report: Report) -> None:
        self._heads = Heads(connection)
        self._key = key
        self._report = report
        self._waiting: list[Head] = []
        self.checked = 0
        self._load(report.since)

    def check(self, frontier: Frontier) -> None:
        while self._waiting and self._waiting[-1].size <= frontier.size:
            head = self._waiting.pop()
            self.checked += 1
            where = f"checkpoint {head.size}"
            try:
                require_signed_head(head, self._key)
            except Tampered as error:
                self._report.note("checkpoint.signature", where, str(error))
            if head.size == frontier.size and head.root != frontier.root():
                self._report.note(
                    "tree.root", where, f"the first {head.size} entries are not those that were signed"
                )
            if not self._waiting:
                self._load(head.size)

    def check_rest(self, size: int) -> None:
        while self._waiting:
            head = self._waiting.pop()
            self._report.note(
                "entry.cut-off", f"checkpoint {head.size}", f"the ledger has only {size} entries"
            )
            if not self._waiting:
                self._load(head.size)

    def _load(self, after: int) -> None:
        self._waiting = self._heads.above(after)[::-1]


def _check_tiles(connection: Connection, report: Report, progress: Progress) -> None:
    """Each tile is made anew from the rows below it."""
    query = select(tiles).order_by(tiles.c.level, tiles.c.place)
    if report.since:
        query = query.where(tiles.c.level > 0)
    done = 0
    for row in connection.execution_options(yield_per=200).execute(query):
        done += 1
        below = tiling.below(connection, row.level, row.place)
        if b"".join(below) != bytes(row.hashes):
            report.note("tree.tile", f"tile {row.level}/{row.place}", "it is not that of the rows below it")
    expected, count = 0, report.size
    while count := count // tiling.WIDTH:
        expected += count
    if not report.since and done != expected:
        report.note("tree.tile", "tiles", f"{done} are there, and {expected} should be")
    report.counts["tiles"] = done
    progress("tiles", done, done)


# ---- 3: documents --------------------------------------------------------------------------------------------------


def _check_documents(connection: Connection, report: Report, progress: Progress) -> None:
    total = connection.scalar(select(func.count()).select_from(documents)) or 0
    done, last = 0, b""
    while True:
        query = select(documents).where(documents.c.sha256 > last).order_by(documents.c.sha256).limit(200)
        rows = connection.execute(query).all()
        if not rows:
            break
        for row in rows:
            if hashlib.sha256(row.bytes).digest() != bytes(row.sha256):
                report.note("document.bytes", f"document {bytes(row.sha256).hex()}", "its bytes are others")
        done, last = done + len(rows), bytes(rows[-1].sha256)
        progress("documents", done, total)
    report.counts["documents"] = done
    joined = entries.join(documents, entries.c.document == documents.c.sha256, isouter=True)
    lost = select(entries.c.seq).select_from(joined)
    lost = lost.where(
        entries.c.document.is_not(None), documents.c.sha256.is_(None), entries.c.seq > report.since
    )
    for seq in connection.scalars(lost.limit(MOST_FINDINGS)):
        report.note("document.missing", f"entry {seq}", "the document that it names is not there")


# ---- 4: consignment numbers ----------------------------------------------------------------------------------------


def _check_numbers(connection: Connection, report: Report) -> None:
    number = consignments.c.number
    query = select(consignments.c.agency, func.count(), func.min(number), func.max(number))
    for agency, count, first, last in connection.execute(query.group_by(consignments.c.agency)):
        if (first, last) != (1, count):
            where = f"consignments of {agency}"
            report.note("consignment.gap", where, f"{count} are there, numbered {first} to {last}")


def _streamed(connection: Connection, table: Table, key: Any, after: int) -> Iterator[Row[Any]]:
    while True:
        rows = connection.execute(select(table).where(key > after).order_by(key).limit(_BATCH)).all()
        if not rows:
            return
        yield from rows
        after = rows[-1].seq
