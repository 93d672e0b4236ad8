"""Rows into the ledger's tables, many at once, by one statement for each table that is written once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import chain
from operator import itemgetter
from typing import Any, Final, cast

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError

_TOGETHER: Final = (64, 32, 16, 8, 4, 2, 1)
"""Rows that one statement of SQLite inserts: few sizes, so that it is prepared once, and at most 999 values."""
_ARRAYS: Final = {str: "text", int: "bigint", bool: "boolean", bytes: "bytea"}
"""PostgreSQL's types by Python's. Texts without a length: a cast would cut what is too long, and an insert refuses."""


def insert_many(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *, ignoring: bool = False
) -> None:
    """Insert rows that name the same two columns or more; with `ignoring`, those whose key is not there yet.

    The statement goes to the driver as it is: building one, and looking at each value, costs more than inserting does.
    """
    names = tuple(rows[0])
    if connection.dialect.name == "sqlite":
        _insert_together(connection, table, names, rows, ignoring)
    elif ignoring:
        columns = tuple([row[name] for row in rows] for name in names)
        connection.exec_driver_sql(_statement_of_arrays(table, names), columns)
    else:
        _copy(connection, table, names, list(map(itemgetter(*names), rows)))


def _insert_together(
    connection: Connection,
    table: Table,
    names: tuple[str, ...],
    rows: Sequence[Mapping[str, Any]],
    ignoring: bool,
) -> None:
    """Insert by as few statements as there may be.

    Python's driver lets other threads run for each row that it has SQLite insert, and waits for its turn afterwards;
    with two threads that compute beside it, that took six times as long as the inserts themselves.
    """
    values, done = list(map(itemgetter(*names), rows)), 0
    while left := len(values) - done:
        size = next(each for each in _TOGETHER if each <= left)
        statement = _statement(table, names, ignoring, size)
        connection.exec_driver_sql(statement, tuple(chain.from_iterable(values[done : done + size])))
        done += size


@cache
def _statement(table: Table, names: tuple[str, ...], ignoring: bool, size: int) -> str:
    """SQLite's statement for so many rows, each with its values in the order of the names."""
    quote = sqlite.dialect().identifier_preparer.quote
    into = f"INSERT INTO {quote(table.name)} ({', '.join(map(quote, names))})"
    row = f"({', '.join('?' * len(names))})"
    return f"{into} VALUES {', '.join([row] * size)}{' ON CONFLICT DO NOTHING' if ignoring else ''}"


@cache
def _statement_of_arrays(table: Table, names: tuple[str, ...]) -> str:
    """PostgreSQL's statement that takes a list for each column: one round trip, where COPY ignores nothing."""
    arrays = ", ".join(f"%b::{_ARRAYS[table.c[name].type.python_type]}[]" for name in names)
    into = f"INSERT INTO {table.name} ({', '.join(names)})"
    return f"{into} SELECT * FROM unnest({arrays}) ON CONFLICT DO NOTHING"  # noqa: S608 - names that stand in tables.py


def _copy(
    connection: Connection, table: Table, names: tuple[str, ...], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Insert by COPY, for a fraction of the time of INSERT."""
    import psycopg  # here: a ledger in SQLite needs none of it
    from psycopg import sql

    into = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, names))
    )
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    try:
        with driver.cursor() as cursor, cursor.copy(into) as copy:
            for row in rows:
                copy.write_row(row)
    except psycopg.Error as error:
        # As SQLAlchemy says it of everything else.
        said = into.as_string(driver)
        raise DBAPIError.instance(said, None, error, psycopg.Error, dialect=connection.dialect) from error
