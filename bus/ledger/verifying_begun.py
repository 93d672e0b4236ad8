"""Verifying the letters that begin among entries that were just read: most of what there is about them is here too.

What is in memory is what the tree was computed from, so that it is neither read nor decoded again. Entries about these
letters that stand elsewhere are looked up, and put where they belong. Nothing is checked otherwise than of any letter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, func, or_, select

from bus.ledger.database import tuples
from bus.ledger.findings import Report
from bus.ledger.portions import bounded
from bus.ledger.tables import entries
from bus.ledger.verifying_letters import Body, Letters, Rows, Which, between, check_letters, grouped

_MOST_ELSEWHERE = 5_000
"""Letters that may begin in a span, by entries elsewhere: not even fractions, which SQLite takes, make memory grow."""


@dataclass(frozen=True, slots=True)
class Span:
    """All entries above one number up to another, of which none is missing, as they were read."""

    after: int
    until: int
    about: Mapping[int, list[Body | str]]
    """By letter that begins in the span, its entries there in order: the bodies, or the text of one that has none."""
    given: Mapping[int, Rows]
    """What was consigned because of them, as `given_by` returns it."""


def check_begun(connection: Connection, report: Report, span: Span) -> Report:
    """Check every letter that begins in a span, as `check_letters` does."""
    elsewhere = _elsewhere(connection, report, span)
    if elsewhere is None:
        return check_letters(connection, report, span.after, span.until)
    check, left = Letters(connection, report), sorted({*span.about, *elsewhere})
    report.counts["letters"] = len(left)
    sizes = {letter: _size(span, letter, elsewhere) for letter in left}
    while some := bounded(left, sizes):
        # They are all that there are in this range.
        these = between(some[0], some[-1])
        others = _others(connection, span, these) if elsewhere.keys() & set(some) else {}
        found = ((letter, _in_order(span, letter, others.get(letter, []))) for letter in some)
        check.some(found, these, span.given)
        left = left[len(some) :]
    return report


def _outside(span: Span) -> tuple[ColumnElement[bool], ...]:
    about, seq = entries.c.letter, entries.c.seq
    return about > span.after, about <= span.until, or_(seq <= span.after, seq > span.until)


def _elsewhere(connection: Connection, report: Report, span: Span) -> dict[int, int] | None:
    """How many entries about each letter stand outside of the span; None where there are too many such letters."""
    about = entries.c.letter
    query = select(about, func.count(), func.max(entries.c.seq)).where(*_outside(span)).group_by(about)
    rows = tuples(connection, query.order_by(about).limit(_MOST_ELSEWHERE))
    if len(rows) == _MOST_ELSEWHERE:
        return None
    return {letter: count for letter, count, newest in rows if letter in span.about or newest > report.since}


def _others(connection: Connection, span: Span, these: Which) -> dict[int, Rows]:
    about, seq = entries.c.letter, entries.c.seq
    query = select(about, seq, entries.c.body).where(these(about), *_outside(span))
    return grouped(connection, query.order_by(about, seq))


def _in_order(span: Span, letter: int, others: Rows) -> list[Body | str]:
    before = [text for _, seq, text in others if seq <= span.after]
    return [*before, *span.about.get(letter, ()), *(text for _, _, text in others[len(before) :])]


def _size(span: Span, letter: int, elsewhere: Mapping[int, int]) -> int:
    """How many rows a letter brings into memory, at about: one for each entry elsewhere and each recipient."""
    first = next(iter(span.about.get(letter, ())), None)
    numbers = first.get("consignments") if isinstance(first, dict) else None
    return elsewhere.get(letter, 0) + (len(numbers) if isinstance(numbers, list) else 0)
