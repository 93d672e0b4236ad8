"""Extensions: who still owes a registration is given the later due time that follows from a new calendar version.

A letter's due times are frozen when it is accepted, and a holiday may be announced afterwards. An extension is an
entry in the letter's own chain that names the old times, the new ones and whose they are; the rows of the deadlines
to be judged move with it. Never is a time made earlier. Extensions are entered in portions, each an append of its
own, so that routers wait for milliseconds; what is done is seen from the letters themselves, and so an interrupted
run is taken up by running it again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from bus.calendar import Calendar
from bus.documents.lifecycle import Deadline
from bus.errors import Misconfigured, Problem
from bus.failpoints import reached
from bus.identifiers import AgencyCode
from bus.ledger.database import reading
from bus.ledger.entry import Kind, timestamp
from bus.ledger.portions import portion
from bus.ledger.reading import Reader
from bus.ledger.rows_in import rows_in
from bus.ledger.state import LetterState, moved_by
from bus.ledger.store import Ledger, Writer
from bus.ledger.tables import due
from bus.operators import Operator

_AT_ONCE = 100
"""Letters of one portion: some 50 ms under the append lock, as a batch of a router."""
Extended = list[dict[str, Any]]
"""What an entry says: groups of recipients, each with the time that their registration `was` and is now `due`."""


@dataclass(frozen=True, slots=True)
class Portion:
    """Some of the letters that wait: how many were looked at, and which of them are extended, for whom."""

    looked_at: int
    letters: Sequence[int]
    agencies: frozenset[AgencyCode]


def extended_by(calendar: Calendar, state: LetterState) -> Extended:
    """Return the groups of those who owe a registration and to whom this calendar gives a later time, by time."""
    if not state.asks_registration:
        return []
    start = datetime.fromisoformat(state.received_at)
    general = timestamp(calendar.registration_due(state.speed, start, None))
    moved: dict[tuple[str, str], list[AgencyCode]] = defaultdict(list)
    for code, one in state.recipients.items():
        if one.owes_registration and one.registration_due:
            own = calendar.registration_due(state.speed, start, code) if calendar.closes(code) else None
            until = timestamp(own) if own else general
            if until > one.registration_due:
                moved[one.registration_due, until].append(code)
    return [{"was": was, "due": until, "recipients": codes} for (was, until), codes in sorted(moved.items())]


def count_waiting(connection: Connection) -> int:
    """Return how many letters have a registration whose deadline has not been judged."""
    waiting = func.count(due.c.letter.distinct())
    return connection.scalar(select(waiting).where(due.c.deadline == Deadline.REGISTRATION)) or 0


def affected(connection: Connection, calendar: Calendar) -> Iterator[Portion]:
    """Yield, portion by portion, the letters that this calendar would extend; nothing is entered."""
    reader, last = Reader(connection), 0
    while some := _waiting(connection, last, None):
        last = some[-1]
        yield _portion(some, _moved(reader, some, calendar))


def extend(ledger: Ledger, calendar: Calendar, entry: int, *, operator: Operator) -> Iterator[Portion]:
    """Extend what was accepted before `entry`, which put this calendar in force; yield each portion once it is durable.

    Nothing is entered twice: whoever has the time already is passed over. Raises Misconfigured when another version
    is put in force meanwhile, Transient when the database is away.
    """
    last = 0
    while True:
        with reading(ledger.engine) as connection:
            some = _waiting(connection, last, entry)
            moved = _moved(Reader(connection), some, calendar)
        if not some:
            return
        last = some[-1]
        if moved:
            with ledger.append() as writer:
                _require_in_force(writer, calendar, entry)
                # Who has answered since they were looked at owes nothing any more.
                moved = _moved(writer, list(moved), calendar)
                _enter(writer, moved, calendar, operator)
            reached("calendar.after-portion")
        yield _portion(some, moved)


_Moved = Mapping[int, tuple[LetterState, Extended]]


def _waiting(connection: Connection, after: int, before: int | None) -> list[int]:
    """The next letters with a registration to be judged: the others owe none, or were called silent already."""
    query = select(due.c.letter).where(due.c.deadline == Deadline.REGISTRATION, due.c.letter > after)
    if before is not None:
        query = query.where(due.c.letter < before)
    return portion(connection, query.distinct().order_by(due.c.letter), _AT_ONCE)


def _moved(reader: Reader, some: Sequence[int], calendar: Calendar) -> _Moved:
    states = reader.states_of(some)
    found = ((letter, state, extended_by(calendar, state)) for letter, state in states.items())
    return {letter: (state, extended) for letter, state, extended in found if extended}


def _portion(some: Sequence[int], moved: _Moved) -> Portion:
    groups = (group for _, extended in moved.values() for group in extended)
    return Portion(
        len(some), tuple(moved), frozenset(code for group in groups for code in group["recipients"])
    )


def _require_in_force(writer: Writer, calendar: Calendar, entry: int) -> None:
    if writer.latest_seq(Kind.CALENDAR) != entry:
        raise Misconfigured(
            Problem(
                "the ledger",
                "calendar",
                f"version {calendar.version} is not in force any more",
                "Apply the newest version with --extend.",
            )
        )


def _enter(writer: Writer, moved: _Moved, calendar: Calendar, operator: Operator) -> None:
    """Make the entries, and move the deadlines to be judged with them."""
    writer.prefetch_priors(list(moved))
    gone: list[tuple[int, str]] = []
    new: list[dict[str, Any]] = []
    for letter, (state, extended) in moved.items():
        said: dict[str, Any] = {
            "deadline": Deadline.REGISTRATION,
            "calendar": calendar.version,
            "extended": extended,
        }
        writer.entry(Kind.DEADLINE_EXTENDED, letter=letter, **operator.fields(), **said)
        times = {code: one.registration_due or "" for code, one in state.recipients.items()}
        before, after = moved_by(said, times)
        gone += [(letter, at) for at in sorted(before)]
        new += [{"letter": letter, "deadline": Deadline.REGISTRATION, "at": at} for at in sorted(after)]
    _move_rows(writer.connection, gone, new)


def _move_rows(connection: Connection, gone: Sequence[tuple[int, str]], new: list[dict[str, Any]]) -> None:
    if gone:
        these = rows_in(connection, (due.c.letter, due.c.at), gone)
        connection.execute(delete(due).where(due.c.deadline == Deadline.REGISTRATION, these))
    if new:
        dialect = {"sqlite": sqlite, "postgresql": postgresql}[connection.dialect.name]
        # Another recipient of the letter may have had that time before.
        connection.execute(dialect.insert(due).on_conflict_do_nothing(), new)
