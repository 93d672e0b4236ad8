"""Verifying letters: the chain of each one's entries, its index, its frozen recipients, each step of each delivery."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

from bus.calendar import Calendar
from bus.identifiers import RawDigest
from bus.ledger.calendars import Calendars
from bus.ledger.copies import COPY
from bus.ledger.entry import Entry, Kind
from bus.ledger.extending import extended_by
from bus.ledger.findings import Progress, Report
from bus.ledger.portions import portion
from bus.ledger.recipient_sets import Lost, RecipientSets
from bus.ledger.state import LetterState, accepted, advance
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


def check_letters(connection: Connection, report: Report, progress: Progress) -> None:
    """Every letter that had an entry after `since`, from its acceptance on."""
    about = entries.c.letter
    touched = select(about).where(about.is_not(None), entries.c.seq > report.since).distinct()
    total = connection.scalar(select(func.count()).select_from(touched.subquery())) or 0
    calendars, sets = Calendars(connection), RecipientSets(connection)
    done, last = 0, 0
    while True:
        some = portion(connection, touched.where(about > last).order_by(about), _AT_ONCE)
        if not some:
            break
        _check_some_letters(connection, some, calendars, sets, report)
        done, last = done + len(some), some[-1]
        progress("letters", done, total)
    indexed = connection.scalar(select(func.count()).select_from(letters)) or 0
    accepted_ones = select(func.count()).select_from(entries).where(entries.c.kind == Kind.ACCEPTED)
    if indexed != (count := connection.scalar(accepted_ones) or 0):
        report.note("letter.index", "letters", f"{indexed} are listed, and {count} were accepted")
    report.counts["letters"] = done


def _check_some_letters(
    connection: Connection, some: list[int], calendars: Calendars, sets: RecipientSets, report: Report
) -> None:
    query = select(entries.c.letter, entries.c.body).where(entries.c.letter.in_(some))
    rows = connection.execute(query.order_by(entries.c.letter, entries.c.seq)).all()
    listed = connection.execute(select(letters).where(letters.c.letter.in_(some))).all()
    index = {row.letter: row for row in listed}
    frozen = _grouped(connection, select(recipients), recipients.c.letter, some)
    columns = (consignments.c.type, consignments.c.agency, consignments.c.number, consignments.c.document)
    given = _grouped(connection, select(consignments.c.entry, *columns), consignments.c.entry, some)
    for letter, group in groupby(rows, key=lambda row: row.letter):
        try:
            found = [Entry(json.loads(row.body)) for row in group]
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


def _check_index(entry: Entry, row: Row[Any] | None, frozen: list[Row[Any]], report: Report) -> None:
    where, body = f"letter {entry.seq}", entry.body
    if row is None:
        report.note("letter.index", where, "it is not listed among the letters")
        return
    wrong = [column for column, name in _LISTED.items() if getattr(row, column) != body.get(name)]
    if wrong:
        report.note("letter.index", where, f"its listed {', '.join(wrong)} do not follow from its entry")
    listed = {(one.agency, one.role, one.addressed) for one in frozen}
    if listed != {
        (code, one["role"], one.get("addressed", code)) for code, one in body["recipients"].items()
    }:
        report.note("letter.recipients", where, "the listed recipients are not those of its entry")


def _check_consignments(
    entry: Entry, recipient_set: RawDigest, given: list[Row[Any]], report: Report
) -> None:
    where, body = f"letter {entry.seq}", entry.body
    copies = {(one.agency, bytes(one.document).hex()) for one in given if one.type == COPY}
    if copies - {(body["agency"], body["document"])}:
        report.note("letter.copies", where, "a copy of it was given to somebody else than its sender")
    sent = {(one.agency, one.number, bytes(one.document).hex()) for one in given if one.type != COPY}
    wanted = {(code, one["consignment"], body["document"]) for code, one in body["recipients"].items()}
    wanted.add((body["agency"], body["answer"], body["acceptance"]))
    if "listed" in body:
        wanted.add((body["agency"], body["listed"], recipient_set))
    if sent != wanted:
        report.note("letter.consignments", where, "what was consigned is not what its entry says")


def _check_steps(found: list[Entry], calendars: Calendars, report: Report) -> None:
    state = accepted(found[0])
    # One set of recipients, brought up to date in place: a circular has thousands of both.
    moving = dict(state.recipients)
    state = replace(state, recipients=moving)
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


def _grouped(
    connection: Connection, query: Select[Any], column: Any, some: list[int]
) -> dict[int, list[Row[Any]]]:
    grouped: dict[int, list[Row[Any]]] = {}
    for row in connection.execute(query.where(column.in_(some))).all():
        grouped.setdefault(getattr(row, column.name), []).append(row)
    return grouped
