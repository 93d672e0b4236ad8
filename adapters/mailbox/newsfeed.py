"""What the office's own system is to be told, in order, and how far each connector has come with it.

A connector prepares items under temporary names, says so (`prepared`), shows each by one atomic step (a rename), and
says that (`told`). Found prepared and not told after a crash, an item whose temporary name is gone was shown: that is
how nothing is shown twice, even if the office has taken it away since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.sqlite import insert

from adapters.mailbox.store import Store
from adapters.mailbox.tables import bookmarks, news


class Kind(StrEnum):
    """What an item of news is about."""

    LETTER = "letter"
    NOTICE = "notice"
    ANSWER = "answer"
    QUARANTINE = "quarantine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One item of news: the rows that it is about."""

    id: int
    kind: Kind
    inbox: int | None
    outbox: int | None
    notice: int | None
    arrival: int | None
    at: str


@dataclass(frozen=True, slots=True)
class Bookmark:
    """A connector's place: told up to an item, prepared up to another one, and where the prepared ones will be."""

    told: int
    prepared: int
    places: tuple[str, ...]


class Newsfeed:
    """Items are added by whoever makes them; here they are read."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def after(self, item: int, limit: int) -> list[Item]:
        """The next items, in order."""
        with self._store.reading() as connection:
            rows = connection.execute(_AFTER, {"item": item, "most": limit}).mappings().all()
        return [Item(**(dict(row) | {"kind": Kind(row["kind"])})) for row in rows]

    def bookmark(self, connector: str) -> Bookmark:
        """Where this connector stands."""
        with self._store.reading() as connection:
            row = connection.execute(_BOOKMARK, {"name": connector}).first()
        return Bookmark(row.told, row.prepared, tuple(row.place.split("\n"))) if row else Bookmark(0, 0, ())

    def prepared(self, connector: str, item: int, places: Sequence[str]) -> None:
        """Say that all up to an item is complete under temporary names, to be shown at `places` (no line breaks)."""
        with self._store.writing() as connection:
            connection.execute(
                _PREPARED, {"connector": connector, "prepared": item, "place": "\n".join(places)}
            )

    def told(self, connector: str, item: int) -> None:
        """Say that all up to an item was shown."""
        with self._store.writing() as connection:
            connection.execute(_TOLD, {"connector": connector, "told": item})


_AFTER = select(news).where(news.c.id > bindparam("item")).order_by(news.c.id).limit(bindparam("most"))
_BOOKMARK = select(bookmarks).where(bookmarks.c.connector == bindparam("name"))
_ADD = insert(bookmarks)
_PREPARED = _ADD.on_conflict_do_update(
    index_elements=["connector"], set_={"prepared": _ADD.excluded.prepared, "place": _ADD.excluded.place}
)
_TOLD = _ADD.on_conflict_do_update(index_elements=["connector"], set_={"told": _ADD.excluded.told})
