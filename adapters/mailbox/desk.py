"""What the desk remembers: which letters are to be dealt with, in which order; notes of clerks; and who did what.

The list is made of the news (`newsfeed.py`) and of what this agency has said, whichever door it said it at. Speed and
due time of a letter stand in its document only, so they are kept beside it here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, or_, select, tuple_, update
from sqlalchemy.dialects.sqlite import insert

from adapters.mailbox.database import Database
from adapters.mailbox.desk_tables import desk_acts, desk_letters, desk_notes
from adapters.mailbox.newsfeed import Item, Kind, Newsfeed
from adapters.mailbox.tables import arrivals, inbox, notices, outbox
from bus.documents.letter import Letter
from bus.documents.notice import Event
from bus.documents.xml import open_envelope, read
from bus.identifiers import AgencyCode
from bus.operators import Operator
from bus.thai import normalise_number, now, timestamp

NAME: Final = "desk"
"""Under which the mailbox keeps how far the list has come with the news."""
NEVER: Final = "9999"
"""The due time of what has none: after all others."""
MOST_COUNTED: Final = 10_000
_SLOWEST: Final = 4
_AT_ONCE: Final = 200
_ANSWERS: Final = (Event.REGISTERED, Event.REFUSED, Event.MISDIRECTED, Event.WITHDRAWAL_GRANTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToDo:
    """A letter received, as the list has it."""

    inbox: int
    urgency: int
    """0 for the most urgent speed."""
    due: str
    """ISO, or `NEVER`."""
    done: bool
    seen_by: str | None
    seen_at: str | None

    @property
    def due_by(self) -> str | None:
        """When the sender wants it dealt with."""
        return None if self.due == NEVER else self.due


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which letters of the list."""

    done: bool = False
    unseen: bool = False
    urgency: int | None = None
    sender: AgencyCode | None = None
    number: str | None = None
    """In either set of digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What a clerk wrote about a letter."""

    at: str
    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Doer:
    """Who did something at the desk."""

    outbox: int
    name: str
    role: str
    method: str
    at: str


class Desk:
    """Rows are added and marked; nothing is removed."""

    def __init__(self, database: Database, agency: AgencyCode) -> None:
        self._database = database
        self._agency = agency
        self._news = Newsfeed(database)

    def read_news(self) -> None:
        """Read the news since the last time: letters that came, and notices, which may open letters anew."""
        while items := self._news.after(self._news.bookmark(NAME).told, _AT_ONCE):
            with self._database.writing() as connection:
                for each in items:
                    _read(connection, each)
                self._news.told(NAME, items[-1].id)

    def answered(self) -> list[int]:
        """The rows of letters that are not called done and of which this agency has said something final."""
        query = select(desk_letters.c.inbox).where(*self._answered())
        return self._database.rows(query, lambda row: int(row["inbox"]))

    def finish(self, rows: Sequence[int]) -> None:
        """Call letters done."""
        self._database.execute(update(desk_letters).where(desk_letters.c.inbox.in_(rows)).values(done=True))

    def page(self, wanted: Wanted, limit: int, after: ToDo | None = None) -> list[ToDo]:
        """Letters of the list behind one: what is open most urgent first, what is done newest first."""
        query = _listed(wanted)
        if wanted.done:
            query = query.order_by(desk_letters.c.inbox.desc())
            if after is not None:
                query = query.where(desk_letters.c.inbox < after.inbox)
        else:
            order = (desk_letters.c.urgency, desk_letters.c.due, desk_letters.c.inbox)
            query = query.order_by(*order)
            if after is not None:
                query = query.where(tuple_(*order) > tuple_(after.urgency, after.due, after.inbox))
        return self._database.rows(query.limit(limit), lambda row: ToDo(**row))

    def count(self, wanted: Wanted) -> int:
        """How many there are; `MOST_COUNTED` + 1 stands for more."""
        found = _listed(wanted).limit(MOST_COUNTED + 1).subquery()
        return int(self._database.scalar(select(func.count()).select_from(found)) or 0)

    def get(self, row: int) -> ToDo | None:
        """A letter of the list by its row of the inbox."""
        query = select(desk_letters).where(desk_letters.c.inbox == row)
        return self._database.first(query, lambda found: ToDo(**found))

    def seen(self, row: int, person: Operator) -> None:
        """Remember who looked at a letter first."""
        first = and_(desk_letters.c.inbox == row, desk_letters.c.seen_at.is_(None))
        self._database.execute(
            update(desk_letters).where(first).values(seen_by=person.name, seen_at=timestamp(now()))
        )

    def add_note(self, row: int, person: Operator, text: str) -> None:
        """Keep a note about a letter."""
        self._database.execute(
            insert(desk_notes).values(inbox=row, at=timestamp(now()), name=person.name, text=text)
        )

    def notes(self, row: int) -> list[Note]:
        """The notes about a letter, the oldest first."""
        query = select(desk_notes.c.at, desk_notes.c.name, desk_notes.c.text).where(desk_notes.c.inbox == row)
        return self._database.rows(query.order_by(desk_notes.c.id), lambda found: Note(**found))

    def note_act(self, row: int, person: Operator) -> None:
        """Remember who put a row into the outbox, in the transaction that does so; of the same again, the first."""
        values = {"outbox": row, "name": person.name, "role": person.role, "method": person.method}
        self._database.execute(
            insert(desk_acts).values(**values, at=timestamp(now())).on_conflict_do_nothing()
        )

    def doers(self, rows: Sequence[int]) -> dict[int, Doer]:
        """Who put these rows into the outbox, where that was done at the desk."""
        query = select(desk_acts).where(desk_acts.c.outbox.in_(rows))
        return {each.outbox: each for each in self._database.rows(query, lambda found: Doer(**found))}

    def _answered(self) -> tuple[ColumnElement[bool], ...]:
        answered = exists().where(
            inbox.c.id == desk_letters.c.inbox,
            notices.c.letter_id == inbox.c.letter_id,
            notices.c.author == self._agency,
            or_(notices.c.letter_digest.is_(None), notices.c.letter_digest == inbox.c.digest),
            notices.c.event.in_(_ANSWERS),
            notices.c.void.is_(False),
        )
        return desk_letters.c.done.is_(False), answered


def urgency_of(speed: str) -> int:
    """The place of a speed's code in the order of the list, 0 for the most urgent; an unknown one is not urgent."""
    number = int(speed) if speed.isascii() and speed.isdigit() else 1
    return max(0, _SLOWEST - number)


def _listed(wanted: Wanted) -> Select[tuple[int, int, str, bool, str | None, str | None]]:
    query = select(desk_letters).where(desk_letters.c.done.is_(wanted.done))
    if wanted.unseen:
        query = query.where(desk_letters.c.seen_at.is_(None))
    if wanted.urgency is not None:
        query = query.where(desk_letters.c.urgency == wanted.urgency)
    if wanted.sender is None and wanted.number is None:
        return query
    query = query.join(inbox, inbox.c.id == desk_letters.c.inbox)
    if wanted.sender is not None:
        query = query.where(inbox.c.sender == wanted.sender)
    if wanted.number is not None:
        query = query.where(inbox.c.number_normal == normalise_number(wanted.number))
    return query


def _read(connection: Connection, item: Item) -> None:
    """Read an item of news: a letter that came, or a notice about one, by which it counts as open again."""
    if item.kind is Kind.LETTER:
        query = (
            select(inbox.c.id, arrivals.c.body)
            .join(arrivals, arrivals.c.id == inbox.c.arrival)
            .where(inbox.c.id == item.inbox, inbox.c.delivered_at.is_not(None))
        )
        if (row := connection.execute(query).first()) is not None:
            _add(connection, row.id, row.body)
    elif item.kind is Kind.ANSWER:
        _reopen(connection, select(outbox.c.letter_id).where(outbox.c.id == item.outbox))
    elif item.kind is Kind.NOTICE:
        _reopen(connection, select(notices.c.letter_id).where(notices.c.id == item.notice))


def _reopen(connection: Connection, letter_ids: Select[tuple[str | None]]) -> None:
    letters = select(inbox.c.id).where(inbox.c.letter_id.in_(letter_ids))
    connection.execute(update(desk_letters).where(desk_letters.c.inbox.in_(letters)).values(done=False))


def _add(connection: Connection, row: int, raw: bytes) -> None:
    letter = read(open_envelope(raw).root)
    if not isinstance(letter, Letter):
        raise TypeError("a notice where a letter was received")
    due = timestamp(letter.due_by) if letter.due_by else NEVER
    add = insert(desk_letters).values(inbox=row, urgency=urgency_of(letter.speed), due=due, done=False)
    connection.execute(add.on_conflict_do_nothing())
