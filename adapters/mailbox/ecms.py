"""What the e-CMS connector remembers: the queue that its client pulls from, and the letters that the client has posted.

The bookmark `ecms` says up to which item of news the queue was filled; each item that has a form in e-CMS is a row, and
stays the head of the queue until it is deleted. A ProcessID is made of an item's day and number, so that the same item
has the same one for ever.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Select, func, insert, select, update

from adapters.mailbox.database import Database
from adapters.mailbox.door_tables import handed_over
from adapters.mailbox.ecms_tables import ecms_items, ecms_requests
from adapters.mailbox.entries import OutboxEntry, outgoing
from adapters.mailbox.prepared import Row
from adapters.mailbox.tables import bookmarks, news, outbox
from bus.thai import normalise_number, now


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterName:
    """How e-CMS names a letter: all four together; an empty one is not asked for."""

    number: str
    """As displayed; compared normalised."""
    date: str
    sender: str = ""
    recipient: str = ""

    @property
    def number_normal(self) -> str:
        """The number as it is compared."""
        return normalise_number(self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """An item in the form of e-CMS."""

    item: int
    process_id: str
    kind: str
    served: int
    served_last: str | None
    deleted_at: str | None
    skipped: str | None
    number_normal: str
    date: str
    sender: str
    recipient: str

    @property
    def skipped_by_operator(self) -> bool:
        """Whether an operator took it out of the queue."""
        return (self.skipped or "").startswith(BY_OPERATOR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A letter that was posted."""

    outbox: int
    content: str
    round: int
    recipient: str
    request_sha256: str
    refusal_answered: bool = False


BY_OPERATOR = "operator: "
"""What begins the reason of an item that an operator has skipped."""


def process_id(at: str, number: int) -> str:
    """Eighteen digits: the day of an ISO 8601 time, and a number of ten digits."""
    return f"{at[:10].replace('-', '')}{number:010d}"


class Ecms:
    """Rows are added and marked; nothing is removed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def queue(self, item: int, at: str, kind: str, name: LetterName) -> None:
        """Add an item of news to the queue; one that is there already stays as it is."""
        values = {
            "item": item,
            "process_id": process_id(at, item),
            "kind": kind,
            "number_normal": name.number_normal,
            "date": name.date,
            "sender": name.sender,
            "recipient": name.recipient,
        }
        with self._database.writing() as connection:
            if connection.execute(select(ecms_items.c.item).where(ecms_items.c.item == item)).first() is None:
                connection.execute(insert(ecms_items), values)

    def head(self) -> Queued | None:
        """The first item that is not deleted."""
        return self._database.first(_HEAD, _queued)

    def waiting(self) -> int:
        """How many items are not deleted."""
        query = select(func.count()).select_from(ecms_items).where(ecms_items.c.deleted_at.is_(None))
        return int(self._database.scalar(query) or 0)

    def skipped(self) -> int:
        """How many items an operator has skipped."""
        query = select(func.count()).select_from(ecms_items).where(_SKIPPED)
        return int(self._database.scalar(query) or 0)

    def queued(self, *, skipped: bool, limit: int) -> list[Queued]:
        """The items that wait, the head first; or those that an operator has skipped."""
        query = select(*_COLUMNS).where(_SKIPPED if skipped else ecms_items.c.deleted_at.is_(None))
        return self._database.rows(query.order_by(ecms_items.c.item).limit(limit), _queued)

    def find(self, process: str) -> Queued | None:
        """The item of a ProcessID."""
        return self._database.first(select(*_COLUMNS).where(ecms_items.c.process_id == process), _queued)

    def of_item(self, item: int) -> Queued | None:
        """The item of that number, if it is in the queue or was."""
        return self._database.first(select(*_COLUMNS).where(ecms_items.c.item == item), _queued)

    def of_letter(self, row: int) -> Queued | None:
        """The item of a received letter (row of the inbox)."""
        query = select(*_COLUMNS).join(news, news.c.id == ecms_items.c.item)
        return self._database.first(query.where(news.c.kind == "letter", news.c.inbox == row), _queued)

    def named(self, kind: str, name: LetterName) -> Queued | None:
        """The newest item of that kind about that letter, deleted or not."""
        query = select(*_COLUMNS).where(
            ecms_items.c.kind == kind, ecms_items.c.number_normal == name.number_normal
        )
        for column in ("date", "sender", "recipient"):
            if wanted := getattr(name, column):
                query = query.where(ecms_items.c[column] == wanted)
        return self._database.first(query.order_by(ecms_items.c.item.desc()).limit(1), _queued)

    def serve(self, item: int) -> None:
        """Note that the client is being given an item."""
        at = now().isoformat()
        values = {
            "served": ecms_items.c.served + 1,
            "served_first": func.coalesce(ecms_items.c.served_first, at),
            "served_last": at,
        }
        self._database.execute(update(ecms_items).where(ecms_items.c.item == item).values(**values))

    def serve_again(self, item: int) -> None:
        """Put an item that was skipped back into the queue, where it stood."""
        change = update(ecms_items).where(ecms_items.c.item == item)
        self._database.execute(change.values(deleted_at=None, skipped=None, served=0))

    def delete(self, item: int, skipped: str | None = None) -> None:
        """Take an item out of the queue: the client has it, or it was `skipped` for that reason."""
        change = update(ecms_items).where(ecms_items.c.item == item, ecms_items.c.deleted_at.is_(None))
        self._database.execute(change.values(deleted_at=now().isoformat(), skipped=skipped))

    def told_elsewhere(self, item: int) -> bool:
        """Whether another door of this mailbox has told the office of that letter (an item of news), or begun to."""
        marked = select(bookmarks.c.told).where(
            bookmarks.c.connector.not_like("ecms%"), bookmarks.c.told >= item
        )
        leased = select(handed_over.c.inbox).join(news, news.c.inbox == handed_over.c.inbox)
        leased = leased.where(news.c.id == item)
        return any(self._database.scalar(query.limit(1)) is not None for query in (marked, leased))

    def add_request(self, request: Request) -> None:
        """Remember a letter that was posted, in the transaction that puts it into the outbox."""
        values = asdict(request) | {"received_at": now().isoformat()}
        self._database.execute(insert(ecms_requests), values)

    def requests(self, content: str) -> list[tuple[Request, OutboxEntry]]:
        """The letters that were posted with that content, in order."""
        query = _POSTED.where(ecms_requests.c.content == content).order_by(ecms_requests.c.round)
        return self._posted(query)

    def request_of(self, row: int) -> Request | None:
        """How a row of the outbox was posted; None for one that came otherwise."""
        found = self._posted(_POSTED.where(ecms_requests.c.outbox == row))
        return found[0][0] if found else None

    def posted(self, since: str) -> list[tuple[Request, OutboxEntry]]:
        """The letters that were posted since then, in order."""
        query = _POSTED.where(ecms_requests.c.received_at >= since).order_by(ecms_requests.c.outbox)
        return self._posted(query)

    def answer_refusal(self, row: int) -> None:
        """Note that the client was answered with the bus's refusal of a letter, which is no news for it then."""
        with self._database.writing() as connection:
            connection.execute(
                update(ecms_requests).where(ecms_requests.c.outbox == row).values(refusal_answered=True)
            )
            about = select(news.c.id).where(news.c.outbox == row, news.c.kind == "answer")
            unserved = update(ecms_items).where(ecms_items.c.item.in_(about), ecms_items.c.served == 0)
            connection.execute(unserved.values(deleted_at=now().isoformat(), skipped="answered"))

    def _posted(self, query: Select[Any]) -> list[tuple[Request, OutboxEntry]]:
        with self._database.reading() as connection:
            rows = connection.execute(query).mappings().all()
        found = []
        for row in rows:
            request = {name: row[f"posted_{name}"] for name in Request.__slots__}
            found.append((Request(**request), outgoing(row)))
        return found


def _queued(row: Row) -> Queued:
    return Queued(**{name: row[name] for name in Queued.__slots__})


_SKIPPED = ecms_items.c.skipped.startswith(BY_OPERATOR, autoescape=True)
_COLUMNS = tuple(ecms_items.c[name] for name in Queued.__slots__)
_HEAD = select(*_COLUMNS).where(ecms_items.c.deleted_at.is_(None)).order_by(ecms_items.c.item).limit(1)
_POSTED = select(outbox, *(ecms_requests.c[name].label(f"posted_{name}") for name in Request.__slots__)).join(
    ecms_requests, ecms_requests.c.outbox == outbox.c.id
)
