"""Queries that are asked for every letter or notice, built once: building one costs more than running it."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from sqlalchemy import Select, bindparam, select, union_all

from bus.ledger.finding import LISTED
from bus.ledger.rows_in import keyed
from bus.ledger.tables import documents, entries, letters

_BODY: Final = select(entries.c.body)
_ABOUT: Final = _BODY.where(entries.c.letter == bindparam("letter"))
_SINCE: Final = _ABOUT.where(entries.c.seq > bindparam("letter"))
_NUMBER: Final = (letters.c.sender, letters.c.number_normalised, letters.c.dated)

ENTRY: Final = _BODY.where(entries.c.seq == bindparam("seq"))
NEWEST: Final = _BODY.order_by(entries.c.seq.desc()).limit(1)
LATEST: Final = NEWEST.where(entries.c.kind == bindparam("kind"))
LATEST_SEQ: Final = LATEST.with_only_columns(entries.c.seq)
ENTRIES_OF: Final = (
    _ABOUT.with_only_columns(entries.c.seq, entries.c.kind, entries.c.body)
    .where(entries.c.seq >= bindparam("since"))
    .order_by(entries.c.seq)
)
"""Number, kind and body of those about a `letter`, in order, from one on."""
SAID_OF: Final = union_all(
    _SINCE.where(entries.c.agency.in_(bindparam("by", expanding=True))),
    _SINCE.where(entries.c.agency.is_(None)),
)
"""What the bus and the agencies `by` said of a `letter` since its acceptance; each by an index of its own."""
LETTER: Final = select(*LISTED).where(letters.c.letter == bindparam("number"))
LETTER_NAMED: Final = select(*LISTED).where(
    letters.c.letter_id == bindparam("id"), letters.c.digest == bindparam("digest")
)
DOCUMENT: Final = select(documents.c.bytes).where(documents.c.sha256 == bindparam("sha256"))


@cache
def numbers_among(dialect: str) -> Select[Any]:
    """Return the query which of many (sender, number, date), its `keys`, there are."""
    return select(*_NUMBER).where(keyed(dialect, *_NUMBER))
