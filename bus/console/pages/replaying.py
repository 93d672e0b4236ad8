"""Replay of parked submissions, one or many: counted first, tried dry, with a reason and so many a minute."""

from __future__ import annotations

from typing import Any, Final

from bus.console.asked import Asked
from bus.console.jobs.replaying import which_of
from bus.console.jobs.table import JobKind, Jobs
from bus.console.pages.steward import reason_of
from bus.console.roles import STEWARDS
from bus.pages.answers import Answer, Elsewhere, NoSuchPage, Page, Shown
from bus.router import parking
from bus.views import asking
from bus.views.asking import NotUnderstood

_SAMPLE: Final = 20
_RATES: Final = (1, 6000)
RATE: Final = 60
"""Submissions a minute that are proposed: a fault that is not mended is met by few of them before somebody stops it."""


def before_one(asked: Asked) -> Answer:
    """What the replay of one submission will do."""
    number = int(asked.path["entry"])
    with asked.site.ledger.read() as reader:
        entry = reader.entry_at(number)
        if entry is None or not reader.parked.is_waiting(number):
            raise NoSuchPage(f"nothing is parked under {number}")
    body = entry.body
    value = {"entry": number, "at": body["at"], "agency": body.get("agency"), "rawSha256": body["rawSha256"]}
    return Shown("replay_one.html", value)


def one(asked: Asked) -> Answer:
    """Ask the routers to take one submission through the gates again."""
    number = int(asked.path["entry"])
    with asked.site.ledger.append() as writer:
        try:
            parking.request_replay(writer, number, operator=asked.person, reason=reason_of(asked))
        except LookupError as nothing:
            raise NoSuchPage(f"nothing is parked under {number}") from nothing
    return Elsewhere(f"/parked/{number}")


def before_many(asked: Asked) -> Answer:
    """How many submissions fit a filter, by fault, and the first of them: the dry run of a replay."""
    filter_ = _filter({name: asked.value(name) for name in ("agency", "fault", "since")})
    which = which_of(filter_)
    with asked.site.ledger.read() as reader:
        count, by_fault = reader.parked.count(which), reader.parked.by_fault(which)
        sample = reader.parked.rows(which, limit=_SAMPLE)
        upto = reader.head()
    value: dict[str, Any] = {
        "filter": filter_,
        "count": count,
        "byFault": by_fault,
        "upto": upto,
        "first": [
            {
                "entry": row.entry.seq,
                "at": row.entry.body["at"],
                "agency": row.entry.body.get("agency"),
                "fault": row.fault,
            }
            for row in sample
        ],
    }
    return Shown("replay_many.html", value, {"rate": RATE})


def many(asked: Asked) -> Answer:
    """Begin the job that asks for the replay of all that fit, by the number that the steward has seen."""
    filter_ = _filter({name: asked.field(name) or None for name in ("agency", "fault", "since")})
    upto, rate = _number(asked, "upto", 1, 10**18), _number(asked, "rate", *_RATES)
    with asked.site.ledger.read() as reader:
        count = reader.parked.count(which_of(filter_))
    if asked.field("count") != str(count):
        raise NotUnderstood(f"count: {count} fit now; look again, and write this number")
    given = {**filter_, "upto": upto, "rate": rate, "why": reason_of(asked)}
    return Elsewhere(f"/jobs/{Jobs(asked.site.store).add(JobKind.REPLAY, given, asked.person)}")


def _filter(given: dict[str, str | None]) -> dict[str, str]:
    agency, since = given.get("agency"), given.get("since")
    if agency is not None and not (agency.isascii() and agency.isdigit() and len(agency) == 10):
        raise NotUnderstood("agency: a code has ten digits")
    first = asking.dates(since)[0] if since else None
    found = {"agency": agency, "fault": given.get("fault"), "since": first and f"{first[:10]}T00:00:00+07:00"}
    return {name: value for name, value in found.items() if value}


def _number(asked: Asked, name: str, least: int, most: int) -> int:
    text = asked.field(name)
    if not (text.isascii() and text.isdecimal() and len(text) < 19 and least <= int(text) <= most):
        raise NotUnderstood(f"{name}: a number from {least} to {most}")
    return int(text)


PAGES = (
    Page("/parked/replay", STEWARDS, before_many),
    Page("/parked/replay", STEWARDS, many, act=True),
    Page("/parked/{entry:int}/replay", STEWARDS, before_one),
    Page("/parked/{entry:int}/replay", STEWARDS, one, act=True),
)
