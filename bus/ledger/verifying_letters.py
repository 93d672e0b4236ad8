"""Verifying letters: the chain of each one's entries, its index, its frozen recipients, each step of each delivery."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, cast

from sqlalchemy import Column, ColumnElement, Connection, Select, func, select

from bus.calendar import Calendar
from bus.identifiers import AgencyCode, RawDigest
from bus.ledger.calendars import Calendars
from bus.ledger.copies import COPY
from bus.ledger.database import tuples
from bus.ledger.entry import Entry, Kind
from bus.ledger.extending import extended_by
from bus.ledger.findings import Report
from bus.ledger.portions import portion
from bus.ledger.recipient_sets import Lost, RecipientSets
from bus.ledger.state import LetterState, RecipientState, accepted, advance
from bus.ledger.tables import consignments, entries, letters, recipients
from bus.ledger.transitions import violation_of

_AT_ONCE = 250
_LISTED = {
    "sender": "agency",
    "letter_id": "letterId",
    "digest": "digest",
    "speed": "speed",
    "acknowledgement": "acknowledgement",
    "accepted_at": "at",
    "receipt_due": "receiptDue",
    "registration_due": "registrationDue",
    "certificate": "certificate",
}
"""Columns of a letter's index, and the fields of its acceptance from which they follow."""
_FIELDS = tuple(_LISTED.values())
_LISTING = select(letters.c.letter, *(letters.c[column] for column in _LISTED))
_FROZEN = select(recipients.c.letter, recipients.c.agency, recipients.c.role, recipients.c.addressed)
_GIVEN = select(
    consignments.c.entry,
    consignments.c.type,
    consignments.c.agency,
    consignments.c.number,
    consignments.c.document,
)
Rows = list[tuple[Any, ...]]
Body = dict[str, Any]
Which = Callable[[Column[Any]], ColumnElement[bool]]


def given_by(connection: Connection, which: Which) -> dict[int, Rows]:
    """Return (entry, type, agency, number, document) of the consignments that came of some entries, by entry."""
    return grouped(connection, _GIVEN.where(which(consignments.c.entry)))


def check_letters(connection: Connection, report: Report, after: int, until: int | None) -> Report:
    """Check, from its acceptance on, every letter above one number, up to another, with an entry after `since`."""
    about = entries.c.letter
    touched = select(about).where(about.is_not(None), entries.c.seq > report.since).distinct()
    if until is not None:
        touched = touched.where(about <= until)
    check = Letters(connection, report)
    done, last = 0, after
    query = select(about, entries.c.body).order_by(about, entries.c.seq)
    while some := portion(connection, touched.where(about > last).order_by(about), _AT_ONCE):
        these = _any_of(some)
        rows = groupby(tuples(connection, query.where(these(about))), key=itemgetter(0))
        found = ((letter, [text for _, text in group]) for letter, group in rows)
        check.some(found, these, given_by(connection, these))
        done, last = done + len(some), some[-1]
    report.counts["letters"] = done
    return report


def check_listed(connection: Connection, report: Report) -> Report:
    """As many letters are listed as were accepted."""
    indexed = connection.scalar(select(func.count()).select_from(letters)) or 0
    accepted_ones = select(func.count()).select_from(entries).where(entries.c.kind == Kind.ACCEPTED)
    if indexed != (count := connection.scalar(accepted_ones) or 0):
        report.note("letter.index", "letters", f"{indexed} are listed, and {count} were accepted")
    return report


class Letters:
    """Checks of letters that share what they look up."""

    def __init__(self, connection: Connection, report: Report) -> None:
        self._connection = connection
        self._report = report
        self._calendars, self._sets = Calendars(connection), RecipientSets(connection)

    def some(
        self,
        found: Iterable[tuple[int, Sequence[Body | str]]],
        which: Which,
        given: Mapping[int, Rows],
    ) -> None:
        """Check letters with their entries; `which` of the letters' numbers they are."""
        report = self._report
        index = {row[0]: row[1:] for row in tuples(self._connection, _LISTING.where(which(letters.c.letter)))}
        frozen = grouped(self._connection, _FROZEN.where(which(recipients.c.letter)))
        for letter, bodies in found:
            try:
                about = [Entry(one if isinstance(one, dict) else json.loads(one)) for one in bodies]
                _check_chain(letter, about, report)
                first = self._sets.expanded(about[0])
                _check_index(first, index.get(letter), frozen.get(letter, []), report)
                _check_consignments(first, about[0].body["recipients"], given.get(letter, []), report)
                _check_steps([first, *about[1:]], self._calendars, report)
            except Lost as error:
                report.note("letter.recipients", f"letter {letter}", str(error))
            except Exception as error:
                report.unreadable(f"letter {letter}", error)


def _check_chain(letter: int, found: list[Entry], report: Report) -> None:
    before = None
    for entry in found:
        if entry.body.get("prior") != before:
            detail = f"it follows on {entry.body.get('prior')}, and the one before it is {before}"
            report.note("letter.chain", f"entry {entry.seq}", detail)
        before = entry.seq
    if found[0].seq != letter or found[0].kind is not Kind.ACCEPTED:
        report.note("letter.chain", f"letter {letter}", "it does not begin with its acceptance")


def _check_index(entry: Entry, row: tuple[Any, ...] | None, frozen: Rows, report: Report) -> None:
    body = entry.body
    where = f"letter {body['seq']}"
    if row is None:
        report.note("letter.index", where, "it is not listed among the letters")
        return
    wanted = tuple(map(body.get, _FIELDS))
    if row != wanted:
        wrong = [column for column, one, other in zip(_LISTED, row, wanted, strict=True) if one != other]
        report.note("letter.index", where, f"its listed {', '.join(wrong)} do not follow from its entry")
    if {row[1:] for row in frozen} != {
        (code, one["role"], one.get("addressed", code)) for code, one in body["recipients"].items()
    }:
        report.note("letter.recipients", where, "the listed recipients are not those of its entry")


def _check_consignments(entry: Entry, recipient_set: RawDigest, given: Rows, report: Report) -> None:
    body = entry.body
    where = f"letter {body['seq']}"
    sent, copies = set[tuple[str, int, str]](), set[tuple[str, str]]()
    for _, type, agency, number, document in given:
        if type == COPY:
            copies.add((agency, bytes(document).hex()))
        else:
            sent.add((agency, number, bytes(document).hex()))
    if copies and copies != {(body["agency"], body["document"])}:
        report.note("letter.copies", where, "a copy of it was given to somebody else than its sender")
    wanted = {(code, one["consignment"], body["document"]) for code, one in body["recipients"].items()}
    wanted.add((body["agency"], body["answer"], body["acceptance"]))
    if "listed" in body:
        wanted.add((body["agency"], body["listed"], recipient_set))
    if sent != wanted:
        report.note("letter.consignments", where, "what was consigned is not what its entry says")


def _check_steps(found: list[Entry], calendars: Calendars, report: Report) -> None:
    state = accepted(found[0])
    # Brought up to date in place, in a state that nobody else has: a circular has thousands of both.
    moving = cast(dict[AgencyCode, RecipientState], state.recipients)
    for entry in found[1:]:
        if fault := violation_of(entry, state):
            report.note("letter.step", f"entry {entry.seq}", fault)
        if entry.kind is Kind.DEADLINE_EXTENDED:
            _check_extension(entry, calendars.before(entry.seq), state, report)
        advance(moving, entry)


def _check_extension(entry: Entry, calendar: Calendar, state: LetterState, report: Report) -> None:
    """It gives exactly those who owe a registration exactly the times that follow from the calendar in force then."""
    body = entry.body
    if (body["calendar"], body["extended"]) != (calendar.version, extended_by(calendar, state)):
        said = f"its due times are not those that version {calendar.version} of the calendar gives"
        report.note("letter.extension", f"entry {entry.seq}", said)


def grouped(connection: Connection, query: Select[Any]) -> dict[int, Rows]:
    """Return the rows of a query by what stands in their first column."""
    found: dict[int, Rows] = defaultdict(list)
    for row in tuples(connection, query):
        found[row[0]].append(row)
    return dict(found)


def _any_of(some: Sequence[int]) -> Which:
    return lambda column: column.in_(some)


def between(first: int, last: int) -> Which:
    """Return the condition that a number is one of a range."""
    return lambda column: column.between(first, last)
