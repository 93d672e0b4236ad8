"""The office's database: how it is reached, what its tables are like, and what its errors mean.

Nothing is made or altered there. A statement that fails is told by its kind and the database's own code: what a driver
says besides may quote a letter.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    URL,
    ColumnClause,
    Connection,
    Engine,
    TableClause,
    column,
    create_engine,
    event,
    make_url,
    table,
    text,
)
from sqlalchemy.exc import DBAPIError, InterfaceError, NoSuchTableError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from adapters.connectors.sql.limits import rooms_of
from adapters.connectors.sql.model import FORMS, OPTIONAL, Form
from adapters.connectors.sql.values import Room
from bus.errors import BusError, Misconfigured, Problem, Transient
from bus.settings.office_database import SqlConnector

_LOOK_AGAIN: Final = 60.0
"""Seconds after which the tables are looked at anew: a column may have been widened."""
_NO_TABLE: Final = "there is no such table or view, or no right to it"
_CONNECT_SECONDS: Final = 10
_ANSWER_SECONDS: Final = 120
_RECYCLE_SECONDS: Final = 600


class Lacking(BusError):
    """Tables or columns that are not as the settings say; each with a sentence in Thai and English."""

    def __init__(self, *wrong: tuple[str, str, str]) -> None:
        super().__init__("; ".join(f"{where}: {en}" for where, _, en in wrong))
        self.wrong = wrong


class Away(Transient):
    """The database does not answer, or does not let the adapter in."""


@dataclass(frozen=True, slots=True)
class OfficeTable:
    """A table as it is there: its columns and their room, by field."""

    form: Form
    clause: TableClause
    columns: dict[str, ColumnClause[Any]]
    rooms: dict[str, Room]

    def __contains__(self, field: str) -> bool:
        return field in self.columns


class Office:
    """One office's database; a transaction at a time in each thread."""

    def __init__(self, settings: SqlConnector) -> None:
        """Raises Misconfigured for an unfit password file, or a driver that is not installed."""
        self._settings = settings
        self._engine = engine_of(settings.address(), settings.tls())
        self._lock = threading.Lock()
        self._tables: dict[str, tuple[float, OfficeTable | None]] = {}

    @property
    def dialect(self) -> str:
        """The database's kind, by SQLAlchemy's name."""
        return self._engine.dialect.name

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Commit all of the block or nothing. Away when the database does not answer; its own errors otherwise."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except (OperationalError, InterfaceError) as exc:
            if exc.connection_invalidated or not self.answers():
                raise Away(f"the office's database: {kind_of(exc)}") from exc
            raise

    def answers(self) -> bool:
        """Whether the database takes a connection and a question."""
        try:
            with self._engine.connect() as connection:
                connection.execute(text("SELECT 1 FROM DUAL" if self.dialect == "oracle" else "SELECT 1"))
        except SQLAlchemyError:
            return False
        return True

    def table(self, role: str, *, anew: bool = False) -> OfficeTable | None:
        """The table of a role; None where the office has none. Raises Lacking, Away."""
        with self._lock:
            seen, known = self._tables.get(role, (0.0, None))
            if anew or not seen or time.monotonic() - seen > _LOOK_AGAIN:
                known = self._look(FORMS[role])
                self._tables[role] = (time.monotonic(), known)
        return known

    def name_of(self, role: str) -> str:
        """The table's name by the settings; empty where there is none."""
        return self._settings.tables.get(role, FORMS[role].usual)

    def _look(self, form: Form) -> OfficeTable | None:
        name = self.name_of(form.role)
        if not name:
            return None
        try:
            found = rooms_of(self._engine, name)
        except NoSuchTableError as exc:
            if form.role in OPTIONAL and form.role not in self._settings.tables:
                return None
            raise Lacking((name, "ไม่มีตารางหรือวิวนี้ หรือไม่มีสิทธิ์", _NO_TABLE)) from exc
        except DBAPIError as exc:
            raise Away(f"the office's database: {kind_of(exc)}") from exc
        by_name = {column.casefold(): (column, room) for column, room in found.items()}
        named = self._settings.columns.get(form.role, {})
        columns: dict[str, ColumnClause[Any]] = {}
        rooms: dict[str, Room] = {}
        wrong = []
        for each in form.columns:
            wanted = named.get(each.field, each.usual)
            if wanted and wanted.casefold() in by_name:
                there, rooms[each.field] = by_name[wanted.casefold()]
                columns[each.field] = column(there)
            elif each.needed or (each.field in named and wanted):
                wrong.append(
                    (f"{name}.{wanted}", "ไม่มีคอลัมน์นี้ หรือไม่มีสิทธิ์", "there is no such column, or no right to it")
                )
        if wrong:
            raise Lacking(*wrong)
        schema, _, plain = name.rpartition(".")
        return OfficeTable(form, table(plain, *columns.values(), schema=schema or None), columns, rooms)


def engine_of(address: str, tls: ssl.SSLContext | None) -> Engine:
    """An engine that keeps a connection for each direction. Raises Misconfigured where its driver is not installed."""
    url = make_url(address)
    pool: dict[str, Any] = {"poolclass": NullPool}
    if url.get_backend_name() != "sqlite":
        pool = {"pool_size": 2, "max_overflow": 2, "pool_pre_ping": True, "pool_recycle": _RECYCLE_SECONDS}
    try:
        engine = create_engine(url, hide_parameters=True, connect_args=_arguments(url, tls), **pool)
    except ModuleNotFoundError as exc:
        fix = {
            "pymysql": "Install saraban-bus[mysql].",
            "pyodbc": "Install pyodbc and Microsoft's ODBC driver.",
        }
        wrong = f"needs the package {exc.name}, which is not installed"
        raise Misconfigured(
            Problem("settings", "connectors.sql.url", wrong, fix.get(str(exc.name), f"Install {exc.name}."))
        ) from exc
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _leave_transactions_to_us)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    elif engine.dialect.name in ("mysql", "mariadb"):
        event.listen(engine, "connect", _be_strict)
    return engine


def kind_of(error: SQLAlchemyError) -> str:
    """An error by its kind and the database's code, without what the driver says, which may quote a letter."""
    origin = getattr(error, "orig", None) or error
    first = origin.args[0] if origin.args else None
    code = getattr(origin, "sqlstate", None) or getattr(origin, "sqlite_errorname", None)
    code = code or (first if isinstance(first, int) else None)
    return f"{type(origin).__name__} {code}" if code else type(origin).__name__


def _arguments(url: URL, tls: ssl.SSLContext | None) -> dict[str, Any]:
    match url.get_backend_name():
        case "sqlite":
            return {"timeout": _CONNECT_SECONDS, "check_same_thread": False}
        case "postgresql":
            return {"connect_timeout": _CONNECT_SECONDS}
        case "mysql" | "mariadb":
            limits = {"connect_timeout": _CONNECT_SECONDS, "charset": "utf8mb4"}
            limits |= {"read_timeout": _ANSWER_SECONDS, "write_timeout": _ANSWER_SECONDS}
            return limits | ({"ssl": tls} if tls else {})
        case "mssql":
            return {"timeout": _CONNECT_SECONDS}
        case _:
            return {}


def _leave_transactions_to_us(connection: Any, _: object) -> None:
    connection.isolation_level = None


def _be_strict(connection: Any, _: object) -> None:
    """Have MariaDB refuse what a column cannot hold, instead of cutting it with a warning."""
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')")
