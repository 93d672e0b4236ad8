"""Verifying entries one after the other: what each row says of itself, and what has to be there because it says so."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select, tuple_

from bus.ledger.entry import Kind, canonical, columns
from bus.ledger.report import Progress, Report, guarded
from bus.ledger.tables import consignments, documents, entries, submissions

_BATCH = 1_000
_AT_ONCE = 500
_INDEXED = ("seq", "at", "kind", "agency", "letter", "document", "leaf")
_KEPT = ("document", "acceptance", "refusal")
"""Fields of an entry that hold the SHA-256 of a document."""
_WITH_DOCUMENT = frozenset(
    {
        Kind.DIRECTORY,
        Kind.CALENDAR,
        Kind.ACCEPTED,
        Kind.REFUSED,
        Kind.CONFLICT,
        Kind.NOTICE,
        Kind.OVERDUE,
        Kind.PARKED,
        Kind.RECONCILED,
    }
)
"""What nobody can say without a document that shows it."""
_ANSWERED = (Kind.ACCEPTED, Kind.REFUSED, Kind.NOTICE, Kind.RECONCILED)
_Answer = tuple[str, int]


@dataclass(slots=True)
class _Batch:
    """What the entries of a batch say has to be there."""

    documents: dict[str, int]
    """By SHA-256, the entry that names it."""
    answers: dict[_Answer, int]
    """Verdicts, by agency and consignment number, and the entry that says so."""
    consigned: dict[_Answer, int]
    """Consignments that an entry says were given or confirmed."""


def checked_entries(connection: Connection, report: Report, progress: Progress) -> Iterator[Row[Any]]:
    """Yield every entry after `report.since` in order, checked; what is wrong stands in the report."""
    last, last_at = report.since, ""
    while rows := _next(connection, last):
        batch = _Batch({}, {}, {})
        for row in rows:
            if row.seq != last + 1:
                report.note("entry.missing", f"entry {last + 1}", f"the next entry is {row.seq}")
            last = row.seq
            with guarded(report, f"entry {row.seq}"):
                _check(row, report, batch)
                if str(row.at) < last_at:
                    report.note("entry.time", f"entry {row.seq}", "it is earlier than the entry before it")
                last_at = str(row.at)
            yield row
        _check_batch(connection, batch, report)
        progress("entries", last - report.since, report.size - report.since)


def _next(connection: Connection, after: int) -> Sequence[Row[Any]]:
    query = select(entries).where(entries.c.seq > after).order_by(entries.c.seq).limit(_BATCH)
    return connection.execute(query).all()


def _check(row: Row[Any], report: Report, batch: _Batch) -> None:
    where = f"entry {row.seq}"
    body = json.loads(row.body)
    expected = columns(row.body, body)
    for name in _INDEXED:
        found = getattr(row, name)
        if (bytes(found) if isinstance(found, memoryview) else found) != expected[name]:
            code = "entry.hash" if name == "leaf" else "entry.index"
            report.note(code, where, f"the column {name} does not follow from the body")
    if canonical(body) != row.body:
        report.note("entry.encoding", where, "the body is not in canonical form")
    if body["kind"] in _WITH_DOCUMENT and "document" not in body:
        report.note("entry.unfounded", where, f"nothing shows this {body['kind']}: it names no document")
    _expect(body, batch)


def _expect(body: Mapping[str, Any], batch: _Batch) -> None:
    seq = body["seq"]
    batch.documents.update((body[name], seq) for name in _KEPT if name in body)
    if body["kind"] in _ANSWERED and body.get("agency") and "answer" in body:
        batch.answers[body["agency"], body["answer"]] = seq
        batch.consigned[body["agency"], body["answer"]] = seq
    if body["kind"] == Kind.CONSIGNED:
        for agency, numbers in body["recipients"].items():
            batch.consigned.update(((agency, number), seq) for number in numbers)


def _check_batch(connection: Connection, batch: _Batch, report: Report) -> None:
    names = {bytes.fromhex(sha256): seq for sha256, seq in batch.documents.items()}
    there = {bytes(one) for one in _found(connection, documents.c.sha256, documents.c.sha256, list(names))}
    for sha256, seq in names.items():
        if sha256 not in there:
            report.note(
                "document.missing", f"entry {seq}", f"the document {sha256.hex()} that it names is not there"
            )
    for table, wanted, code in (
        (submissions, batch.answers, "answer.missing"),
        (consignments, batch.consigned, "consignment.missing"),
    ):
        number = table.c.answer if table is submissions else table.c.number
        key = tuple_(table.c.agency, number)
        rows: set[_Answer] = set()
        for some in _parts(list(wanted)):
            query = select(table.c.agency, number).where(key.in_(some))
            rows.update((agency, int(found)) for agency, found in connection.execute(query))
        for agency, number_given in wanted.keys() - rows:
            where = f"entry {wanted[agency, number_given]}"
            report.note(code, where, f"number {number_given} of {agency}, of which it speaks, is not there")


def _found(connection: Connection, column: Any, key: Any, wanted: list[Any]) -> list[Any]:
    return [one for some in _parts(wanted) for one in connection.scalars(select(column).where(key.in_(some)))]


def _parts(items: list[Any]) -> Iterator[list[Any]]:
    return (items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE))
