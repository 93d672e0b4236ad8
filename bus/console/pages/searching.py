"""An auditor's search: a form whose whole question stands in the address, letters page by page, and what is beside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from bus.codes import load_codes
from bus.console.asked import Asked
from bus.console.given import number_in
from bus.console.names import names_for, pinned_for
from bus.console.roles import AUDITORS
from bus.directory import Names
from bus.errors import RefusalCode
from bus.evidence.words import STATES, words_of
from bus.ledger.reading import Reader
from bus.pages.answers import Answer, Listed, NotAllowed, Page, Shown
from bus.pages.columns import About, Row
from bus.pages.given import given
from bus.views.asking import UNACKNOWLEDGED, NotUnderstood
from bus.views.facets import facets_of
from bus.views.finding import COLUMNS_BY_RECIPIENT, by_recipient, head_of
from bus.views.questions import FIELDS, Question, understand
from bus.views.search import Export, called, lines, shown, unaccepted_of
from bus.views.unaccepted import EXPORT_COLUMNS, all_values, as_rows

_NEWEST: Final = "newest"
"""Asks for all letters, where no field is filled in."""


def search(asked: Asked) -> Answer:
    """Show the form, and what is found by it."""
    fields = given(asked, (*FIELDS, _NEWEST, "before"))
    before = number_in(fields, "before")
    as_csv = asked.address.partition("?")[0].endswith(".csv")
    with asked.site.ledger.read() as reader:
        names = names_for(asked.site, reader)
        question = understand(reader, names, fields, lambda: pinned_for(asked.site, reader))
        if question.mistakes and as_csv:
            raise NotUnderstood("; ".join(question.mistakes.values()))
        looked = not question.mistakes and bool(question.understood or _NEWEST in fields)
        value, listed = _value(reader, names, question, before, as_csv=as_csv, looked=looked, asked=asked)
    if looked:
        found = value["count"] + len(value["unaccepted"])
        asked.note_reading("find", question.understood | ({"before": before} if before else {}), found)
    codes = [question.understood[name] for name in ("from", "to", "party") if name in question.understood]
    known = {code: names.agencies[code].name_th for code in codes}
    beside = {"fields": fields, "choices": _choices(), "looked": looked, "called": known}
    return Shown("search.html", value, beside, listed, status=400 if question.mistakes else 200)


def _value(
    reader: Reader,
    names: Names,
    question: Question,
    before: int | None,
    *,
    as_csv: bool,
    looked: bool,
    asked: Asked,
) -> tuple[dict[str, Any], Listed | None]:
    value: dict[str, Any] = {"query": question.understood, "mistakes": question.mistakes, "unaccepted": []}
    value |= {"head": head_of(reader), "count": 0, "before": None, "lookedAt": None, "letters": []}
    value["facets"] = None
    if not looked:
        if as_csv:
            raise NotAllowed(
                "ยังไม่ได้ถามสิ่งใด โปรดกรอกช่องใดช่องหนึ่ง หรือขอดูหนังสือล่าสุด",
                "Nothing is asked: fill in a field, or ask for the newest letters.",
            )
        return value, None
    others = [] if before else all_values(unaccepted_of(reader, question), asked.site.settings, reader)
    for one in others:
        one["agencyName"] = called(names, one["agency"]) if one["agency"] else None
    value |= {"unaccepted": others}
    if as_csv:
        found = Export(reader, question, before)
        query: dict[str, Any] = question.understood | ({"before": before} if before else {})

        def rows() -> Iterator[Row]:
            yield from by_recipient(found.letters())
            if found.before:  # what was asked stands below the rows
                query.update(newest=found.count, more=f"before={found.before}")
            yield from as_rows(others)

        columns = [*COLUMNS_BY_RECIPIENT, *EXPORT_COLUMNS]
        listed = Listed(columns, rows(), About(query, value["head"]), names).made()
        return value | {"count": found.count}, listed
    page = lines(reader, question, before)
    value |= {"count": len(page.rows), "before": page.before, "lookedAt": page.looked_at}
    value["letters"] = list(shown(page, names))
    if question.state is None:
        # Counts know nothing of states: beside a question about one they would be of other letters.
        value["facets"] = facets_of(reader, question, names)
    return value, None


def _choices() -> dict[str, list[tuple[str, tuple[str, str]]]]:
    """What a field can be filled in with where it is one of a list."""
    codes = load_codes()
    states = [(each, words_of(each)) for each in STATES]
    return {
        "state": [(UNACKNOWLEDGED, ("ยังไม่ตอบรับ", "not acknowledged")), *states],
        "kind": [(code, (one.th, one.en)) for code, one in codes.kinds.items()],
        "speed": [(code, (one.th, one.en)) for code, one in codes.speed.items()],
        "code": [(one.value, (f"{one.value} {codes.refusal(one).th}", one.value)) for one in RefusalCode],
    }


PAGES = (Page("/search", AUDITORS, search, csv=True),)
