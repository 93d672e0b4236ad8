"""Whether the adapter may do with each table what it has to, tried by statements that concern no row.

Each is rolled back. No right is asked for that the exchange does not need.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Executable, insert, null, select, text, update
from sqlalchemy.exc import DBAPIError

from adapters.connectors.sql.model import Use
from adapters.connectors.sql.office import Lacking, Office, OfficeTable, kind_of

_NO_ROW = text("1 = 0")
_RIGHTS = {Use.READ: "SELECT", Use.INSERT: "INSERT", Use.UPDATE: "UPDATE"}


def require_rights(office: Office, roles: Sequence[str]) -> None:
    """Raise Lacking for tables, columns and rights that are missing; Away."""
    wrong: list[tuple[str, str, str]] = []
    for role in roles:
        try:
            table = office.table(role, anew=True)
        except Lacking as exc:
            wrong += exc.wrong
            continue
        if table is not None:
            for right, error in missing_rights(office, table):
                th, en = f"ไม่มีสิทธิ์ {right} ({error})", f"no right to {right} ({error})"
                wrong.append((office.name_of(role), th, en))
    if wrong:
        raise Lacking(*wrong)


def missing_rights(office: Office, table: OfficeTable) -> Iterator[tuple[str, str]]:
    """The rights that a table is refused for, each with the database's code."""
    for use, statement in trials(table):
        try:
            with office.transaction() as connection:
                connection.execute(statement)
                connection.rollback()
        except DBAPIError as exc:
            yield _RIGHTS[use], kind_of(exc)


def trials(table: OfficeTable) -> Iterator[tuple[Use, Executable]]:
    """For each use that the exchange makes of a table, a statement of it that concerns no row."""
    there = [each for each in table.form.columns if each.field in table]
    used = {use: [table.columns[each.field] for each in there if use in each.uses] for use in Use}
    if columns := used[Use.READ]:
        yield Use.READ, select(*columns).where(_NO_ROW)
    if columns := used[Use.INSERT]:
        yield (
            Use.INSERT,
            insert(table.clause).from_select(columns, select(*(null() for _ in columns)).where(_NO_ROW)),
        )
    if columns := used[Use.UPDATE]:
        yield Use.UPDATE, update(table.clause).where(_NO_ROW).values(dict.fromkeys(columns, null()))
