"""From the mailbox into the office's tables: letters with their files, and a row for each event.

Each item of news is written in one transaction of the office's database, its row in `events` among what it writes; its
key says whether an item was written before. Only then the mailbox's bookmark moves on: killed between the two, the
adapter finds the key and writes nothing. An item that the tables have no room for is put off and tried again, later
each time, and the rest goes on.
"""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Connection, and_, insert, select
from sqlalchemy.exc import SQLAlchemyError

from adapters.connectors.sql.claiming import changed
from adapters.connectors.sql.laying import NotWhole
from adapters.connectors.sql.model import INWARD, Status
from adapters.connectors.sql.office import Lacking, Office, kind_of
from adapters.connectors.sql.rights import require_rights
from adapters.connectors.sql.values import Unfit
from adapters.connectors.sql.writing import Answered, Local, Rows, Written
from adapters.mailbox import Mailbox
from adapters.mailbox.conditions import ConditionCode, Finding
from adapters.mailbox.newsfeed import Deferral, Item
from bus.errors import BusError, Transient
from bus.failpoints import reached
from bus.logs import get

_LOG = get(__name__)
_BATCH = 25
_LONGEST_PAUSE = 60.0


class NotConcluded(BusError):
    """An answer came before the row that asked is concluded; it is told when that is done."""


class Exporter:
    """Writes the news of one mailbox into one office's tables."""

    def __init__(
        self, mailbox: Mailbox, office: Office, rows: Rows, name: str, states: dict[str, str]
    ) -> None:
        """`states`: what the office has for each state of a row."""
        self._mailbox, self._office, self._rows = mailbox, office, rows
        self._name, self._states = name, states

    def export_news(self) -> int:
        """Write all news that is not written yet, in order, and once more what was put off and is due."""
        news, exported = self._mailbox.news, 0
        due = news.deferred(self._name, time.time())
        for role in INWARD:
            self._office.table(role, anew=bool(due))  # a column may have been widened
        for item, attempts in due:
            if self._export(item, attempts + 1):
                news.no_longer_deferred(self._name, item.id)
                exported += 1
        while items := news.after(news.bookmark(self._name).told, _BATCH):
            for item in items:
                exported += self._export(item, 0)
                news.told(self._name, item.id)
        return exported

    def findings(self) -> list[Finding]:
        """What was put off, and why."""
        found = []
        for each in self._mailbox.news.deferrals(self._name):
            th, _, en = each.error.partition("\n")
            found.append(Finding(ConditionCode.SQL_UNFIT, f"item {each.item}", th, en or th))
        return found

    def _export(self, item: Item, attempts: int) -> bool:
        """Write an item; False if it had to be put off."""
        try:
            with self._mailbox.snapshot():
                written = self._rows.of(item)
            reached("sql.before-write", [item.kind])
            self._write(written)
            reached("sql.after-write", [item.kind])
        except (Transient, Lacking):
            raise  # the mailbox or the database does not answer, or has not the tables
        except Exception as exc:
            self._put_off(item, attempts, exc)
            return False
        return True

    def _write(self, written: Written) -> None:
        events = self._office.table("events")
        if events is None:
            return
        with self._office.transaction() as connection:
            known = select(events.columns["key"]).where(events.columns["key"] == written.event["key"])
            if connection.execute(known).first() is not None:
                return
            self._add(connection, "inbox", written.inbox)
            for values, file in written.files:
                content = {} if file is None else {"content": self._rows.content_of(file)}
                self._add(connection, "inbox_files", values | content)
            local = {} if written.local is None else self._local_key(connection, written.local)
            self._add(connection, "events", written.event | local)
            if written.answered is not None:
                self._answer(connection, written.answered)

    def _add(self, connection: Connection, role: str, values: dict[str, Any] | None) -> None:
        table = self._office.table(role)
        if table is not None and values is not None:
            connection.execute(insert(table.clause).values({table.columns[f]: v for f, v in values.items()}))

    def _local_key(self, connection: Connection, local: Local) -> dict[str, Any]:
        """The office's own key of what an event is about, as its tables have it."""
        table = self._office.table(local.role)
        if table is None or local.field not in table or local.wanted not in table:
            return {}
        query = select(table.columns[local.wanted]).where(table.columns[local.field] == local.value)
        found = connection.execute(query).scalar()
        return {} if found is None else self._rows.local_key(found)

    def _answer(self, connection: Connection, answered: Answered) -> None:
        """Say in the office's row what the bus has answered, unless the office has asked anew meanwhile."""
        table = self._office.table(answered.row.role)
        if table is None or answered.row.field not in table:
            return
        c = table.columns
        asked = [self._states[each] for each in (Status.READY, Status.CLAIMED)]
        this = c[answered.row.field] == answered.row.value
        claimed = and_(this, c["status"] == self._states[Status.CLAIMED])
        if connection.execute(select(c["status"]).where(claimed)).first() is not None:
            # What concludes it would write "taken" over the answer, and nothing would say it again.
            raise NotConcluded("the row of this answer is still being taken")
        row = and_(this, c["status"].not_in(asked))
        values = {"status": answered.status, "entry": answered.entry}
        connection.execute(changed(table, and_(row, c["claimed_by"].is_not(None)), values))

    def _put_off(self, item: Item, attempts: int, error: Exception) -> None:
        if isinstance(error, NotWhole):
            self._mailbox.inbox.restore(item.inbox or 0, str(error))
        elif not isinstance(error, Unfit):
            if isinstance(error, SQLAlchemyError):
                require_rights(self._office, INWARD)  # then every item waits, and not only this one
            _LOG.error("export-postponed", item=item.id, exc_info=error)
        due = time.time() + min(2.0 ** min(attempts, 20), _LONGEST_PAUSE)
        self._mailbox.news.defer(self._name, Deferral(item.id, attempts, due, _why(error)))


def _why(error: Exception) -> str:
    if isinstance(error, Unfit):
        return f"{error.th}\n{error.en}"
    if isinstance(error, SQLAlchemyError):
        return kind_of(error)
    return str(error) if isinstance(error, BusError) else type(error).__name__
