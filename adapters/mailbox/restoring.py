"""Delivered letters of which a file has gone from the store since: it is fetched again, without a second receipt."""

from __future__ import annotations

from sqlalchemy import update

from adapters.mailbox.database import Database
from adapters.mailbox.inbox import InboxState
from adapters.mailbox.tables import inbox


class Restoring:
    """From delivered to delivered, or to incomplete if the depot has the file no more."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, row: int, reason: str) -> None:
        """Have the files fetched again that are not here."""
        values = {"next_attempt_at": 0.0, "attempts": 0, "last_error": reason}
        with self._database.writing():
            self._pass(row, InboxState.DELIVERED, InboxState.RESTORING, **values)
            self._database.added()

    def complete(self, row: int) -> None:
        """Say that all files are durable here once more."""
        self._pass(row, InboxState.RESTORING, InboxState.DELIVERED, last_error=None)

    def give_up(self, row: int, reason: str) -> None:
        """Say that a file cannot be had again."""
        self._pass(row, InboxState.RESTORING, InboxState.INCOMPLETE, last_error=reason)

    def _pass(self, row: int, before: InboxState, after: InboxState, **values: object) -> None:
        change = update(inbox).where(inbox.c.id == row, inbox.c.state == before)
        with self._database.writing() as connection:
            connection.execute(change.values(state=after, **values))
