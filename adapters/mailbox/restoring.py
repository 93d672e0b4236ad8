"""Delivered letters of which a file has gone from the store since: it is fetched again, without a second receipt."""

from __future__ import annotations

from sqlalchemy import update

from adapters.mailbox.inbox import Progress
from adapters.mailbox.store import Store
from adapters.mailbox.tables import inbox


class Restoring:
    """From delivered to delivered, or to incomplete if the depot has the file no more."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def begin(self, row: int, reason: str) -> None:
        """Have the files fetched again that are not here."""
        values = {"next_attempt_at": 0.0, "attempts": 0, "last_error": reason}
        with self._store.writing():
            self._pass(row, Progress.DELIVERED, Progress.RESTORING, **values)
            self._store.added()

    def complete(self, row: int) -> None:
        """Say that all files are durable here once more."""
        self._pass(row, Progress.RESTORING, Progress.DELIVERED, last_error=None)

    def give_up(self, row: int, reason: str) -> None:
        """Say that a file cannot be had again."""
        self._pass(row, Progress.RESTORING, Progress.INCOMPLETE, last_error=reason)

    def _pass(self, row: int, before: Progress, after: Progress, **values: object) -> None:
        change = update(inbox).where(inbox.c.id == row, inbox.c.state == before)
        with self._store.writing() as connection:
            connection.execute(change.values(state=after, **values))
