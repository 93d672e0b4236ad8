"""Rows into the ledger's tables, many at once, by one statement for each table that is written once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Any, Final, cast

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError

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
        statement, names = _statement(table, names, ignoring)
        connection.exec_driver_sql(statement, list(map(itemgetter(*names), rows)))
    elif ignoring:
        columns = tuple([row[name] for row in rows] for name in names)
        connection.exec_driver_sql(_statement_of_arrays(table, names), columns)
    else:
        _copy(connection, table, names, list(map(itemgetter(*names), rows)))


@cache
def _statement(table: Table, names: tuple[str, ...], ignoring: bool) -> tuple[str, tuple[str, ...]]:
    """SQLite's statement, and the order in which it takes the columns."""
    insert = sqlite.insert(table).on_conflict_do_nothing() if ignoring else sqlite.insert(table)
    compiled = insert.compile(dialect=sqlite.dialect(), column_keys=list(names))
    return str(compiled), tuple(compiled.positiontup or ())


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
