"""The columns of a table or view and how much each holds, in each kind of database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine, inspect, text, types
from sqlalchemy.dialects import mssql
from sqlalchemy.exc import NoSuchTableError

from adapters.connectors.sql.values import Room

_COLUMNS = text(
    "SELECT column_name, data_type, character_maximum_length, character_octet_length, character_set_name, "
    "@@max_allowed_packet FROM information_schema.columns "
    "WHERE table_schema = COALESCE(:owner, DATABASE()) AND table_name = :name"
)
"""What MariaDB shows to whoever has a right to single columns; SHOW CREATE TABLE wants one to all."""
_PACKET_KEPT = 65536
"""Bytes of a statement of MariaDB that are not a BLOB's."""


def rooms_of(engine: Engine, name: str) -> Mapping[str, Room]:
    """The room of each column of a table (`schema.table`, or `table`), by its name. NoSuchTableError; DBAPIError."""
    schema, _, plain = name.rpartition(".")
    if engine.dialect.name in ("mysql", "mariadb"):
        return _mariadb(engine, schema or None, plain)
    found = inspect(engine).get_columns(plain, schema or None)
    return {
        each["name"]: room_of(f"{name}.{each['name']}", each["type"], engine.dialect.name) for each in found
    }


def room_of(column: str, kind: Any, dialect: str) -> Room:
    """The room of a column of this type; without a size where the type has none."""
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


def _mariadb(engine: Engine, schema: str | None, name: str) -> Mapping[str, Room]:
    with engine.connect() as connection:
        rows = connection.execute(_COLUMNS, {"owner": schema, "name": name}).all()
    if not rows:
        raise NoSuchTableError(name)
    shown = f"{schema}.{name}" if schema else name
    return {row[0]: _room(f"{shown}.{row[0]}", *row[1:]) for row in rows}


def _room(
    column: str, kind: str, characters: int | None, octets: int | None, page: str | None, packet: int
) -> Room:
    match kind:
        case "date":
            return Room(column, native="date")
        case "datetime" | "timestamp":
            return Room(column, native="moment")
        case "char" | "varchar":
            return Room(column, characters, page="tis-620" if page == "tis620" else None)
    if octets is None:
        return Room(column)
    if page is not None:
        return Room(column, octets, "bytes", page="tis-620" if page == "tis620" else None)
    # Each byte of a BLOB may take two in the statement that writes it.
    return Room(column, min(octets, (packet - _PACKET_KEPT) // 2), "bytes")


def _whole(size: object) -> int | None:
    return size if isinstance(size, int) and size > 0 else None
