"""Verifying letters: the chain of each one's entries, its index, its frozen recipients, each step of each delivery."""

from __future__ import annotations

import json
from itertools import groupby
from operator import itemgetter
from typing import Any, cast

from sqlalchemy import Connection, Select, func, select

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
_LISTING = select(letters.c.letter, *(letters.c[column] for column in _LISTED))
_FROZEN = select(recipients.c.letter, recipients.c.agency, recipients.c.role, recipients.c.addressed)
_GIVEN = select(
    consignments.c.entry,
    consignments.c.type,
    consignments.c.agency,
    consignments.c.number,
    consignments.c.document,
)
_Rows = list[tuple[Any, ...]]


def count_letters(connection: Connection, report: Report) -> int:
    """Return how many letters had an entry after `since`."""
    return connection.scalar(select(func.count()).select_from(_touched(report).subquery())) or 0


def _touched(report: Report) -> Select[Any]:
    about = entries.c.letter
    return select(about).where(about.is_not(None), entries.c.seq > report.since).distinct()


def check_letters(connection: Connection, report: Report, after: int, until: int | None) -> Report:
    """Check, from its acceptance on, every letter above one number, up to another, with an entry after `since`."""
    about, touched = entries.c.letter, _touched(report)
    if until is not None:
        touched = touched.where(about <= until)
    calendars, sets = Calendars(connection), RecipientSets(connection)
    done, last = 0, after
    while some := portion(connection, touched.where(about > last).order_by(about), _AT_ONCE):
        _check_some_letters(connection, some, calendars, sets, report)
        done, last = done + len(some), some[-1]
    report.counts["letters"] = done
    return report


def check_listed(connection: Connection, report: Report) -> None:
    """As many letters are listed as were accepted."""
    indexed = connection.scalar(select(func.count()).select_from(letters)) or 0
    accepted_ones = select(func.count()).select_from(entries).where(entries.c.kind == Kind.ACCEPTED)
    if indexed != (count := connection.scalar(accepted_ones) or 0):
        report.note("letter.index", "letters", f"{indexed} are listed, and {count} were accepted")


def _check_some_letters(
    connection: Connection, some: list[int], calendars: Calendars, sets: RecipientSets, report: Report
) -> None:
    query = select(entries.c.letter, entries.c.body).where(entries.c.letter.in_(some))
    rows = tuples(connection, query.order_by(entries.c.letter, entries.c.seq))
    listed = tuples(connection, _LISTING.where(letters.c.letter.in_(some)))
    index = {number: columns for number, *columns in listed}
    frozen = _grouped(connection, _FROZEN.where(recipients.c.letter.in_(some)))
    given = _grouped(connection, _GIVEN.where(consignments.c.entry.in_(some)))
    for letter, group in groupby(rows, key=itemgetter(0)):
        try:
            found = [Entry(json.loads(body)) for _, body in group]
            _check_chain(letter, found, report)
            first = sets.expanded(found[0])
            _check_index(first, index.get(letter), frozen.get(letter, []), report)
            _check_consignments(first, found[0].body["recipients"], given.get(letter, []), report)
            _check_steps([first, *found[1:]], calendars, report)
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


def _check_index(entry: Entry, row: list[Any] | None, frozen: _Rows, report: Report) -> None:
    where, body = f"letter {entry.seq}", entry.body
    if row is None:
        report.note("letter.index", where, "it is not listed among the letters")
        return
    wanted = list(map(body.get, _LISTED.values()))
    if row != wanted:
        wrong = [column for column, one, other in zip(_LISTED, row, wanted, strict=True) if one != other]
        report.note("letter.index", where, f"its listed {', '.join(wrong)} do not follow from its entry")
    if set(frozen) != {
        (code, one["role"], one.get("addressed", code)) for code, one in body["recipients"].items()
    }:
        report.note("letter.recipients", where, "the listed recipients are not those of its entry")


def _check_consignments(entry: Entry, recipient_set: RawDigest, given: _Rows, report: Report) -> None:
    where, body = f"letter {entry.seq}", entry.body
    copies = {(agency, bytes(document).hex()) for type, agency, _, document in given if type == COPY}
    if copies - {(body["agency"], body["document"])}:
        report.note("letter.copies", where, "a copy of it was given to somebody else than its sender")
    sent = {
        (agency, number, bytes(document).hex()) for type, agency, number, document in given if type != COPY
    }
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


def _grouped(connection: Connection, query: Select[Any]) -> dict[int, _Rows]:
    """The rows of a query without the first column, by what stands in it."""
    grouped: dict[int, _Rows] = {}
    for row in tuples(connection, query):
        grouped.setdefault(row[0], []).append(row[1:])
    return grouped
