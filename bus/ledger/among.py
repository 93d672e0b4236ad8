"""Rows by many keys of several columns, found through an index on both databases."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, cast, func, select, tuple_


def among(
    connection: Connection, columns: Sequence[Column[Any]], keys: Sequence[tuple[Any, ...]]
) -> ColumnElement[bool]:
    """Return the condition that a row's `columns` hold one of the `keys`."""
    row = tuple_(*columns)
    if connection.dialect.name != "sqlite":
        return row.in_(keys)
    # For a row in a list of values SQLite reads the whole table, however large; it uses an index for a row in a
    # subquery, provided that the types are the same (sqlite.org/rowvalue.html, section 2.3).
    given = func.json_each(json.dumps(keys)).table_valued("value")
    places = (func.json_extract(given.c.value, f"$[{place}]") for place in range(len(columns)))
    return row.in_(select(*(cast(one, column.type) for one, column in zip(places, columns, strict=True))))
