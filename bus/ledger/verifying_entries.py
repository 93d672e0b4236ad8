"""Verifying entries one after the other: what each row says of itself, and what has to be there because it says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, exists, func, select

from bus.ledger.entry import Kind, columns, leaf_hash, read_canonical
from bus.ledger.findings import Progress, Report
from bus.ledger.tables import consignments, documents, entries, submissions, unaccepted
from bus.ledger.unaccepted import index_row
from bus.ledger.work import AT_ONCE, batched

_BATCH = 1_000
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
_ANSWERED = (Kind.ACCEPTED, Kind.REFUSED, Kind.NOTICE, Kind.RECONCILED)
_INDEXED = [each for each in unaccepted.c if each.name not in ("entry", "number_normalised")]
"""What the index of what was not accepted says; how a number is normalised may be improved."""
_Answer = tuple[str, int]


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


def checked_entries(connection: Connection, report: Report, progress: Progress) -> Iterator[Row[Any]]:
    """Yield every entry after `report.since` in order, checked; what is wrong stands in the report."""
    last, last_at = report.since, ""
    while rows := _next(connection, last):
        first, batch = last + 1, _Batch({}, {}, {}, {})
        for row in rows:
            if row.seq != last + 1:
                report.note("entry.missing", f"entry {last + 1}", f"the next entry is {row.seq}")
            last = row.seq
            try:
                _check(row, report, batch)
                if row.at < last_at:
                    report.note("entry.time", f"entry {row.seq}", "it is earlier than the entry before it")
                last_at = row.at
            except Exception as error:
                if isinstance(row.body, str) and leaf_hash(row.body) != row.leaf:
                    report.note("entry.hash", f"entry {row.seq}", "its leaf hash is not that of its body")
                report.unreadable(f"entry {row.seq}", error)
            yield row
        _check_batch(connection, first, last, batch, report)
        progress("entries", last - report.since, report.size - report.since)


def _next(connection: Connection, after: int) -> Sequence[Row[Any]]:
    query = select(entries).where(entries.c.seq > after).order_by(entries.c.seq).limit(_BATCH)
    return connection.execute(query).all()


def _check(row: Row[Any], report: Report, batch: _Batch) -> None:
    where = f"entry {row.seq}"
    body = read_canonical(row.body)
    expected = columns(row.body, body)
    # The columns stand in the same order; a row that is as it should be, as nearly all are, is not looked at twice.
    if tuple(row) != tuple(expected.values()):
        found = row._asdict()
        for name in (name for name in expected if found[name] != expected[name]):
            code = "entry.hash" if name == "leaf" else "entry.index"
            report.note(code, where, f"the column {name} does not follow from the body")
    if body["kind"] in _WITH_DOCUMENT and "document" not in body:
        report.note("entry.unfounded", where, f"nothing shows this {body['kind']}: it names no document")
    _expect(body, batch)


def _expect(body: Mapping[str, Any], batch: _Batch) -> None:
    seq = body["seq"]
    batch.documents.update((body[name], seq) for name in _KEPT if isinstance(body.get(name), str))
    if body["kind"] in _ANSWERED and body.get("agency") and "answer" in body:
        batch.answers[seq] = (body["agency"], body["answer"])
    if body["kind"] == Kind.CONSIGNED:
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
        given = {tuple(row) for row in connection.execute(query).all()}
        for seq, (agency, answer) in batch.answers.items():
            if (seq, agency, answer) not in given:
                said = f"its answer to {agency}, number {answer}, is not there"
                report.note(code, f"entry {seq}", said)
    _check_unaccepted(connection, first, last, batch, report)
    for agency, (highest, seq) in batch.confirmed.items():
        # Numbers have no gaps, which is verified elsewhere: the highest being there, all are.
        newest = select(func.max(consignments.c.number)).where(consignments.c.agency == agency)
        if (connection.scalar(newest) or 0) < highest:
            said = f"number {highest} of {agency}, which was confirmed, is not there"
            report.note("consignment.missing", f"entry {seq}", said)


def _check_unaccepted(connection: Connection, first: int, last: int, batch: _Batch, report: Report) -> None:
    query = select(unaccepted.c.entry, *_INDEXED).where(unaccepted.c.entry.between(first, last))
    found = {row[0]: tuple(row[1:]) for row in connection.execute(query)}
    for seq in sorted(
        seq for seq in {*found, *batch.unaccepted} if found.get(seq) != batch.unaccepted.get(seq)
    ):
        said = "its row in the index of what was not accepted does not follow from it"
        report.note("entry.index", f"entry {seq}", said)


def _present(connection: Connection, wanted: list[bytes]) -> Iterator[bytes]:
    for some in batched(wanted, AT_ONCE):
        these = select(documents.c.sha256).where(documents.c.sha256.in_(some))
        yield from connection.scalars(these).all()
