"""The kind of each letter (ประเภทหนังสือ), which stands in its document and in no entry.

The append lists it with the letter. What a router of the schema before has appended, `ledger init` lists afterwards.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, Engine, select
from sqlalchemy.dialects import postgresql, sqlite

from bus.documents.letter import Letter
from bus.documents.xml import open_envelope, read
from bus.errors import Refused
from bus.ledger.database import working
from bus.ledger.tables import documents, entries, letter_kinds, letters

_AT_ONCE: Final = 500


def list_kinds(engine: Engine) -> int:
    """List the kinds of all letters that are without, and return how many those were.

    A transaction for each few hundred, beside the appends where the database lets them: a million takes minutes.
    """
    count, last = 0, 0
    while True:
        with working(engine) as connection:
            found = _list_some(connection, last)
        if not found:
            return count
        count, last = count + len(found), found[-1]


def kind_of(raw: bytes) -> str | None:
    """Return the kind that a letter's document states; None for what is no letter that this program reads."""
    try:
        document = read(open_envelope(raw).root)
    except Refused:
        return None
    return document.kind if isinstance(document, Letter) else None


def _list_some(connection: Connection, after: int) -> list[int]:
    query = (
        select(letters.c.letter, documents.c.bytes)
        .join(entries, entries.c.seq == letters.c.letter)
        .outerjoin(documents, documents.c.sha256 == entries.c.document)
        .outerjoin(letter_kinds, letter_kinds.c.letter == letters.c.letter)
        .where(letters.c.letter > after, letter_kinds.c.letter.is_(None))
        .order_by(letters.c.letter)
        .limit(_AT_ONCE)
    )
    rows = [
        {"letter": letter, "kind": kind_of(bytes(raw)) if raw is not None else None}
        for letter, raw in connection.execute(query)
    ]
    if rows:
        inserting = {"sqlite": sqlite, "postgresql": postgresql}[connection.dialect.name]
        connection.execute(inserting.insert(letter_kinds).on_conflict_do_nothing(), rows)
    return [int(row["letter"] or 0) for row in rows]
