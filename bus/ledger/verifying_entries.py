"""Verifying entries one after the other: what each row says of itself, and what has to be there because it says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, exists, func, select

from bus.ledger import merkle
from bus.ledger.database import tuples
from bus.ledger.entry import COLUMNS, Kind, leaf_hash, read_canonical, row_of
from bus.ledger.findings import Report
from bus.ledger.rows_in import rows_in
from bus.ledger.tables import checkpoints, consignments, documents, entries, submissions, unaccepted
from bus.ledger.unaccepted import index_row
from bus.ledger.work import AT_ONCE, batched

BATCH = 1_000
EARLIER = "it is earlier than the entry before it"
_HASH, _LARGEST = 32, 2**63 - 1
_ROWS = select(entries).order_by(entries.c.seq)
_KEPT = ("acceptance", "refusal", "recipients")
"""Fields of an entry that hold the SHA-256 of a document beside the one that has a column of its own."""
_WITH_DOCUMENT = frozenset(
    {
        Kind.CALENDAR,
        Kind.ACCEPTED,
        Kind.REFUSED,
        Kind.CONFLICT,
        Kind.NOTICE,
        Kind.OVERDUE,
        Kind.PARKED,
        Kind.RECONCILED,
        Kind.ENROLMENT_REQUESTED,
        Kind.ENROLMENT_ANSWERED,
    }
)
"""What nobody can say without a document that shows it."""
_ANSWERED = frozenset({Kind.ACCEPTED, Kind.REFUSED, Kind.NOTICE, Kind.RECONCILED})
_INDEXED = [each for each in unaccepted.c if each.name not in ("entry", "number_normalised")]
"""What the index of what was not accepted says; how a number is normalised may be improved."""
_Answer = tuple[str, int]


@dataclass(slots=True)
class Piece:
    """What was found of some entries, as they stand one after the other, and the subtrees over them."""

    report: Report
    opened: tuple[int, str] | None
    """Number and time of the last of them, where its time is still to be compared with the one before the span."""
    roots: list[tuple[int, bytes]]


@dataclass(slots=True)
class Span:
    """What was found of a span of entries, cut where a head was signed."""

    pieces: list[Piece]
    last_at: str | None
    """The time of the last entry that can be read, None if none can."""


@dataclass(slots=True)
class _Batch:
    """What the entries of a batch say has to be there."""

    documents: dict[str, int]
    """By SHA-256, the entry that names it; without those that stand in a column."""
    answers: dict[int, _Answer]
    """By entry, the agency and the consignment number under which it was answered."""
    confirmed: dict[str, tuple[int, int]]
    """By agency, the highest consignment number that the broker confirmed, and the entry that says so."""
    unaccepted: dict[int, tuple[Any, ...]]
    """By entry, the row of the index of what was not accepted that belongs to it."""


def spans(connection: Connection, after: int) -> Iterator[tuple[int, int]]:
    """Yield (after, until): each the next entries above `after`, as many as are checked at once, up to the newest."""
    while True:
        some = select(entries.c.seq).where(entries.c.seq > after).order_by(entries.c.seq).limit(BATCH)
        until = connection.scalar(select(func.max(some.subquery().c.seq)))
        if until is None:
            return
        yield after, until
        after = until


def check_entries(
    connection: Connection, report: Report, after: int, until: int, place: int, known: Sequence[int]
) -> Span:
    """Check the entries of a span, of which the first is leaf number `place`.

    The tree is cut where a head was signed: at the sizes of those in the database, and at the `known` ones.
    """
    rows = tuples(connection, _ROWS.where(entries.c.seq > after, entries.c.seq <= until))
    heads = {*known, *connection.scalars(_sizes(place, place + len(rows)))}
    span, batch, last, last_at = Span([], None), _Batch({}, {}, {}, {}), after, ""
    part, leaves = report.part(), list[bytes]()

    def cut(opened: tuple[int, str] | None = None) -> None:
        nonlocal part, place
        span.pieces.append(Piece(part, opened, merkle.subtrees(place, leaves)))
        part, place = report.part(), place + len(leaves)
        leaves.clear()

    for row in rows:
        seq, at, text, leaf = row[0], row[1], row[-2], row[-1]
        if seq != last + 1:
            part.note("entry.missing", f"entry {last + 1}", f"the next entry is {seq}")
        last = seq
        try:
            _check(row, part, batch)
            if at < last_at:
                part.note("entry.time", f"entry {seq}", EARLIER)
            if span.last_at is None:
                cut(opened=(seq, at))
            span.last_at = last_at = at
        except Exception as error:
            if isinstance(text, str) and leaf_hash(text) != leaf:
                part.note("entry.hash", f"entry {seq}", "its leaf hash is not that of its body")
            part.unreadable(f"entry {seq}", error)
        leaves.append(leaf if isinstance(leaf, bytes) and len(leaf) == _HASH else bytes(_HASH))
        if place + len(leaves) in heads:
            cut()
    cut()
    _check_batch(connection, after + 1, last, batch, part)
    cut()
    return span


def _sizes(above: int, upto: int) -> Select[Any]:
    return select(checkpoints.c.size).where(checkpoints.c.size > above, checkpoints.c.size <= upto)


def _check(row: tuple[Any, ...], report: Report, batch: _Batch) -> None:
    where, text = f"entry {row[0]}", row[-2]
    body = read_canonical(text)
    expected = row_of(text, body)
    # A row that is as it should be, as nearly all are, is not looked at twice.
    if row != expected:
        for name, value, found in zip(COLUMNS, expected, row, strict=True):
            if found != value:
                code = "entry.hash" if name == "leaf" else "entry.index"
                report.note(code, where, f"the column {name} does not follow from the body")
    if body["kind"] in _WITH_DOCUMENT and "document" not in body:
        report.note("entry.unfounded", where, f"nothing shows this {body['kind']}: it names no document")
    _expect(body, batch)


def _expect(body: Mapping[str, Any], batch: _Batch) -> None:
    seq, kind = body["seq"], body["kind"]
    for name in _KEPT:
        if isinstance(sha256 := body.get(name), str):
            batch.documents[sha256] = seq
    if kind in _ANSWERED and body.get("agency") and "answer" in body:
        batch.answers[seq] = (body["agency"], body["answer"])
    if kind == Kind.CONSIGNED:
        for agency, numbers in body["recipients"].items():
            batch.confirmed[agency] = max(batch.confirmed.get(agency, (0, 0)), (max(numbers), seq))
    if row := index_row(body):
        batch.unaccepted[seq] = tuple(row[column.name] for column in _INDEXED)


def _check_batch(connection: Connection, first: int, last: int, batch: _Batch, report: Report) -> None:
    names = {bytes.fromhex(sha256): seq for sha256, seq in batch.documents.items()}
    there = {bytes(one) for one in _present(connection, list(names))}
    missing = [(seq, sha256) for sha256, seq in names.items() if sha256 not in there]
    # Most of them stand in a column, which was compared with the body: those the database looks up by itself.
    kept = exists().where(documents.c.sha256 == entries.c.document)
    named = entries.c.document.is_not(None) & entries.c.seq.between(first, last)
    found = connection.execute(select(entries.c.seq, entries.c.document).where(named, ~kept)).all()
    missing += [(row.seq, bytes(row.document)) for row in found]
    for seq, sha256 in missing:
        report.note(
            "document.missing", f"entry {seq}", f"the document {sha256.hex()} that it names is not there"
        )
    for table, number, code in (
        (submissions, submissions.c.answer, "answer.missing"),
        (consignments, consignments.c.number, "consignment.missing"),
    ):
        query = select(table.c.entry, table.c.agency, number).where(table.c.entry.between(first, last))
        given = set(tuples(connection, query))
        for seq, (agency, answer) in batch.answers.items():
            if (seq, agency, answer) not in given:
                said = f"its answer to {agency}, number {answer}, is not there"
                report.note(code, f"entry {seq}", said)
    _check_unaccepted(connection, first, last, batch, report)
    key = consignments.c.agency, consignments.c.number
    numbered = [(agency, number) for agency, (number, _) in batch.confirmed.items() if number <= _LARGEST]
    given = set(tuples(connection, select(*key).where(rows_in(connection, key, numbered))))
    for agency, (highest, seq) in batch.confirmed.items():
        if (agency, highest) in given:
            continue
        # Numbers have no gaps, which is verified elsewhere: the highest being there, all are.
        newest = select(func.max(consignments.c.number)).where(consignments.c.agency == agency)
        if (connection.scalar(newest) or 0) < highest:
            said = f"number {highest} of {agency}, which was confirmed, is not there"
            report.note("consignment.missing", f"entry {seq}", said)


def _check_unaccepted(connection: Connection, first: int, last: int, batch: _Batch, report: Report) -> None:
    query = select(unaccepted.c.entry, *_INDEXED).where(unaccepted.c.entry.between(first, last))
    found = {row[0]: row[1:] for row in tuples(connection, query)}
    for seq in sorted(
        seq for seq in {*found, *batch.unaccepted} if found.get(seq) != batch.unaccepted.get(seq)
    ):
        said = "its row in the index of what was not accepted does not follow from it"
        report.note("entry.index", f"entry {seq}", said)


def _present(connection: Connection, wanted: list[bytes]) -> Iterator[bytes]:
    for some in batched(wanted, AT_ONCE):
        these = select(documents.c.sha256).where(documents.c.sha256.in_(some))
        yield from (sha256 for (sha256,) in tuples(connection, these))
