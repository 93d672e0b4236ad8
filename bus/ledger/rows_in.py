"""Rows by many keys of several columns, asked for with one value, and found through an index on both databases."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import JSON, Column, ColumnElement, Connection, bindparam, cast, func, select, tuple_


def rows_in(
    connection: Connection, columns: Sequence[Column[Any]], keys: Sequence[tuple[Any, ...]]
) -> ColumnElement[bool]:
    """Return the condition that a row's `columns`, of texts and numbers, hold one of the `keys`.

    The keys go to the database as one value. As a list they would be hundreds of values to parse, and for a row in a
    list SQLite reads the whole table; for a row in a subquery it uses an index, if the types are the same
    (sqlite.org/rowvalue.html, section 2.3).
    """
    found: list[ColumnElement[Any]]
    if connection.dialect.name == "sqlite":
        given = func.json_each(json.dumps(keys)).table_valued("value")
        found = [func.json_extract(given.c.value, f"$[{place}]") for place in range(len(columns))]
    else:
        given = func.json_array_elements(bindparam(None, keys, type_=JSON)).table_valued("value")
        found = [given.c.value.op("->>")(place) for place in range(len(columns))]
    typed = (cast(one, column.type) for one, column in zip(found, columns, strict=True))
    return tuple_(*columns).in_(select(*typed))
