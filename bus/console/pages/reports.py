"""Reports for auditors: the newest rows of each, and where all of them are to be had."""

from __future__ import annotations

from itertools import islice
from typing import Any

from bus.console.asked import Asked
from bus.console.given import number_in
from bus.console.names import names_for
from bus.console.roles import AUDITORS
from bus.directory import Names
from bus.pages.answers import Answer, Listed, NoSuchPage, Page, Shown
from bus.pages.columns import About, Column, Row, day, moment
from bus.pages.given import given
from bus.text import printable
from bus.views.finding import head_of
from bus.views.recent_reports import NAMES, UNACKNOWLEDGED, columns_of, recent, spread_rows

_MOST_LINES = 500
"""Lines of a page: a deadline may have passed for thousands of agencies; the CSV has all of them."""
_FIRST = ("letter", "recipient", "lacking", "number", "dated", "sender", "subject")
_LINKED = {"entry": "/entries/", "last": "/entries/", "letter": "/letters/", "parked": "/entries/"}
"""The columns that hold the number of an entry or a letter, and the page of each."""


def reports(asked: Asked) -> Answer:
    """Show which reports there are."""
    given(asked, ())
    return Shown("reports.html", {"reports": list(NAMES)})


def report(asked: Asked) -> Answer:
    """Show the newest rows of one."""
    fields = given(asked, ("before",))
    name, before = asked.path["name"], number_in(fields, "before")
    if name not in NAMES:
        raise NoSuchPage(f"there is no report {printable(name)[:60]!r}; there are {', '.join(NAMES)}")
    with asked.site.ledger.read() as reader:
        names, head = names_for(asked.site, reader), head_of(reader)
        found = recent(reader, name, before)
    query = {"report": name, **fields}
    asked.note_reading("report", query, len(found.rows))
    value = {"query": query, "head": head, "count": len(found.rows), "before": found.before}
    value |= {"of": found.of, "tooLong": found.too_long, "rows": found.rows}
    columns = columns_of(name)
    shown = [one for one in columns if "ISO" not in one.en]
    if name == UNACKNOWLEDGED:
        # What is asked for first; the CSV has the rest.
        shown = sorted((one for one in shown if one.key in _FIRST), key=lambda one: _FIRST.index(one.key))
    lines = islice(spread_rows(name, found.rows), _MOST_LINES + 1)
    cells = [[_cell(one, row, names) for one in shown] for row in lines]
    beside = {"name": name, "columns": shown, "cells": cells[:_MOST_LINES], "cut": len(cells) > _MOST_LINES}
    about = About(query | ({"of": found.of} if found.of else {}), head)
    return Shown("report.html", value, beside, Listed(columns, spread_rows(name, found.rows), about, names))


def _cell(column: Column, row: Row, names: Names) -> dict[str, Any]:
    """What a line shows in a column: a page shows times in its own language."""
    forms: dict[object, str] = {day: "day", moment: "moment"}
    return {
        "text": column.text(row, names),
        "value": row.get(column.key),
        "page": _LINKED.get(column.key),
        "form": forms.get(column.show, "text"),
    }


PAGES = (
    Page("/reports", AUDITORS, reports),
    Page("/reports/{name}", AUDITORS, report, csv=True, large=True),
)
