"""What the mailbox remembers about itself, by name: when it last did a thing, and what it was asked to do."""

from __future__ import annotations

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.sqlite import insert

from adapters.mailbox.database import Database
from adapters.mailbox.prepared import Prepared
from adapters.mailbox.tables import properties

RECONCILED_AT, RECONCILE_ASKED_AT = "reconciled-at", "reconcile-asked-at"
RECONCILE_DONE_FOR = "reconcile-done-for"
"""Which request was the last to be carried out."""


class Properties:
    """Texts under names; a name has one text at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> str | None:
        """The text under a name, None if there is none."""
        return self._database.scalar(_GET, {"name": name})

    def set(self, name: str, value: str) -> None:
        """Put a text under a name."""
        self._database.execute(_SET, {"name": name, "value": value})


_GET = Prepared(select(properties.c.value).where(properties.c.name == bindparam("name")))
_ADD = insert(properties)
_SET = Prepared(_ADD.on_conflict_do_update(index_elements=["name"], set_={"value": _ADD.excluded.value}))
