"""Statements that go to SQLite's own connection say and find what SQLAlchemy would have said and found."""

from __future__ import annotations

import importlib
import json
import pkgutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import BindParameter, Insert, Select, event
from sqlalchemy.sql.selectable import CompoundSelect
from sqlalchemy.sql.visitors import iterate

import adapters.mailbox
from adapters.mailbox.arrivals import LETTER
from adapters.mailbox.messages import Message
from adapters.mailbox.prepared import Prepared
from tests.unit.adapter.network import Office, until
from tests.unit.adapter.test_mailbox_plans import receive, send

NAMED = [
    (f"{module.name}.{name}", value)
    for module in pkgutil.iter_modules(adapters.mailbox.__path__)
    for name, value in vars(importlib.import_module(f"adapters.mailbox.{module.name}")).items()
    if isinstance(value, Prepared)
]
ASKING = [each for each in NAMED if isinstance(each[1]._statement, Select | CompoundSelect)]
WRITING = [each for each in NAMED if isinstance(each[1]._statement, Insert)]
NUMBERS = {"most", "at", "bound", "since", "now", "item"}
LISTS = {"but", "rows", "files"}


def values_of(statement: Any, at: int) -> dict[str, Any]:
    """A value for each parameter that has none, another at each turn: rows that are there, and what is not."""
    found: dict[str, Any] = {}
    for each in iterate(statement):
        if isinstance(each, BindParameter) and each.required:
            if each.key in LISTS:
                found[each.key] = [[], [1], [1, 2, 3]][at % 3]
            elif each.key in NUMBERS:
                found[each.key] = [0, 1, 5, 2_000_000_000][at % 4]
            else:
                found[each.key] = [1, 0, None, "folder", 5, 2_000_000_000][at % 6]
    return found


@pytest.mark.parametrize(("name", "prepared"), ASKING, ids=[name for name, _ in ASKING])
async def test_a_prepared_question_finds_what_sqlalchemy_finds(
    sender: Office, recipient: Office, tmp_path: Path, name: str, prepared: Prepared
) -> None:
    await send(sender, tmp_path / "out")
    await receive(recipient, tmp_path / "in")
    for office in (sender, recipient):
        with office.mailbox._database.reading() as connection:
            for at in range(6):
                values = values_of(prepared._statement, at)
                plain = {key: json.dumps(one) if key in LISTS else one for key, one in values.items()}
                expected = connection.execute(prepared._statement, plain).all()
                assert [tuple(row) for row in prepared.all(connection, values)] == [
                    tuple(row) for row in expected
                ]


def test_every_statement_that_every_letter_asks_for_is_prepared() -> None:
    assert len(ASKING) >= 20
    assert len(NAMED) - len(ASKING) >= 15


@pytest.mark.parametrize(("name", "prepared"), WRITING, ids=[name for name, _ in WRITING])
def test_a_prepared_insertion_fills_in_what_the_table_says(name: str, prepared: Prepared) -> None:
    """Every column with a default of its own has it, though no value was given."""
    table = prepared._statement.table  # type: ignore[union-attr]
    text, names, fixed = prepared._text({column.name: None for column in table.columns if not column.default})
    defaults = {column.name: column.default.arg for column in table.columns if column.default}
    assert defaults.items() <= fixed.items()
    assert set(defaults) <= set(names)
    assert text.count("?") == len(names)


def test_who_listens_to_the_engine_hears_of_prepared_statements(sender: Office) -> None:
    heard: list[str] = []
    engine = sender.mailbox._database.engine

    def hear(_connection: Any, cursor: sqlite3.Cursor, statement: str, *_: Any) -> None:
        assert isinstance(cursor, sqlite3.Cursor)
        heard.append(statement)

    event.listen(engine, "before_cursor_execute", hear)
    sender.mailbox.arrivals.store([Message(type=LETTER, body=b"x", headers={"consignment": 7})])
    event.remove(engine, "before_cursor_execute", hear)
    assert [each.split()[0] for each in heard] == ["SELECT", "INSERT", "SELECT"]


async def test_a_receipt_is_sealed_in_the_transaction_that_says_delivered(recipient: Office) -> None:
    """What is delivered has a receipt that can go at once: no second commit stands between them."""
    path = recipient.mailbox._database.folder / "mailbox.sqlite"
    found: set[tuple[str, bool]] = set()

    def look(*_: Any) -> None:
        with closing(sqlite3.connect(path)) as database:
            rows = database.execute(
                "SELECT inbox.state, outbox.raw IS NOT NULL FROM inbox, outbox WHERE outbox.type = 'notice'"
            ).fetchall()
        found.update((state, bool(sealed)) for state, sealed in rows)

    async with recipient.running():
        event.listen(recipient.mailbox._database.engine, "begin", look)
        recipient.hear(recipient.bus.directory(), recipient.bus.letter(recipient.signed()))
        await until(lambda: found)
    assert found == {("delivered", True)}
