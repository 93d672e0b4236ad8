"""The recommended tables as statements of each kind of database, with no more rights for the adapter than it needs.

They are printed for an office's database administrator; the adapter itself never runs one.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    DateTime,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Unicode,
    UnicodeText,
)
from sqlalchemy.dialects import mssql, mysql, oracle, postgresql, sqlite
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.types import TypeEngine

from adapters.connectors.sql.model import FORMS, Form, Kind, Use
from adapters.connectors.sql.model import Column as Stated

_KINDS: Final[Any] = {
    "sqlite": sqlite.dialect,
    "postgresql": postgresql.dialect,
    "mariadb": partial(mysql.dialect, is_mariadb=True),
    "mssql": mssql.dialect,
    "oracle": oracle.dialect,
}
_MSSQL: Final[Any] = mssql
_TYPES: Final[dict[Kind, TypeEngine[Any]]] = {
    Kind.LONG: UnicodeText()
    .with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
    .with_variant(_MSSQL.NVARCHAR("max"), "mssql"),
    Kind.NUMBER: BigInteger(),
    Kind.DATE: Date().with_variant(_MSSQL.DATE(), "mssql"),
    Kind.MOMENT: DateTime().with_variant(_MSSQL.DATETIME2(0), "mssql"),
    Kind.BLOB: LargeBinary()
    .with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
    .with_variant(_MSSQL.VARBINARY("max"), "mssql"),
}
_CLAIMED: Final = ("outbox", "acts")


def statements(dialect: str, user: str) -> Iterator[str]:
    """Give every statement, without its semicolon: first the tables, then the rights of `user`."""
    compiled = dialect_of(dialect)
    metadata = MetaData()
    tables = [table_of(form, metadata) for form in FORMS.values()]
    for table in tables:
        yield str(CreateTable(table).compile(dialect=compiled)).strip()
        for index in table.indexes:
            yield str(CreateIndex(index).compile(dialect=compiled)).strip()
    if dialect != "sqlite":  # which knows no rights but those of the file
        for form in FORMS.values():
            yield from _grants(form, compiled, user)


def dialect_of(name: str) -> Dialect:
    """A kind of database, without a connection to one."""
    made: Dialect = _KINDS[name]()
    return made


def table_of(form: Form, metadata: MetaData) -> Table:
    """The recommended table of a form."""
    columns = []
    for each in form.columns:
        is_key = each.field in form.key
        filled = is_key or each.field == "status"
        made = Column(each.usual, _type(each), primary_key=is_key, nullable=not filled, autoincrement=False)
        columns.append(made)
    table = Table(form.usual, metadata, *columns)
    if form.role in _CLAIMED:
        Index(f"{form.usual}_status", table.c[form.column("status").usual])
    return table


def _type(column: Stated) -> TypeEngine[Any]:
    return Unicode(column.size) if column.kind is Kind.TEXT else _TYPES[column.kind]


def _grants(form: Form, dialect: Dialect, user: str) -> Iterator[str]:
    quote = dialect.identifier_preparer.quote
    account = f"'{user}'@'localhost'" if dialect.name in ("mysql", "mariadb") else quote(user)
    table = quote(form.usual)
    uses = {use: [quote(each.usual) for each in form.columns if use in each.uses] for use in Use}
    reads_all = (
        len(uses[Use.READ]) == len(form.columns) or dialect.name == "oracle"
    )  # which grants no columns to read
    if uses[Use.READ]:
        yield f"GRANT SELECT{'' if reads_all else _list(uses[Use.READ])} ON {table} TO {account}"
    if uses[Use.INSERT]:
        yield f"GRANT INSERT ON {table} TO {account}"
    if uses[Use.UPDATE]:
        columns = _list(uses[Use.UPDATE])
        after_table = dialect.name == "mssql"
        yield (
            f"GRANT UPDATE ON {table}{columns} TO {account}"
            if after_table
            else f"GRANT UPDATE{columns} ON {table} TO {account}"
        )


def _list(columns: list[str]) -> str:
    return f" ({', '.join(columns)})"
