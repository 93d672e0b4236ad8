"""From a time to a ledger number, without an index: what is appended later bears no earlier time (`Writer.at`).

A search by halves over the primary key asks some thirty times in a ledger of a thousand million entries, and reads one
row each time. An index of times would have a row for every entry, to be asked a few times a minute.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select


def first_since(
    connection: Connection, number: ColumnElement[int], at: ColumnElement[Any], moment: str
) -> int | None:
    """Return the first number whose time is not before a moment; None if there is none. Numbers may have gaps."""
    return _first(connection, number, at, lambda time: time >= moment)


def last_by(
    connection: Connection, number: ColumnElement[int], at: ColumnElement[Any], moment: str
) -> int | None:
    """Return the last number whose time is not after a moment; None if there is none."""
    after = _first(connection, number, at, lambda time: time > moment)
    below = select(number) if after is None else select(number).where(number < after)
    return connection.scalar(below.order_by(number.desc()).limit(1))


def _first(
    connection: Connection, number: ColumnElement[int], at: ColumnElement[Any], late: Callable[[str], bool]
) -> int | None:
    """The first number whose time is late; every one behind it is late too."""
    low, high = 1, (connection.scalar(select(func.max(number))) or 0) + 1
    found = None
    while low < high:
        middle = (low + high) // 2
        query = select(number, at).where(number >= middle).order_by(number).limit(1)
        there, time = connection.execute(query).one()
        if late(time):
            found, high = there, middle
        else:
            low = there + 1
    return found
