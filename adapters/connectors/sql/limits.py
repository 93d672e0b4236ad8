"""How much a column holds, by its type in each kind of database."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import types
from sqlalchemy.dialects import mssql, mysql

from adapters.connectors.sql.values import Room

_MARIADB: Final[dict[type, int]] = {
    mysql.TINYTEXT: 2**8 - 1,
    mysql.TINYBLOB: 2**8 - 1,
    mysql.MEDIUMTEXT: 2**24 - 1,
    mysql.MEDIUMBLOB: 2**24 - 1,
    mysql.LONGTEXT: 2**32 - 1,
    mysql.LONGBLOB: 2**32 - 1,
    mysql.TEXT: 2**16 - 1,
    types.BLOB: 2**16 - 1,
}
"""Bytes of the types whose names say how much they hold."""


def room_of(column: str, kind: Any, dialect: str) -> Room:
    """The room of a column; without a size where the type has none."""
    if dialect in ("mysql", "mariadb") and type(kind) in _MARIADB:
        return Room(column, _MARIADB[type(kind)], "bytes")
    if isinstance(kind, types.LargeBinary | types._Binary):
        return Room(column, _whole(kind.length), "bytes")
    if isinstance(kind, types.String):
        return _text(column, kind, dialect)
    if dialect == "sqlite":
        return Room(column)  # which has no types for dates, whatever is declared
    if isinstance(kind, types.DateTime):
        return Room(column, native="zoned" if kind.timezone else "moment")
    return Room(column, native="date" if isinstance(kind, types.Date) else None)


def _text(column: str, kind: types.String, dialect: str) -> Room:
    size = _whole(kind.length)
    if dialect != "mssql":
        return Room(column, size)
    if isinstance(kind, types.Unicode | types.UnicodeText | mssql.NTEXT):
        return Room(column, size, "UTF-16 units")
    if "utf8" in (kind.collation or "").casefold():
        return Room(column, size, "bytes")
    # SQL Server writes a question mark for what such a column cannot hold, and says nothing.
    return Room(column, size, page="windows-874")


def _whole(size: object) -> int | None:
    return size if isinstance(size, int) and size > 0 else None
