"""An office at the SQL door: its program writes and reads rows of its own database, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, MetaData, Table, UnicodeText, create_engine, insert, select, update
from sqlalchemy.dialects.mysql import LONGTEXT
from sqlalchemy.pool import NullPool

from adapters.connectors.sql.connector import SqlConnector
from adapters.connectors.sql.creating import table_of
from adapters.connectors.sql.model import FORMS, Kind
from adapters.mailbox import Mailbox
from bus.settings.office_database import SqlConnector as Settings
from tests.contract.doors.door import Files, Shown, Told, Values, dies

_STEPS_OUT = ("after-claim", "before-put", "after-put", "before-conclude", "after-conclude")
_WIDE = UnicodeText().with_variant(LONGTEXT(), "mysql", "mariadb")


def office_tables(metadata: MetaData) -> dict[str, Table]:
    """The recommended tables, by role; what the office itself writes may be of any length there."""
    tables = {role: table_of(form, metadata) for role, form in FORMS.items()}
    for role in ("outbox", "acts"):
        for each in FORMS[role].columns:
            if each.kind is not Kind.NUMBER and each.field not in ("key", "status", "claimed_by"):
                tables[role].c[each.usual].type = _WIDE
    return tables


@cache
def database(url: str, password: str | None = None) -> tuple[Engine, dict[str, Table]]:
    """The office's own way to its database, with its tables made."""
    address = url if url.startswith("sqlite") else Settings(url=url, password=password).address()
    engine = create_engine(address, poolclass=NullPool)
    metadata = MetaData()
    tables = office_tables(metadata)
    metadata.create_all(engine)
    return engine, tables


class SqlOffice:
    """An office on SQLite."""

    name = "sql"
    # The failpoints on the way of a letter from the office into the mailbox, and of a letter to the office.
    steps_out = tuple(f"sql.{step}" for step in _STEPS_OUT)
    steps_in = ("sql.before-write", "sql.after-write")

    def __init__(self, mailbox: Mailbox, folder: Path, settings: Mapping[str, Any]) -> None:
        self._mailbox, self._folder = mailbox, folder
        self.settings = Settings(enabled=True, **settings)
        self.engine, self.tables = database(self.settings.url, settings.get("password"))
        with self.engine.begin() as connection:
            for table in self.tables.values():
                connection.execute(table.delete())
        self._connector = SqlConnector(mailbox, self.settings)
        self._numbers = count(1)
        self._step: str | None = None

    @classmethod
    def url(cls, at: Path, _: pytest.FixtureRequest) -> Mapping[str, Any]:
        """The settings of a database of its own."""
        return {"url": f"sqlite:///{at}.db"}

    def put(self, values: Values, files: Files) -> Told:
        """Write a letter and its files; the same again is that row made ready anew."""
        return self._put(values, files, files)

    def put_half(self, values: Values, files: Files) -> None:
        """The last file is not there, and the letter says how many it has."""
        self._put(values, files, dict(list(files.items())[:-1]))

    def go_on(self) -> None:
        """Nothing: what was written is there."""
        self._round()

    def act(self, verb: str, **fields: Any) -> Told:
        """Write an act."""
        key = f"act {next(self._numbers)}"
        said = {
            name: ", ".join(value) if isinstance(value, list) else value for name, value in fields.items()
        }
        self._add("acts", {"key": key, "status": "ready", "verb": verb, **said})
        self._round()
        return self._told("acts", key)

    def letters(self) -> list[Shown]:
        """Read the inbox."""
        self._round()
        inbox, files = self.tables["inbox"], self.tables["inbox_files"]
        found = []
        with self.engine.begin() as connection:
            for row in connection.execute(select(inbox).order_by(inbox.c.consignment)).mappings():
                of_it = select(files).where(files.c.consignment == row["consignment"])
                rows = connection.execute(of_it.order_by(files.c.file_position)).mappings().all()
                assert len(rows) == row["file_count"]
                shown = {each["file_name"]: bytes(each["content"]) for each in rows}
                found.append(Shown(row["letter_id"], bytes(row["document"]), shown))
        return found

    def events(self) -> list[Values]:
        """Read the events."""
        self._round()
        events = self.tables["events"]
        query = select(events.c.content).where(events.c.event != "received").order_by(events.c.item_number)
        with self.engine.begin() as connection:
            return [json.loads(each) for each in connection.execute(query).scalars()]

    @contextmanager
    def dying_at(self, step: str) -> Iterator[None]:
        """Have the next round be another process's, which dies."""
        self._step = step
        yield
        assert self._step is None, "there was no round"

    def close(self) -> None:
        """End its connections."""
        self._connector.close()

    def row(self, role: str, key: str) -> Mapping[str, Any]:
        """A row of the office, by its key."""
        table = self.tables[role]
        (column,) = table.primary_key.columns
        with self.engine.begin() as connection:
            return dict(connection.execute(select(table).where(column == key)).mappings().one())

    def written(self) -> list[str]:
        """The keys of the letters that it has written."""
        with self.engine.begin() as connection:
            return list(connection.execute(select(self.tables["outbox"].c.letter_key)).scalars())

    def _round(self) -> None:
        step, self._step = self._step, None
        if step is None:
            _both(self._connector)
            return

        def work() -> None:
            with Mailbox(self._folder, self._mailbox.agency) as mailbox:
                _both(SqlConnector(mailbox, self.settings))

        dies(step, work)

    def _put(self, values: Values, files: Files, there: Files) -> Told:
        named = json.dumps([values, {name: sha256(content).hexdigest() for name, content in files.items()}])
        key = f"letter {sha256(named.encode()).hexdigest()[:20]}"
        table, ready = self.tables["outbox"], {"status": "ready", "file_count": len(files)}
        with self.engine.begin() as connection:
            known = connection.execute(update(table).where(table.c.letter_key == key).values(ready)).rowcount
        if not known:
            columns = {field: value for field, value in values.items() if field in FORMS["outbox"].fields}
            to, more = (
                columns.pop("to", []),
                {name: values[name] for name in values if name not in columns | {"to": 0}},
            )
            columns |= {"more": json.dumps(more)} if more else {}
            columns.setdefault("subject", " ")
            self._add(
                "outbox", {**columns, "key": key, **ready, "status": "writing", "recipient_count": len(to)}
            )
            for agency in to:
                self._add("outbox_recipients", {"letter": key, "agency": agency})
        self._bring(key, there)
        with self.engine.begin() as connection:
            connection.execute(update(table).where(table.c.letter_key == key).values(ready))
        self._round()
        return self._told("outbox", key)

    def _bring(self, key: str, files: Files) -> None:
        table = self.tables["outbox_files"]
        with self.engine.begin() as connection:
            connection.execute(table.delete().where(table.c.letter_key == key))
        for position, (name, content) in enumerate(files.items()):
            values = {"letter": key, "position": position, "name": name, "size": len(content)}
            self._add("outbox_files", values | {"content": content})

    def _add(self, role: str, values: Values) -> None:
        named = {FORMS[role].column(field).usual: value for field, value in values.items()}
        with self.engine.begin() as connection:
            connection.execute(insert(self.tables[role]).values(named))

    def _told(self, role: str, key: str) -> Told:
        row = self.row(role, key)
        return Told(row["problem"] if row["status"] == "failed" else "")


class PostgresOffice(SqlOffice):
    """An office on PostgreSQL."""

    name = "sql-postgresql"

    @classmethod
    def url(cls, at: Path, request: pytest.FixtureRequest) -> Mapping[str, Any]:
        """A database of this test run's own, the same for all tests."""
        return _postgres(request.getfixturevalue("postgres_server"))


@cache
def _postgres(server: Any) -> Mapping[str, Any]:
    url = server.create_database("office")
    login, _, host = url.removeprefix("postgresql+psycopg://").partition("@")
    user, _, password = login.partition(":")
    return {"url": f"postgresql://{user}@{host}", "password": password}


class MariaDbOffice(SqlOffice):
    """An office on MariaDB."""

    name = "sql-mariadb"

    @classmethod
    def url(cls, at: Path, request: pytest.FixtureRequest) -> Mapping[str, Any]:
        """A database of this test run's own, the same for all tests."""
        return _mariadb(request.getfixturevalue("mariadb_server"))


@cache
def _mariadb(server: Any) -> Mapping[str, Any]:
    server.run("CREATE DATABASE office CHARACTER SET utf8mb4")
    return {"url": server.url("office")}


def _both(connector: SqlConnector) -> None:
    connector.import_new()
    connector.export_news()
