"""The letters received: what is to be dealt with, most urgent first, and what is done, newest first."""

from __future__ import annotations

from typing import Any, Final

from adapters import views
from adapters.connectors.folder.manifest import is_agency_code
from adapters.desk.asked import Asked
from adapters.desk.roles import CLERKS
from adapters.desk.todo import refresh
from adapters.mailbox.desk import MOST_COUNTED, ToDo, Wanted, urgency_of
from bus.codes import load_codes
from bus.errors import NotUnderstood
from bus.identifiers import AgencyCode
from bus.pages.answers import Answer, Listed, Page, Shown
from bus.pages.columns import About, Column, iso, moment
from bus.pages.given import given, row_in
from bus.thai import now, timestamp

ON_A_PAGE: Final = 50
SHOWN: Final = ("waiting", "new", "done")
"""The parts of the list: what waits for an answer of this agency, what of it nobody has looked at, what is answered."""
_QUERY: Final = frozenset({"show", "speed", "sender", "number", "after"})

_COLUMNS = (
    Column("number", "number", "ที่"),
    Column("date", "dated", "ลงวันที่"),
    Column("date_iso", "dated, ISO", "ลงวันที่ ค.ศ.", plain=True),
    Column("sender", "from", "จาก"),
    Column("subject", "subject", "เรื่อง"),
    Column("speed", "speed", "ชั้นความเร็ว"),
    Column("due", "due", "กำหนด", moment),
    Column("due", "due, ISO", "กำหนด ค.ศ.", iso, plain=True),
    Column("state", "state", "สถานะ"),
    Column("receiving_number", "receiving number", "เลขรับ"),
    Column("delivered", "delivered", "ได้รับเมื่อ", moment),
    Column("letter_id", "LetterID", "LetterID"),
)


def inbox(asked: Asked) -> Answer:
    """List a part of the letters received."""
    mailbox, query = asked.mailbox, given(asked, _QUERY)
    show = query.get("show", "waiting")
    wanted = _wanted(query, show)
    refresh(mailbox)
    with mailbox.snapshot():
        # One more than is shown says whether there are more.
        found = mailbox.desk.page(wanted, ON_A_PAGE + 1, _after(asked, query))
        rows = [_row(asked, each) for each in found[:ON_A_PAGE]]
        counts = {part: mailbox.desk.count(_wanted({}, part)) for part in SHOWN}
    value: dict[str, Any] = {
        "query": {name: text for name, text in query.items() if name != "after"},
        "counts": {part: _count(number) for part, number in counts.items()},
        "letters": rows,
        "next": rows[-1]["id"] if len(found) > len(rows) else None,
    }
    listed = Listed(_COLUMNS, map(_spread, rows), About(value["query"], {}))
    return Shown("inbox.html", value, {"show": show, "speeds": load_codes().speed}, listed)


def _wanted(query: dict[str, str], show: str) -> Wanted:
    if show not in SHOWN:
        raise NotUnderstood(f"show is one of {', '.join(SHOWN)}")
    if (speed := query.get("speed")) is not None and speed not in load_codes().speed:
        raise NotUnderstood(f"speed is one of {', '.join(load_codes().speed)}")
    if (sender := query.get("sender")) is not None and not is_agency_code(sender):
        raise NotUnderstood("sender is a code of ten digits")
    return Wanted(
        done=show == "done",
        unseen=show == "new",
        urgency=None if speed is None else urgency_of(speed),
        sender=None if sender is None else AgencyCode(sender),
        number=query.get("number"),
    )


def _after(asked: Asked, query: dict[str, str]) -> ToDo | None:
    if (row := row_in(query, "after")) is None:
        return None
    found = asked.mailbox.desk.get(row)
    if found is None:
        raise NotUnderstood("after is no letter of this list")
    return found


def _row(asked: Asked, todo: ToDo) -> views.View:
    letter = asked.mailbox.inbox.get(todo.inbox)
    (speed,) = (code for code in load_codes().speed.values() if urgency_of(code.value) == todo.urgency)
    return {
        "id": todo.inbox,
        "new": todo.seen_at is None,
        "speed": {"code": speed.value, "th": speed.th, "en": speed.en},
        "due_by": views.when(todo.due_by),
        "overdue": not todo.done and todo.due < timestamp(now()),
    } | views.received(asked.mailbox, letter)


def _spread(row: views.View) -> dict[str, Any]:
    standing = row["standing"]
    return {
        "number": row["number"],
        "date": row["date"]["thai"],
        "date_iso": row["date"]["iso"],
        "sender": f"{row['sender']['code']} {row['sender']['name_th'] or row['sender']['stated']}",
        "subject": row["subject"],
        "speed": row["speed"]["th"],
        "due": (row["due_by"] or {}).get("iso"),
        "state": views.word(standing["state"])["event_th"],
        "receiving_number": standing.get("receiving_number"),
        "delivered": row["delivered_at"]["iso"],
        "letter_id": row["letter_id"],
    }


def _count(number: int) -> str:
    return f"{number:,}" if number <= MOST_COUNTED else f">{MOST_COUNTED:,}"


PAGES = (Page("/inbox", CLERKS, inbox, csv=True),)
