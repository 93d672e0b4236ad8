"""What is parked: by the fault that it met, one by one, and each as far as it is known without its content."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from bus.console.asked import Asked
from bus.console.names import names_for
from bus.console.pages.questions import agency_asked, day_asked, number, require_known
from bus.console.roles import OPERATORS
from bus.ledger.entry import Kind
from bus.ledger.parked import ParkedRow, WhichParked
from bus.ledger.reading import Reader
from bus.operators import Role
from bus.pages.answers import Answer, Listed, NoSuchPage, Page, Shown
from bus.pages.columns import About, Column, iso, moment
from bus.text import printable
from bus.views.asking import NotUnderstood
from bus.views.finding import head_of
from bus.views.letters import MOST_NUMBER

MOST: Final = 100
_LONGEST: Final = 100
_AT_ONCE: Final = 500
"""Rows of the CSV that are read at once."""

_COLUMNS = (
    Column("entry", "entry", "ลำดับในบัญชี", plain=True),
    Column("at", "since", "พักไว้เมื่อ", moment),
    Column("at", "since, ISO", "พักไว้เมื่อ ค.ศ.", iso, plain=True),
    Column("agency", "agency", "หน่วยงาน", who="full"),
    Column("fault", "fault", "ข้อผิดพลาดที่พบ"),
    Column("rawSha256", "SHA-256 of the submission", "SHA-256 ของสิ่งที่ส่งมา"),
)


def parked(asked: Asked) -> Answer:
    """List what is parked, what waits for the longest first."""
    require_known(asked, ("agency", "fault", "since", "after"))
    fault, after = asked.value("fault"), number(asked, "after") or 0
    if fault is not None and (len(fault) > _LONGEST or not fault.isprintable()):
        raise NotUnderstood("this is the class of no fault")
    since = day_asked(asked, "since")
    with asked.site.ledger.read() as reader:
        agency = agency_asked(asked, reader)
        every = WhichParked(agency=agency, since=since)
        which = WhichParked(agency=agency, since=since, fault=fault)
        faults = {printable(name): count for name, count in reader.parked.by_fault(every).items()}
        rows = reader.parked.rows(which, after=after, limit=MOST + 1)
        head = head_of(reader)
        csv = asked.address.partition("?")[0].endswith(".csv")
        query = {name: value for name, value in (("agency", agency), ("fault", fault)) if value is not None}
        if since is not None:
            query["since"] = since.date().isoformat()
        listed = None
        if csv:
            about = About(query or {"parked": "all"}, head)
            listed = Listed(_COLUMNS, _all(reader, which), about, names_for(asked.site, reader)).made()
    shown = [_row(row) for row in rows[:MOST]]
    value: dict[str, Any] = {
        "query": query,
        "total": sum(faults.values()),
        "faults": faults,
        "found": faults.get(fault, 0) if fault is not None else sum(faults.values()),
        "parked": shown,
        "next": shown[-1]["entry"] if len(rows) > MOST else None,
    }
    beside = {"names": _names(asked), "is_steward": asked.session.role is Role.STEWARD}
    return Shown("parked.html", value, beside, listed=listed)


def _all(reader: Reader, which: WhichParked) -> Iterator[dict[str, Any]]:
    """Yield every row, a portion in memory at a time."""
    after = 0
    while rows := reader.parked.rows(which, after=after, limit=_AT_ONCE):
        yield from map(_row, rows)
        after = rows[-1].entry.seq


def _row(row: ParkedRow) -> dict[str, Any]:
    body = row.entry.body
    return {
        "entry": row.entry.seq,
        "at": body["at"],
        "agency": body.get("agency"),
        "fault": printable(row.fault),
        "rawSha256": body["rawSha256"],
    }


def one_parked(asked: Asked) -> Answer:
    """Show a parked submission as far as it is known without its content."""
    require_known(asked, ())
    seq = int(asked.path["entry"])
    with asked.site.ledger.read() as reader:
        entry = reader.entry_at(seq) if seq < MOST_NUMBER else None
        if entry is None or entry.kind is not Kind.PARKED:
            raise NoSuchPage(f"parked {asked.path['entry'][:20]}")
        body = entry.body
        document = reader.document(entry.document) if entry.document else None
        replays = list(_replays(reader, seq))
        error = next((one["error"] for one in reversed(replays) if one["error"]), body.get("error"))
        value: dict[str, Any] = {
            "entry": seq,
            "at": body["at"],
            "receivedAt": body.get("receivedAt"),
            "agency": body.get("agency"),
            "size": len(document) if document is not None else None,
            "rawSha256": body["rawSha256"],
            "fault": printable(error) if error else "unknown",
            "waiting": reader.parked.is_waiting(seq),
            "replays": replays,
        }
    beside = {"names": _names(asked), "is_steward": asked.session.role is Role.STEWARD}
    return Shown("parked_one.html", value, beside)


def _replays(reader: Reader, seq: int) -> Iterator[dict[str, Any]]:
    for entry in reader.parked.history_of(seq):
        body = entry.body
        yield {
            "entry": entry.seq,
            "at": body["at"],
            "kind": str(entry.kind),
            "by": body.get("operator"),
            "reason": body.get("reason"),
            "outcome": body.get("outcome"),
            "error": body.get("error"),
        }


def _names(asked: Asked) -> dict[str, tuple[str, str]]:
    newest = asked.site.readings.newest
    return {code: (row["nameTh"], row["nameEn"]) for code, row in newest.by_code.items()} if newest else {}


PAGES = (
    Page("/parked", OPERATORS, parked, csv=True),
    Page("/parked/{entry:int}", OPERATORS, one_parked),
)
