"""One agency: why something waits for it, its queue over time, its keys, its word about itself, its letters."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from bus.console.asked import Asked
from bus.console.drawing import by_hour, queue_over_time
from bus.console.pages.lengths import lengths
from bus.console.pages.questions import number, require_known
from bus.console.roles import OPERATORS
from bus.console.wording import say
from bus.identifiers import AgencyCode
from bus.operators import Role
from bus.pages.answers import Answer, NoSuchPage, Page, Shown
from bus.thai import now
from bus.views.agency import (
    REASONS,
    agency_in_force,
    certificates_of,
    circuits_of,
    letters_of,
    line_of,
    organizations_of,
    statement_of,
    why_waiting,
    witness_of,
)

MOST: Final = 20
"""Letters of one page."""


def agency(asked: Asked) -> Answer:
    """Show an agency of the directory in force."""
    require_known(asked, ("before",))
    before, code = number(asked, "before"), AgencyCode(asked.path["code"])
    readings, at = asked.site.readings, now()
    with asked.site.ledger.read() as reader:
        directory = readings.in_force(reader)
        one = agency_in_force(reader, code) if directory else None
        if directory is None or one is None:
            raise NoSuchPage(code[:20])
        row = readings.newest.by_code.get(code) if readings.newest else None
        away = readings.away_since.get(one.cluster) if one.inbox else None
        unheard = readings.history.without_adapter_since(code)
        letters, following = letters_of(reader, code, before=before, most=MOST)
        value: dict[str, Any] = {
            "code": code,
            "nameTh": one.name_th,
            "nameEn": one.name_en,
            "state": one.state,
            "inbox": one.inbox,
            "cluster": one.cluster if one.inbox else None,
            "login": one.broker_login,
            "above": line_of(directory, one),
            "directory": directory.version,
            "asOf": readings.newest.at if readings.newest else None,
            "figures": row,
            "reasons": list(why_waiting(reader, one, row, away, unheard)),
            "circuits": circuits_of(reader, code) if one.inbox else [],
            "reads": list(one.reads),
            "statement": statement_of(reader, code),
            "witness": witness_of(reader, one),
            "certificates": certificates_of(one, at),
            "organizations": organizations_of(one),
            "letters": letters,
            "next": following,
        }
    points = readings.history.of(code, one.cluster)
    value["history"] = [asdict(point) for point in points]
    beside = {
        "length": lengths(asked.language),
        "drawn": queue_over_time(points, say(asked.language, "agency.drawn")),
        "hours": by_hour(points),
        "failures": REASONS,
        "is_steward": asked.session.role is Role.STEWARD,
    }
    return Shown("agency.html", value, beside)


PAGES = (Page("/agencies/{code}", OPERATORS, agency),)
