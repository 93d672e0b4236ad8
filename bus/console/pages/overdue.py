"""What is overdue now, and beside it the two other kinds of trouble: what will be tried again, and what is parked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from bus.console.asked import Asked
from bus.console.names import names_for
from bus.console.pages.lengths import lengths
from bus.console.pages.questions import agency_asked, choice, key, require_known
from bus.console.roles import OPERATORS
from bus.documents.lifecycle import Deadline
from bus.evidence.words import DEADLINES
from bus.identifiers import AgencyCode
from bus.ledger.entry import timestamp
from bus.pages.answers import Answer, Listed, Page, Shown
from bus.pages.columns import About, Column, iso, moment
from bus.thai import now
from bus.views.overview import age
from bus.views.silence import Passed

MOST: Final = 100
_NAMED, _RETRIED = 20, 20
_KEY: Final = re.compile(r"[0-9T:.+\-]{10,40}~[0-9]{1,18}")

_COLUMNS = (
    Column("letter", "letter", "หนังสือลำดับที่", plain=True),
    Column("deadline", "what was due", "สิ่งที่ครบกำหนด", lambda each: DEADLINES.get(each, (each,))[0]),
    Column("due", "due", "กำหนด", moment),
    Column("due", "due, ISO", "กำหนด ค.ศ.", iso, plain=True),
    Column("sender", "from", "จาก", who="full"),
    Column("silent", "silent", "ผู้ที่ยังไม่แจ้ง", who="full"),
)


def overdue(asked: Asked) -> Answer:
    """Show who is silent though a deadline has passed, what has been due for the longest first."""
    require_known(asked, ("deadline", "agency", "after"))
    deadline = choice(asked, "deadline", tuple(Deadline))
    after = key(asked, "after", _KEY)
    newest = asked.site.readings.newest
    with asked.site.ledger.read() as reader:
        code = agency_asked(asked, reader)
        parked = reader.parked.count()
        names = names_for(asked.site, reader) if asked.address.partition("?")[0].endswith(".csv") else None
    passed = newest.passed if newest else ()
    of_agency = [one for one in passed if code is None or code in one.silent]
    found = [one for one in of_agency if deadline in (None, one.deadline)]
    left = [one for one in found if after is None or one.key > after]
    at = timestamp(now())
    query = {name: one for name, one in (("deadline", deadline), ("agency", code)) if one is not None}
    value: dict[str, Any] = {
        "asOf": newest.at if newest else None,
        "shortened": newest.shortened if newest else False,
        "query": query,
        "retry": _retried(newest.rows if newest else (), code),
        "parked": parked,
        "counts": {each: 0 for each in map(str, Deadline)} | Counter(str(one.deadline) for one in of_agency),
        "found": len(found),
        "overdue": [_row(one, at, code) for one in left[:MOST]],
        "next": left[MOST - 1].key if len(left) > MOST else None,
    }
    listed = Listed(_COLUMNS, _spread(found, code), _about(query, newest), names)
    beside = {"length": lengths(asked.language), "names": _named(asked, value["overdue"])}
    return Shown("overdue.html", value, beside, listed=listed)


def _about(query: dict[str, Any], newest: Any) -> About:
    return About(query | {"asOf": newest.at if newest else None}, newest.head if newest else {})


def _row(one: Passed, at: str, code: AgencyCode | None) -> dict[str, Any]:
    silent = sorted(one.silent) if code is None else [code]
    return {
        "letter": one.letter,
        "deadline": str(one.deadline),
        "due": one.due,
        "overdueFor": age(one.due, at),
        "noticedAt": one.noticed_at,
        "sender": one.sender,
        "silentCount": len(one.silent),
        "silent": silent[:_NAMED],
    }


def _spread(found: list[Passed], code: AgencyCode | None) -> Iterator[dict[str, Any]]:
    for one in found:
        for each in sorted(one.silent):
            if code in (None, each):
                yield {
                    "letter": one.letter,
                    "deadline": str(one.deadline),
                    "due": one.due,
                    "sender": one.sender,
                    "silent": each,
                }


def _retried(rows: Any, code: AgencyCode | None) -> dict[str, Any]:
    """What is not in its queue yet, and will be tried again by itself."""
    some = [row for row in rows if row["pending"] and code in (None, row["code"])]
    some.sort(key=lambda row: -row["pending"])
    kept = ("code", "nameTh", "nameEn", "pending", "nextAttempt")
    return {
        "consignments": sum(row["pending"] for row in some),
        "agencies": len(some),
        "most": [{name: row[name] for name in kept} for row in some[:_RETRIED]],
    }


def _named(asked: Asked, rows: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """The names of the agencies that this page shows."""
    newest = asked.site.readings.newest
    by_code = newest.by_code if newest else {}
    codes = {code for row in rows for code in (row["sender"], *row["silent"]) if code in by_code}
    return {code: (by_code[code]["nameTh"], by_code[code]["nameEn"]) for code in codes}


PAGES = (Page("/overdue", OPERATORS, overdue, csv=True),)
