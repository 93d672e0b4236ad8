"""What the office's own system is to be told, in order, and how far each connector has come with it.

A connector prepares an item under a temporary name, says so (`prepared`), shows it by one atomic step (a rename), and
says that (`told`). Found prepared and not told after a crash, an item whose temporary name is gone was shown: that is
how nothing is shown twice, even if the office has taken it away since.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import select, update
from sqlalchemy.dialects.sqlite import insert as insert_or_update

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
    """A connector's place: told up to an item, and what it has prepared (0 for nothing)."""

    told: int
    prepared: int
    place: str


class Newsfeed:
    """Items are added by whoever makes them; here they are read."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def after(self, item: int, limit: int) -> list[Item]:
        """The next items, in order."""
        query = select(news).where(news.c.id > item).order_by(news.c.id).limit(limit)
        with self._store.reading() as connection:
            rows = connection.execute(query).mappings().all()
        return [Item(**(dict(row) | {"kind": Kind(row["kind"])})) for row in rows]

    def bookmark(self, connector: str) -> Bookmark:
        """Where this connector stands."""
        query = select(bookmarks).where(bookmarks.c.connector == connector)
        with self._store.reading() as connection:
            row = connection.execute(query).mappings().first()
        return Bookmark(row["told"], row["prepared"], row["place"]) if row else Bookmark(0, 0, "")

    def prepared(self, connector: str, item: int, place: str) -> None:
        """Say that an item is complete under its temporary name and will be shown at `place`."""
        with self._store.writing() as connection:
            connection.execute(
                insert_or_update(bookmarks).values(connector=connector).on_conflict_do_nothing()
            )
            connection.execute(
                update(bookmarks).where(bookmarks.c.connector == connector).values(prepared=item, place=place)
            )

    def told(self, connector: str, item: int) -> None:
        """Say that an item was shown."""
        with self._store.writing() as connection:
            connection.execute(
                insert_or_update(bookmarks).values(connector=connector).on_conflict_do_nothing()
            )
            connection.execute(update(bookmarks).where(bookmarks.c.connector == connector).values(told=item))
