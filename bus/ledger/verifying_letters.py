"""Verifying letters: the chain of each one's entries, its index, its frozen recipients, each step of each delivery."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, Table, func, select

from bus.ledger.entry import Entry, Kind
from bus.ledger.legality import fault_of
from bus.ledger.report import Progress, Report
from bus.ledger.state import accepted, advance
from bus.ledger.tables import consignments, entries, letters, recipients


def check_letters(connection: Connection, report: Report, progress: Progress) -> None:
    """Every letter that had an entry after `since`, from its acceptance on."""
    about = entries.c.letter
    touched = select(about).where(about.is_not(None), entries.c.seq > report.since).distinct()
    total = connection.scalar(select(func.count()).select_from(touched.subquery())) or 0
    done, last = 0, 0
    while True:
        query = touched.where(about > last).order_by(about).limit(200)
        some = list(connection.scalars(query))
        if not some:
            break
        _check_some_letters(connection, some, report)
        done, last = done + len(some), some[-1]
        progress("letters", done, total)
    indexed = connection.scalar(select(func.count()).select_from(letters)) or 0
    accepted_ones = select(func.count()).select_from(entries).where(entries.c.kind == Kind.ACCEPTED)
    if indexed != (count := connection.scalar(accepted_ones) or 0):
        report.note("letter.index", "letters", f"{indexed} are listed, and {count} were accepted")
    report.counts["letters"] = done


def _check_some_letters(connection: Connection, some: list[int], report: Report) -> None:
    query = select(entries.c.letter, entries.c.body).where(entries.c.letter.in_(some))
    rows = connection.execute(query.order_by(entries.c.letter, entries.c.seq))
    index = {row.letter: row for row in connection.execute(select(letters).where(letters.c.letter.in_(some)))}
    frozen = _grouped(connection, recipients, recipients.c.letter, some)
    given = _grouped(connection, consignments, consignments.c.entry, some)
    for letter, group in groupby(rows, key=lambda row: row.letter):
        found = [Entry(json.loads(row.body)) for row in group]
        try:
            _check_chain(letter, found, report)
            _check_index(found[0], index.get(letter), frozen.get(letter, []), given.get(letter, []), report)
            _check_steps(letter, found, report)
        except (KeyError, ValueError, TypeError) as error:
            report.note("letter.unreadable", f"letter {letter}", f"its entries cannot be followed: {error!r}")


def _check_chain(letter: int, found: list[Entry], report: Report) -> None:
    before = None
    for entry in found:
        if entry.body.get("prior") != before:
            detail = f"it follows on {entry.body.get('prior')}, and the one before it is {before}"
            report.note("letter.chain", f"entry {entry.seq}", detail)
        before = entry.seq
    if found[0].seq != letter or found[0].kind is not Kind.ACCEPTED:
        report.note("letter.chain", f"letter {letter}", "it does not begin with its acceptance")


def _check_index(
    entry: Entry, row: Row[Any] | None, frozen: list[Row[Any]], given: list[Row[Any]], report: Report
) -> None:
    where, body = f"letter {entry.seq}", entry.body
    if row is None:
        report.note("letter.index", where, "it is not listed among the letters")
        return
    listed = (row.sender, row.letter_id, row.digest, row.receipt_due, row.registration_due)
    named = ("agency", "letterId", "digest", "receiptDue", "registrationDue")
    if listed != tuple(body.get(name) for name in named):
        report.note("letter.index", where, "what is listed of it does not follow from its entry")
    if {one.agency for one in frozen} != set(body["recipients"]):
        report.note("letter.recipients", where, "the listed recipients are not those of its entry")
    numbers = {(one.agency, one.number) for one in given}
    wanted = {(code, one["consignment"]) for code, one in body["recipients"].items()}
    wanted.add((body["agency"], body["answer"]))
    if numbers != wanted:
        report.note("letter.consignments", where, "what was consigned is not what its entry says")


def _check_steps(letter: int, found: list[Entry], report: Report) -> None:
    state = accepted(found[0])
    # One set of recipients, brought up to date in place: a circular has thousands of both.
    moving = dict(state.recipients)
    state = replace(state, recipients=moving)
    for entry in found[1:]:
        if fault := fault_of(entry, state):
            report.note("letter.step", f"entry {entry.seq}", fault)
        advance(moving, entry)


def _grouped(connection: Connection, table: Table, column: Any, some: list[int]) -> dict[int, list[Row[Any]]]:
    grouped: dict[int, list[Row[Any]]] = {}
    for row in connection.execute(select(table).where(column.in_(some))):
        grouped.setdefault(getattr(row, column.name), []).append(row)
    return grouped
