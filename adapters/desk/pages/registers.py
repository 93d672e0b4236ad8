"""The registers of letters received and sent (forms 13 and 14), by year: to be read, printed, and taken as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from adapters import registers
from adapters.desk.asked import Asked
from adapters.desk.roles import CLERKS
from adapters.mailbox.registers import COUNTED, Place
from adapters.registers import Line
from bus.pages.answers import Answer, Elsewhere, Listed, NoSuchPage, Page, Shown
from bus.pages.columns import About, Column
from bus.pages.given import given, place_in
from bus.thai import BUDDHIST_OFFSET, FIRST_BUDDHIST_YEAR, now

RECEIVED, SENT = "received", "sent"
_ON_A_PAGE: Final = 100
_MOST_CSV: Final = 100_000
"""Lines of one CSV file; what is behind them is asked for by `after`."""
_LAST_YEAR: Final = 3000


def _columns(number_th: str, number_en: str) -> tuple[Column, ...]:
    """The form's columns; the day, which heads its pages, stands first."""
    return (
        Column("day", "date", "วันที่"),
        Column("register_number", number_en, number_th),
        Column("number", "number", "ที่"),
        Column("date", "dated", "ลงวันที่"),
        Column("from", "from", "จาก"),
        Column("to", "to", "ถึง"),
        Column("subject", "subject", "เรื่อง"),
        Column("action", "action", "การปฏิบัติ"),
        Column("remark", "remark", "หมายเหตุ"),
    )


COLUMNS: Final = {
    RECEIVED: _columns("เลขทะเบียนรับ", "register number"),
    SENT: _columns("เลขทะเบียนส่ง", "register number"),
}


def start(asked: Asked) -> Answer:
    """Go to the register of letters received of this year."""
    return Elsewhere(f"/registers/{RECEIVED}/{now().year + BUDDHIST_OFFSET}")


def register(asked: Asked) -> Answer:
    """Show a year of a register, in the order of the form."""
    query = given(asked, {"after"})
    form, year = asked.path["form"], int(asked.path["year"])
    if form not in COLUMNS or not FIRST_BUDDHIST_YEAR <= year <= _LAST_YEAR:
        raise NoSuchPage(f"{form} {year}")
    after = place_in(query, "after")
    if asked.address.partition("?")[0].endswith(".csv"):
        return Shown("register.html", {}, {}, _as_csv(asked, form, year, after))
    reads, mailbox = asked.mailbox.registers, asked.mailbox
    with mailbox.snapshot():
        lines = list(_lines(asked, form, year, after, _ON_A_PAGE + 1))
        count = reads.count_received(year) if form == RECEIVED else reads.count_sent(year)
        years = sorted({*reads.years_received(), *reads.years_sent(), now().year + BUDDHIST_OFFSET})
    shown = lines[:_ON_A_PAGE]
    value: dict[str, Any] = {
        "form": form,
        "year": year,
        "years": years,
        "count": min(count, COUNTED),
        "more_than_counted": count > COUNTED,
        "lines": [_view(line) for line in shown],
        "after": "~".join(map(str, shown[-1].place)) if len(lines) > _ON_A_PAGE else None,
        "agency": mailbox.agency,
    }
    directory = mailbox.directory()
    own = directory.agencies.get(mailbox.agency) if directory else None
    return Shown(
        "register.html", value, {"own": own.name_th if own else mailbox.agency, "after": query.get("after")}
    )


def _lines(asked: Asked, form: str, year: int, after: Place | None, limit: int) -> Iterator[Line]:
    mailbox = asked.mailbox
    if form == RECEIVED:
        return registers.form_13(mailbox, mailbox.registers.received(year, after=after, limit=limit))
    return registers.form_14(mailbox, mailbox.registers.sent(year, after=after, limit=limit))


def _as_csv(asked: Asked, form: str, year: int, after: Place | None) -> Listed:
    """As many lines as a file takes, read page by page: what comes in meanwhile stands behind them."""
    query: dict[str, Any] = {"register": form, "year": year} | ({"after": list(after)} if after else {})

    def rows() -> Iterator[dict[str, Any]]:
        place, left = after, _MOST_CSV
        while left:
            with asked.mailbox.snapshot():
                page = list(_lines(asked, form, year, place, min(left, 500)))
            if not page:
                return
            yield from map(_spread, page)
            place, left = page[-1].place, left - len(page)
        if place:
            query["more"] = f"after={place[0]}~{place[1]}"

    return Listed(COLUMNS[form], rows(), About(query, {}))


def _view(line: Line) -> dict[str, Any]:
    return {
        "letter": line.letter,
        "day": line.day["iso"] if line.day else None,
        "register_number": line.register_number,
        "number": line.number,
        "date": line.date["iso"] if line.date else None,
        "from": line.sender,
        "to": line.receiver,
        "subject": line.subject,
        "action": list(line.action),
        "remark": list(line.remark),
    }


def _spread(line: Line) -> dict[str, Any]:
    """A line as a file has it: the register is Thai, as the form is."""
    return _view(line) | {
        "day": line.day["thai"] if line.day else None,
        "date": line.date["thai"] if line.date else None,
        "action": line.action[0],
        "remark": line.remark[0],
    }


PAGES = (
    Page("/registers", CLERKS, start, twin=False),
    Page("/registers/{form}/{year:int}", CLERKS, register, csv=True),
)
