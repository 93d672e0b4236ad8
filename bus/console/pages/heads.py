"""Checkpoints and witnesses for auditors: which heads were signed, who has cosigned what, and who is silent."""

from __future__ import annotations

from bus.console.asked import Asked
from bus.console.given import number_in
from bus.console.names import names_for, witnesses_for
from bus.console.roles import AUDITORS
from bus.pages.answers import Answer, Listed, NoSuchPage, Page, Shown
from bus.pages.columns import About, Column, iso, moment
from bus.pages.given import given
from bus.views.finding import head_of
from bus.views.heads import heads_page, whole_head, witnesses
from bus.views.letters import MOST_NUMBER

_COLUMNS = (
    Column("size", "entries", "จำนวนรายการ", plain=True),
    Column("at", "signed", "ลงลายมือชื่อเมื่อ", moment),
    Column("at", "signed, ISO", "ลงลายมือชื่อเมื่อ ค.ศ.", iso, plain=True),
    Column("root", "root", "ค่าราก"),
    Column("askedAt", "witnesses asked, ISO", "ขอพยานเมื่อ ค.ศ.", iso, plain=True),
    Column("cosigned", "cosigned by", "พยานลงลายมือชื่อ", plain=True),
)

_MOST_LINES = 200
"""Lines of a note that the page shows; thousands of witnesses may have signed below it."""


def checkpoints(asked: Asked) -> Answer:
    """Show the newest heads, and the witnesses."""
    fields = given(asked, ("before",))
    before = number_in(fields, "before")
    with asked.site.ledger.read() as reader:
        names, head = names_for(asked.site, reader), head_of(reader)
        rows, older = heads_page(reader, before)
        known = witnesses_for(asked.site, reader) if before is None else ()
        some = witnesses(reader, names, known) if before is None else {"witnesses": [], "witnessCount": 0}
    value = {"head": head, "heads": rows, "before": older, **some}
    return Shown("checkpoints.html", value, {}, Listed(_COLUMNS, rows, About(fields, head)))


def checkpoint(asked: Asked) -> Answer:
    """Show one head with its note."""
    given(asked, ())
    size = int(asked.path["size"])
    with asked.site.ledger.read() as reader:
        found = reader.heads.of_size(size) if 0 < size < MOST_NUMBER else None
        if found is None:
            raise NoSuchPage(f"no head of {size} entries was signed")
        value = whole_head(reader, names_for(asked.site, reader), found)
    lines = value["note"].splitlines(keepends=True)
    beside = {"note": "".join(lines[:_MOST_LINES]), "left": max(len(lines) - _MOST_LINES, 0)}
    return Shown("checkpoint.html", value, beside)


PAGES = (
    Page("/checkpoints", AUDITORS, checkpoints, csv=True),
    Page("/checkpoints/{size:int}", AUDITORS, checkpoint, large=True),
)
