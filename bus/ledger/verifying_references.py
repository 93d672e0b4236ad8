"""Verifying what the entries of a span say has to be there: documents, answers, consignments, rows of an index."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, exists, func, select, text

from bus.ledger.database import tuples
from bus.ledger.entry import Kind
from bus.ledger.findings import Report
from bus.ledger.rows_in import rows_in
from bus.ledger.state import CONSIGNED
from bus.ledger.tables import consignments, documents, entries, submissions, unaccepted
from bus.ledger.unaccepted import index_row
from bus.ledger.verifying_letters import Body, Rows

_HASH, _LARGEST = 32, 2**63 - 1
_KEPT = ("acceptance", "refusal", "recipients")
"""Fields of an entry that hold the SHA-256 of a document beside the one that has a column of its own."""
_ANSWERED = frozenset({Kind.ACCEPTED, Kind.REFUSED, Kind.NOTICE, Kind.RECONCILED})
_INDEXED = [each for each in unaccepted.c if each.name not in ("entry", "number_normalised")]
"""What the index of what was not accepted says; how a number is normalised may be improved."""
# The keys are one value: as a list, each takes ten times as long as its document takes to be found.
_MISSING = text(
    "WITH RECURSIVE places (place) AS"
    " (SELECT 1 UNION ALL SELECT place + 32 FROM places WHERE place + 32 < length(:keys))"
    " SELECT place FROM places"
    " WHERE NOT EXISTS (SELECT 1 FROM documents WHERE sha256 = substr(:keys, place, 32))"
)


@dataclass(slots=True)
class References:
    """What entries say has to be there."""

    documents: dict[bytes, int] = field(default_factory=dict)
    """By SHA-256, the entry that names it; without those that stand in a column."""
    answers: dict[int, tuple[str, int]] = field(default_factory=dict)
    """By entry, the agency and the consignment number under which it was answered."""
    confirmed: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By agency, the highest consignment number that the broker confirmed, and the entry that says so."""
    unaccepted: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    """By entry, the row of the index of what was not accepted that belongs to it."""

    def add(self, body: Body) -> None:
        """Add what one more entry says."""
        seq, kind = body["seq"], body["kind"]
        for name in _KEPT:
            if isinstance(sha256 := body.get(name), str):
                self.documents[bytes.fromhex(sha256)] = seq
        if kind in _ANSWERED and body.get("agency") and "answer" in body:
            self.answers[seq] = (body["agency"], body["answer"])
        if kind == CONSIGNED:
            for agency, numbers in body["recipients"].items():
                self.confirmed[agency] = max(self.confirmed.get(agency, (0, 0)), (max(numbers), seq))
        if row := index_row(body):
            self.unaccepted[seq] = tuple(row[column.name] for column in _INDEXED)


def check_references(
    connection: Connection,
    report: Report,
    first: int,
    last: int,
    named: References,
    given: Mapping[int, Rows],
) -> None:
    """Check that everything named by the entries of a range is there; `given` as `given_by` returns it of them."""
    _check_documents(connection, report, first, last, named)
    query = select(submissions.c.entry, submissions.c.agency, submissions.c.answer)
    answered = named.answers.copy()
    for seq, agency, answer in tuples(connection, query.where(submissions.c.entry.between(first, last))):
        if named.answers.get(seq) == (agency, answer):
            answered.pop(seq, None)
    _miss(report, "answer.missing", answered)
    consigned = named.answers.copy()
    for seq, said in named.answers.items():
        for row in given.get(seq, ()):
            if row[2:4] == said:
                del consigned[seq]
                break
    _miss(report, "consignment.missing", consigned)
    _check_unaccepted(connection, report, first, last, named)
    _check_confirmed(connection, report, named)


def _check_documents(
    connection: Connection, report: Report, first: int, last: int, named: References
) -> None:
    missing = [(named.documents[sha256], sha256) for sha256 in _missing(connection, list(named.documents))]
    # Most of them stand in a column, which was compared with the body: those the database looks up by itself.
    kept = exists().where(documents.c.sha256 == entries.c.document)
    in_column = entries.c.document.is_not(None) & entries.c.seq.between(first, last)
    found = connection.execute(select(entries.c.seq, entries.c.document).where(in_column, ~kept)).all()
    missing += [(row.seq, bytes(row.document)) for row in found]
    for seq, sha256 in missing:
        said = f"the document {sha256.hex()} that it names is not there"
        report.note("document.missing", f"entry {seq}", said)


def _miss(report: Report, code: str, answers: Mapping[int, tuple[str, int]]) -> None:
    for seq, (agency, answer) in answers.items():
        report.note(code, f"entry {seq}", f"its answer to {agency}, number {answer}, is not there")


def _check_unaccepted(
    connection: Connection, report: Report, first: int, last: int, named: References
) -> None:
    query = select(unaccepted.c.entry, *_INDEXED).where(unaccepted.c.entry.between(first, last))
    found = {row[0]: row[1:] for row in tuples(connection, query)}
    for seq in sorted(
        seq for seq in {*found, *named.unaccepted} if found.get(seq) != named.unaccepted.get(seq)
    ):
        said = "its row in the index of what was not accepted does not follow from it"
        report.note("entry.index", f"entry {seq}", said)


def _check_confirmed(connection: Connection, report: Report, named: References) -> None:
    key = consignments.c.agency, consignments.c.number
    numbered = [(agency, number) for agency, (number, _) in named.confirmed.items() if number <= _LARGEST]
    there = set(tuples(connection, select(*key).where(rows_in(connection, key, numbered))))
    for agency, (highest, seq) in named.confirmed.items():
        if (agency, highest) in there:
            continue
        # Numbers have no gaps, which is verified elsewhere: the highest being there, all are.
        newest = select(func.max(consignments.c.number)).where(consignments.c.agency == agency)
        if (connection.scalar(newest) or 0) < highest:
            said = f"number {highest} of {agency}, which was confirmed, is not there"
            report.note("consignment.missing", f"entry {seq}", said)


def _missing(connection: Connection, wanted: Sequence[bytes]) -> Iterator[bytes]:
    keys = b"".join(one for one in wanted if len(one) == _HASH)
    found = connection.execute(_MISSING, {"keys": keys}) if keys else ()
    yield from (keys[place - 1 : place - 1 + _HASH] for (place,) in found)
    for other in wanted:
        if len(other) != _HASH:
            there = select(documents.c.sha256).where(documents.c.sha256 == other)
            if connection.execute(there).first() is None:
                yield other
