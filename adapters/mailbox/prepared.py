"""Statements that every letter asks for: compiled once, and run on SQLite's own connection.

SQLAlchemy looks at a statement and at each of its values anew whenever it is executed, and at each row that is found;
that takes several times as long as SQLite does. What is asked for now and then is asked through it all the same.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Connection, Delete, Insert, RowMapping, Select, Update, bindparam, func, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.selectable import CompoundSelect

from adapters.mailbox.opening import driver

Values = Mapping[str, Any]
Row = RowMapping | sqlite3.Row
"""What is found, by the names of its columns; SQLite knows no truth values but 0 and 1."""
Statement = Select[Any] | CompoundSelect[Any] | Insert | Update | Delete
_Text = tuple[str, tuple[str, ...], dict[str, Any]]
"""A statement in SQL, its parameters in order, and those that have a value of their own."""


class Prepared:
    """A statement whose text is the same whatever the values of its parameters are; a list is for `any_of`.

    Whoever listens for what the engine executes hears of it too.
    """

    def __init__(self, statement: Statement) -> None:
        self._statement = statement
        self._texts: dict[tuple[str, ...], _Text] = {}

    def all(self, connection: Connection, values: Values) -> list[sqlite3.Row]:
        """Every row that is found."""
        return self._executed(connection, values).fetchall()

    def first(self, connection: Connection, values: Values) -> sqlite3.Row | None:
        """The first row that is found, None if there is none."""
        found = self.all(connection, values)
        return found[0] if found else None

    def one(self, connection: Connection, values: Values) -> sqlite3.Row:
        """The one row that is there."""
        (found,) = self.all(connection, values)
        return found

    def run(self, connection: Connection, values: Values) -> int:
        """Write; give how many rows it has met."""
        return self._executed(connection, values).rowcount

    def many(self, connection: Connection, rows: Sequence[Values]) -> None:
        """Execute it for each of these, which have the same names."""
        if rows:
            text, names, fixed = self._text(rows[0])
            known = [{**fixed, **row} for row in rows]
            values = [tuple(each[name] for name in names) for each in known]
            _execute(connection, text, values, many=True)

    def _executed(self, connection: Connection, values: Values) -> sqlite3.Cursor:
        text, names, fixed = self._text(values)
        known = {**fixed, **values}
        return _execute(connection, text, tuple(_given(known[name]) for name in names))

    def _text(self, values: Values) -> _Text:
        names = tuple(values)
        if (found := self._texts.get(names)) is None:
            found = self._texts[names] = _compiled(self._statement, names)
        return found


def any_of(name: str) -> Select[Any]:
    """What a list holds that is a parameter: it goes there as JSON, so that the statement is one for all lists."""
    return select(func.json_each(bindparam(name)).table_valued("value").c.value)


def _given(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list) else value


def _compiled(statement: Statement, names: Sequence[str]) -> _Text:
    defaults: dict[str, Any] = {}
    if isinstance(statement, Insert):
        defaults = {
            column.name: cast(Any, column.default).arg
            for column in statement.table.columns
            if column.default is not None and column.name not in names
        }
    keys = [*names, *defaults] if isinstance(statement, Insert) else None
    compiled = statement.compile(dialect=sqlite.dialect(), column_keys=keys)
    # The lists that stand in the statement itself are written out; all other values come with each call.
    state = compiled.construct_expanded_state(dict.fromkeys([*names, *defaults]), escape_names=False)
    fixed = {name: value for name, value in state.parameters.items() if name not in names} | defaults
    return state.statement, tuple(state.positiontup or ()), fixed


def _execute(
    connection: Connection, text: str, values: Sequence[Any], *, many: bool = False
) -> sqlite3.Cursor:
    cursor = driver(connection).cursor()
    cursor.row_factory = sqlite3.Row
    for listener in connection.engine.dispatch.before_cursor_execute:
        listener(connection, cursor, text, values, None, many)
    return cursor.executemany(text, values) if many else cursor.execute(text, values)
