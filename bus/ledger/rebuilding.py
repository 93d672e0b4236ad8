"""The work lists made anew from what is remembered."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlalchemy import delete, select

from bus.directory import directory_of
from bus.ledger.entry import Kind
from bus.ledger.inserting import insert_many
from bus.ledger.state import deadlines_of
from bus.ledger.store import Writer
from bus.ledger.tables import consignments, due, pending
from bus.ledger.words import list_words


def rebuild(writer: Writer) -> None:
    """List again what is pending and what is due; what is unsure is sent again and known by its number.

    A deadline that passed with nobody silent left no entry: it is listed again and judged alike. SQLite's index of
    words is filled anew too.
    """
    connection = writer.connection
    list_words(connection)
    for table in (pending, due):
        connection.execute(delete(table))
    done: set[tuple[str, int]] = set()
    for entry in writer.every(Kind.CONSIGNED):
        for agency, numbers in entry.body["recipients"].items():
            done.update((agency, number) for number in numbers)
    passed = {
        (entry.body["letter"], entry.body["deadline"], entry.body["due"])
        for entry in writer.every(Kind.OVERDUE)
    }
    extensions: dict[int, list[Any]] = defaultdict(list)
    for entry in writer.every(Kind.DEADLINE_EXTENDED):
        extensions[entry.body["letter"]].append(entry.body)
    given = connection.execute(select(consignments.c.agency, consignments.c.number)).all()
    left = [
        {"agency": row.agency, "number": row.number, "on_hold": False, "repeat": False}
        for row in given
        if (row.agency, row.number) not in done
    ]
    waiting = [
        {"letter": accepted.seq, "deadline": deadline, "at": at}
        for accepted in writer.every(Kind.ACCEPTED)
        for deadline, at in deadlines_of(
            writer.recipient_sets.expanded(accepted).body, extensions.get(accepted.seq, ())
        )
        if (accepted.seq, deadline, at) not in passed
    ]
    for table, rows in ((pending, left), (due, waiting)):
        if rows:
            insert_many(connection, table, rows)
    if directory := writer.latest(Kind.DIRECTORY):
        version = int(directory.body["version"])
        in_force = directory_of(version, writer.directories.records(version))
        writer.hold(agency.code for agency in in_force.agencies.values() if not agency.active)
