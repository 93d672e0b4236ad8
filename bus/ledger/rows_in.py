"""Rows by many keys of several columns, asked for with one value, and found through an index on both databases.

The keys go to the database as one value. As a list they would be hundreds of values to parse, and for a row in a list
SQLite reads the whole table; for a row in a subquery it uses an index, if the types are the same
(sqlite.org/rowvalue.html, section 2.3).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import JSON, Column, ColumnElement, Connection, bindparam, cast, func, select, tuple_


def rows_in(
    connection: Connection, columns: Sequence[Column[Any]], keys: Sequence[tuple[Any, ...]]
) -> ColumnElement[bool]:
    """Return the condition that a row's `columns`, of texts and numbers, hold one of the `keys`."""
    dialect = connection.dialect.name
    return _condition(dialect, columns, bindparam(None, as_keys(dialect, keys), type_=_TYPES.get(dialect)))


def keyed(dialect: str, *columns: Column[Any]) -> ColumnElement[bool]:
    """Return the same for a query that is built once: its parameter `keys` takes what `as_keys` returns."""
    return _condition(dialect, columns, bindparam("keys", type_=_TYPES.get(dialect)))


def as_keys(dialect: str, keys: Sequence[tuple[Any, ...]]) -> Any:
    """Return some keys as the one value that stands for them."""
    return json.dumps(keys) if dialect == "sqlite" else keys


_TYPES = {"postgresql": JSON()}


def _condition(dialect: str, columns: Sequence[Column[Any]], keys: Any) -> ColumnElement[bool]:
    found: list[ColumnElement[Any]]
    if dialect == "sqlite":
        given = func.json_each(keys).table_valued("value")
        found = [func.json_extract(given.c.value, f"$[{place}]") for place in range(len(columns))]
    else:
        given = func.json_array_elements(keys).table_valued("value")
        found = [given.c.value.op("->>")(place) for place in range(len(columns))]
    typed = (cast(one, column.type) for one, column in zip(found, columns, strict=True))
    return tuple_(*columns).in_(select(*typed))
