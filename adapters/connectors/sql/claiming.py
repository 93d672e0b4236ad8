"""Taking rows from the office's tables: two transactions and one key.

1. *Claim*: the row's status goes from `ready` to `claimed`, with the mailbox's own mark, in a transaction of its own.
2. It is put into the mailbox under a key that is made from the row's key: put again, it is the same thing.
3. *Conclude*: the status goes from `claimed` to what has become of it, in a second transaction.

Killed between two of these, the adapter finds the row claimed under its mark and goes on with the second. A row that
somebody else has locked, the office's program or another adapter, is passed over and not waited for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select, update
from sqlalchemy.sql.dml import Update

from adapters.connectors.sql.office import Office, OfficeTable
from bus.failpoints import reached

_BATCH = 50
_HINT = "WITH (UPDLOCK, READPAST, ROWLOCK)"
_LOOK = "WITH (READPAST)"
"""SQL Server's words for what others say by `FOR UPDATE SKIP LOCKED`, and for looking without waiting."""


def waiting(table: OfficeTable, ready: str, claimed: str, mark: str, after: Any) -> Select[Any]:
    """The rows that are ready or claimed by us, in the order of their keys; only those after a key if one is given."""
    c = table.columns
    wanted = or_(c["status"] == ready, and_(c["status"] == claimed, c["claimed_by"] == mark))
    query = select(c["key"], c["status"]).where(wanted).order_by(c["key"]).limit(_BATCH)
    query = query if after is None else query.where(c["key"] > after)
    return query.with_hint(table.clause, _LOOK, "mssql")


def locked(table: OfficeTable, key: Any, ready: str) -> Select[Any]:
    """The row of this key, locked until the end of the transaction, if it is ready and nobody else has locked it."""
    c = table.columns
    query = select(c["key"]).where(c["key"] == key, c["status"] == ready)
    return query.with_hint(table.clause, _HINT, "mssql").with_for_update(skip_locked=True)


def changed(table: OfficeTable, where: ColumnElement[bool], values: Mapping[str, Any]) -> Update:
    """Set fields of rows, those that are the door's to set and for which the office has columns."""
    known = {
        table.columns[field]: values[field] for field in table.form.set if field in values and field in table
    }
    return update(table.clause).where(where).values(known)


class Claims:
    """The rows of one table, under the mark of one mailbox."""

    def __init__(self, office: Office, table: OfficeTable, mark: str, states: Mapping[str, str]) -> None:
        """`states`: what the office has for `ready` and `claimed`."""
        self._office, self._table, self._mark = office, table, mark
        self._ready, self._claimed = states["ready"], states["claimed"]

    def rows(self) -> Iterator[tuple[Any, bool]]:
        """The keys of all rows that wait, and whether each is claimed already."""
        last: Any = None
        while True:
            query = waiting(self._table, self._ready, self._claimed, self._mark, last)
            with self._office.transaction() as connection:
                found = connection.execute(query).all()
            for key, status in found:
                yield key, str(status).strip() == self._claimed
            if len(found) < _BATCH:
                return
            last = found[-1][0]

    def claim(self, key: Any) -> bool:
        """Make a row ours; False if it is not ready any more, or locked by somebody."""
        c = self._table.columns
        values = {"status": self._claimed, "claimed_by": self._mark}
        with self._office.transaction() as connection:
            if connection.execute(locked(self._table, key, self._ready)).first() is None:
                return False
            ready = and_(c["key"] == key, c["status"] == self._ready)
            connection.execute(changed(self._table, ready, values))
        reached("sql.after-claim")
        return True

    def conclude(self, key: Any, values: Mapping[str, Any]) -> None:
        """Say what has become of a row of ours."""
        c = self._table.columns
        ours = and_(c["key"] == key, c["status"] == self._claimed, c["claimed_by"] == self._mark)
        reached("sql.before-conclude")
        with self._office.transaction() as connection:
            connection.execute(changed(self._table, ours, values))
        reached("sql.after-conclude")

    def read(self, table: OfficeTable, where: ColumnElement[bool], *fields: str) -> list[dict[str, Any]]:
        """Rows of a table by field: of `fields` those that are there, or all that the door reads."""
        wanted = [each for each in fields or table.form.read if each in table]
        query = select(*(table.columns[each].label(f"f{n}") for n, each in enumerate(wanted))).where(where)
        if "position" in table:
            query = query.order_by(table.columns["position"])
        with self._office.transaction() as connection:
            return [dict(zip(wanted, row, strict=True)) for row in connection.execute(query)]
