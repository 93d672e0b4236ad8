"""Entries of the ledger for auditors: the newest, by kind, agency, person and day; and each with its proof."""

from __future__ import annotations

from bus.console.asked import Asked
from bus.console.given import number_in
from bus.console.names import names_for
from bus.console.roles import AUDITORS
from bus.directory import Names
from bus.ledger.entry import Kind
from bus.pages.answers import Answer, Listed, NoSuchPage, Page, Shown
from bus.pages.columns import About
from bus.pages.given import given
from bus.views import asking
from bus.views.asking import NotUnderstood
from bus.views.entries import ENTRY_COLUMNS, entry_rows
from bus.views.entry_pages import Wanted, entries_page, fields_of, line, whole_entry
from bus.views.finding import head_of
from bus.views.letters import MOST_NUMBER

_FIELDS = ("kind", "agency", "person", "letter", "since", "until")


def entries(asked: Asked) -> Answer:
    """Show the newest entries to which everything applies."""
    fields = given(asked, (*_FIELDS, "before"))
    before = number_in(fields, "before")
    with asked.site.ledger.read() as reader:
        names, head = names_for(asked.site, reader), head_of(reader)
        wanted = _wanted(fields, names)
        found, older = entries_page(reader, wanted, before)
    query = {name: text for name, text in fields.items() if name != "before"}
    asked.note_reading("entries", fields, len(found))
    value = {"query": query, "head": head, "count": len(found), "before": older}
    value |= {"entries": [line(one, names) for one in found]}
    listed = Listed(ENTRY_COLUMNS, entry_rows(found), About(fields, head), names)
    return Shown("entries.html", value, {"fields": fields, "kinds": list(Kind)}, listed)


def entry(asked: Asked) -> Answer:
    """Show one entry."""
    given(asked, ())
    number = int(asked.path["entry"])
    with asked.site.ledger.read() as reader:
        found = reader.entry_at(number) if 0 < number < MOST_NUMBER else None
        if found is None:
            raise NoSuchPage(f"the ledger has no entry {number}; its newest is {reader.head()}")
        value = whole_entry(reader, found)
    asked.note_reading("entry", {"entry": number}, 1)
    return Shown("entry.html", value, {"fields": fields_of(value["body"])})


def _wanted(fields: dict[str, str], names: Names) -> Wanted:
    agency = fields.get("agency")
    return Wanted(
        kind=_kind(fields.get("kind")),
        agency=asking.agency(names, agency),
        person=fields.get("person"),
        letter=number_in(fields, "letter"),
        since=_day(fields.get("since")),
        until=_day(fields.get("until")),
    )


def _kind(text: str | None) -> Kind | None:
    try:
        return Kind(text) if text else None
    except ValueError as error:
        raise NotUnderstood(f"there is no kind of entry {text!r}") from error


def _day(text: str | None) -> str | None:
    first, last = asking.dates(text)
    if first != last:
        raise NotUnderstood(f"{text!r} is no date: write 22/11/2569 or 2026-11-22")
    return first


PAGES = (
    Page("/entries", AUDITORS, entries, csv=True),
    Page("/entries/{entry:int}", AUDITORS, entry),
)
