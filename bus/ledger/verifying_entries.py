"""Verifying entries one after the other: what each row says of itself, and all that is about the letters they begin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, func, select

from bus.ledger import merkle
from bus.ledger import tiles as tiling
from bus.ledger.database import tuples
from bus.ledger.entry import COLUMNS, Kind, leaf_hash, read_canonical, row_of
from bus.ledger.findings import Report
from bus.ledger.tables import checkpoints, entries
from bus.ledger.verifying_begun import Span, check_begun
from bus.ledger.verifying_letters import Body, between, check_letters, given_by
from bus.ledger.verifying_references import References, check_references
from bus.ledger.verifying_tiles import good_tiles

BATCH = 4_096
"""Sixteen of the lowest tiles."""
EARLIER = "it is earlier than the entry before it"
_HASH = 32
_ROWS = select(entries).order_by(entries.c.seq)
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


@dataclass(slots=True)
class Piece:
    """What was found of some entries, as they stand one after the other, and the subtrees over them."""

    report: Report
    opened: tuple[int, str] | None
    """Number and time of the last of them, where its time is still to be compared with the one before the span."""
    roots: list[tuple[int, bytes]]


@dataclass(slots=True)
class Checked:
    """What was found of a span of entries, cut where a head was signed."""

    pieces: list[Piece]
    last_at: str | None
    """The time of the last entry that can be read, None if none can."""
    letters: Report
    """What was found of the letters that begin in it."""
    tiles: list[int]
    """The lowest tiles of which it was seen that they are kept as its entries give them."""


def spans(connection: Connection, after: int) -> Iterator[tuple[int, int]]:
    """Yield (after, until): each the next entries above `after`, as many as are checked at once, up to the newest."""
    if not after and (newest := _whole(connection)):
        # Nothing need be counted off.
        yield from ((above, min(above + BATCH, newest)) for above in range(0, newest, BATCH))
        return
    while True:
        some = select(entries.c.seq).where(entries.c.seq > after).order_by(entries.c.seq).limit(BATCH)
        until = connection.scalar(select(func.max(some.subquery().c.seq)))
        if until is None:
            return
        yield after, until
        after = until


def _whole(connection: Connection) -> int:
    """The number of the newest entry where they are numbered from 1 without a gap, 0 where they are not."""
    seq = entries.c.seq
    first, newest = (connection.scalar(select(bound)) for bound in (func.min(seq), func.max(seq)))
    there = connection.scalar(select(func.count()).select_from(entries))
    return newest if (first, newest) == (1, there) else 0


def check_entries(
    connection: Connection, report: Report, after: int, until: int, place: int, known: Sequence[int]
) -> Checked:
    """Check the entries of a span, of which the first is leaf number `place`, and the letters that begin in it.

    The tree is cut where a head was signed: at the sizes of those in the database, and at the `known` ones.
    """
    rows = tuples(connection, _ROWS.where(entries.c.seq > after, entries.c.seq <= until))
    heads = {*known, *connection.scalars(_sizes(place, place + len(rows)))}
    pieces, last, before = list[Piece](), after, ""
    last_at: str | None = None
    part, done, leaves, named = report.part(), 0, list[bytes](), References()
    about: dict[int, list[Body | str]] = {}

    def cut(opened: tuple[int, str] | None = None) -> None:
        nonlocal part, done
        pieces.append(Piece(part, opened, merkle.subtrees(place + done, leaves[done:], tiling.HEIGHT)))
        part, done = report.part(), len(leaves)

    for row in rows:
        seq, at, letter, text, leaf = row[0], row[1], row[4], row[-2], row[-1]
        if seq != last + 1:
            part.note("entry.missing", f"entry {last + 1}", f"the next entry is {seq}")
        last, said = seq, text
        try:
            said = _check(row, part, named)
            if at < before:
                part.note("entry.time", f"entry {seq}", EARLIER)
            if last_at is None:
                cut(opened=(seq, at))
            before = last_at = at
        except Exception as error:
            if isinstance(text, str) and leaf_hash(text) != leaf:
                part.note("entry.hash", f"entry {seq}", "its leaf hash is not that of its body")
            part.unreadable(f"entry {seq}", error)
        # SQLite takes any value in a column; what is no number is not in any span.
        if type(letter) in (int, float) and after < letter <= until:
            about.setdefault(letter, []).append(said)
        leaves.append(leaf if isinstance(leaf, bytes) and len(leaf) == _HASH else bytes(_HASH))
        if place + len(leaves) in heads:
            cut()
    cut()
    given = given_by(connection, between(after + 1, last))
    check_references(connection, part, after + 1, last, named, given)
    cut()
    if until - after != len(rows):
        # Where entries are missing, nothing is passed over.
        return Checked(pieces, last_at, check_letters(connection, report.part(), after, until), [])
    begun = check_begun(connection, report.part(), Span(after, until, about, given))
    kept = list[int]()
    if (
        place == after
        and not report.since
        and all(row[-1] == leaf for row, leaf in zip(rows, leaves, strict=True))
    ):
        kept = good_tiles(connection, after, leaves, (each for piece in pieces for each in piece.roots))
    return Checked(pieces, last_at, begun, kept)


def _sizes(above: int, upto: int) -> Select[Any]:
    return select(checkpoints.c.size).where(checkpoints.c.size > above, checkpoints.c.size <= upto)


def _check(row: tuple[Any, ...], report: Report, named: References) -> Body:
    """Check what a row says of itself, and return the body."""
    text = row[-2]
    body = read_canonical(text)
    expected = row_of(text, body)
    # A row that is as it should be, as nearly all are, is not looked at twice.
    if row != expected:
        for name, value, found in zip(COLUMNS, expected, row, strict=True):
            if found != value:
                code = "entry.hash" if name == "leaf" else "entry.index"
                said = f"the column {name} does not follow from the body"
                report.note(code, f"entry {row[0]}", said)
    if body["kind"] in _WITH_DOCUMENT and "document" not in body:
        said = f"nothing shows this {body['kind']}: it names no document"
        report.note("entry.unfounded", f"entry {row[0]}", said)
    named.add(body)
    return body
