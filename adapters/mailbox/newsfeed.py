"""What the office's own system is to be told, in order, and how far each connector has come with it.

A connector prepares items under temporary names, says so (`prepared`), shows each by one atomic step (a rename), and
says that (`told`). Found prepared and not told after a crash, an item whose temporary name is gone was shown: that is
how nothing is shown twice, even if the office has taken it away since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.sqlite import insert

from adapters.mailbox.database import Database
from adapters.mailbox.prepared import Prepared, Row
from adapters.mailbox.tables import bookmarks, deferred_news, news


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


@dataclass(frozen=True, slots=True)
class Deferral:
    """An item that could not be told: after how many attempts more, when it is tried again (Unix time), and why."""

    item: int
    attempts: int
    next_attempt_at: float
    error: str


class Newsfeed:
    """Items are added by whoever makes them; here they are read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def after(self, item: int, limit: int) -> list[Item]:
        """The next items, in order."""
        return self._database.rows(_AFTER, _item, {"item": item, "most": limit})

    def bookmark(self, connector: str) -> Bookmark:
        """Where this connector stands."""
        with self._database.reading() as connection:
            row = _BOOKMARK.first(connection, {"name": connector})
        if row is None:
            return Bookmark(0, 0, ())
        return Bookmark(row["told"], row["prepared"], tuple(row["place"].split("\n")))

    def prepared(self, connector: str, item: int, places: Sequence[str]) -> None:
        """Say that all up to an item is complete under temporary names, to be shown at `places` (no line breaks)."""
        self._database.execute(
            _PREPARED, {"connector": connector, "prepared": item, "place": "\n".join(places)}
        )

    def told(self, connector: str, item: int) -> None:
        """Say that all up to an item was shown."""
        self._database.execute(_TOLD, {"connector": connector, "told": item})

    def defer(self, connector: str, deferral: Deferral) -> None:
        """Have later items told before this one."""
        self._database.execute(_DEFER, {"connector": connector, **asdict(deferral)})

    def deferred(self, connector: str, at: float) -> list[tuple[Item, int]]:
        """The items that were put off and are to be tried again now, each with the attempts made."""
        values = {"name": connector, "at": at}
        return self._database.rows(_DEFERRED, lambda row: (_item(row), row["attempts"]), values)

    def deferrals(self, connector: str) -> list[Deferral]:
        """Everything that was put off and is not told yet."""
        return self._database.rows(_DEFERRALS, lambda row: Deferral(**row), {"name": connector})

    def no_longer_deferred(self, connector: str, item: int) -> None:
        """Say that an item that was put off was told."""
        self._database.execute(_TOLD_LATE, {"name": connector, "which": item})


def _item(row: Row) -> Item:
    values = {name: row[name] for name in Item.__slots__}
    return Item(**(values | {"kind": Kind(row["kind"])}))


_AFTER = Prepared(
    select(news).where(news.c.id > bindparam("item")).order_by(news.c.id).limit(bindparam("most"))
)
_BOOKMARK = Prepared(select(bookmarks).where(bookmarks.c.connector == bindparam("name")))
_ADD = insert(bookmarks)
_PREPARED = Prepared(
    _ADD.on_conflict_do_update(
        index_elements=["connector"], set_={"prepared": _ADD.excluded.prepared, "place": _ADD.excluded.place}
    )
)
_TOLD = Prepared(_ADD.on_conflict_do_update(index_elements=["connector"], set_={"told": _ADD.excluded.told}))
_OF_CONNECTOR = deferred_news.c.connector == bindparam("name")
_DEFER = insert(deferred_news)
_DEFER = _DEFER.on_conflict_do_update(
    index_elements=["connector", "item"],
    set_={name: _DEFER.excluded[name] for name in ("attempts", "next_attempt_at", "error")},
)
_DEFERRED = Prepared(
    select(news, deferred_news.c.attempts)
    .join(deferred_news, deferred_news.c.item == news.c.id)
    .where(_OF_CONNECTOR, deferred_news.c.next_attempt_at <= bindparam("at"))
    .order_by(news.c.id)
)
_DEFERRALS = Prepared(
    select(*(deferred_news.c[name] for name in Deferral.__slots__))
    .where(_OF_CONNECTOR)
    .order_by(deferred_news.c.item)
)
_TOLD_LATE = delete(deferred_news).where(_OF_CONNECTOR, deferred_news.c.item == bindparam("which"))
