"""Letters taken in portions, so that memory does not grow with the ledger: one may be a circular with thousands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Select, func, select

from bus.ledger.tables import entries

_MOST_ENTRIES = 5_000


def portion(connection: Connection, query: Select[Any], most: int) -> list[int]:
    """Return the first letters of a query for ledger numbers: at most so many, and fewer if they have many entries.

    At least one, as long as there is one.
    """
    some = list(connection.scalars(query.limit(most)).all())
    counts = select(entries.c.letter, func.count()).where(entries.c.letter.in_(some))
    return bounded(some, {letter: n for letter, n in connection.execute(counts.group_by(entries.c.letter))})


def bounded(some: list[int], counts: Mapping[int, int]) -> list[int]:
    """Return as many of the first letters as are few enough together, by their `counts`; one at the least."""
    total = 0
    for place, letter in enumerate(some):
        total += counts.get(letter, 0)
        if total > _MOST_ENTRIES and place:
            return some[:place]
    return some
