"""All agencies at a glance: the worst first, out of the newest reading."""

from __future__ import annotations

import re
from typing import Any, Final

from bus.console.asked import Asked
from bus.console.pages.lengths import lengths
from bus.console.pages.questions import choice, key, require_known
from bus.console.roles import OPERATORS
from bus.ledger.entry import timestamp
from bus.pages.answers import Answer, Listed, Page, Shown
from bus.pages.columns import About
from bus.thai import now
from bus.views.overview import COLUMNS, STATES, TROUBLES, age, choices, chosen, page_of

MOST: Final = 100
"""Agencies of one page."""
_KEY: Final = re.compile(r"[0-9]~[0-9T:.+\-]{4,40}~[0-9]{10}")
_FILTERS: Final = ("trouble", "state", "cluster", "name")


def overview(asked: Asked) -> Answer:
    """Show how each agency does, as it was read a few seconds ago."""
    require_known(asked, (*_FILTERS, "after", "refresh"))
    newest = asked.site.readings.newest
    clusters = {*asked.site.settings.brokers, *(row["cluster"] for row in (newest.rows if newest else ()))}
    query = {
        name: value
        for name, value in {
            "trouble": choice(asked, "trouble", {"any", *TROUBLES}),
            "state": choice(asked, "state", STATES),
            "cluster": choice(asked, "cluster", clusters),
            "name": asked.value("name"),
        }.items()
        if value is not None
    }
    after = key(asked, "after", _KEY)
    refresh = choice(asked, "refresh", ("off",)) is None
    rows = newest.rows if newest else []
    chosen_by = {what: value for what, value in query.items() if what != "name"}
    if "name" in query:
        named = newest.names.containing(query["name"]) if newest and newest.names else set()
        rows = [row for row in rows if row["code"] in named]
    found = chosen(rows, chosen_by)
    page, following = page_of(found, after, MOST)
    at = timestamp(now())
    value: dict[str, Any] = {
        "asOf": newest.at if newest else None,
        "age": age(newest.at, at) if newest else None,
        "away": _away(asked),
        "totals": newest.totals if newest else None,
        "query": query,
        "found": len(found),
        "choices": choices(rows, chosen_by),
        "agencies": [_with_ages(row, at) for row in page],
        "next": following,
    }
    about = About(query | {"asOf": value["asOf"]}, newest.head if newest else {})
    beside = {"length": lengths(asked.language), "refresh": refresh}
    return Shown("overview.html", value, beside, listed=Listed(COLUMNS, found, about))


def _with_ages(row: dict[str, Any], at: str) -> dict[str, Any]:
    return {
        **row,
        "oldestAge": age(row["oldestWaiting"], at),
        "lastSuccessAge": age(row["lastSuccess"], at),
    }


def _away(asked: Asked) -> list[dict[str, str | None]]:
    """What could not be asked, and since when."""
    readings = asked.site.readings
    found: list[dict[str, str | None]] = [
        {"what": "broker", "name": name, "reason": one.away, "since": readings.away_since.get(name)}
        for name, one in readings.clusters.items()
        if one.away is not None
    ]
    if readings.ledger_away_since is not None:
        found.append({"what": "ledger", "name": "", "reason": None, "since": readings.ledger_away_since})
    return found


PAGES = (Page("/overview", OPERATORS, overview, csv=True),)
