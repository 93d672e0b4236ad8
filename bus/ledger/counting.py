"""What an agency was refused in each hour: how many were entered, and how many more only counted, by code.

The counts are a work list: they are written in the transaction that they count, and become one entry when their hour
is over. If the table is lost, so is what was counted in that hour, and no entry.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from bus.identifiers import AgencyCode
from bus.ledger.entry import timestamp
from bus.ledger.tables import refusal_counts

ENTERED, ANSWERED = "entered", "answered"
"""Not codes of refusals, which bear a full stop: those that were entered, and the one that says so of the others."""


def hour_of(moment: datetime) -> str:
    """Return the hour of a time as the counts name it: `2026-11-26T09`, in Bangkok."""
    return timestamp(moment)[:13]


class RefusalCounts:
    """The counts, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[tuple[AgencyCode, str], dict[str, int]] = {}

    def of(self, agency: AgencyCode, hour: str) -> Mapping[str, int]:
        """Return by code how many of an agency's submissions were refused in an hour (`2026-11-26T09`)."""
        if (agency, hour) not in self._known:
            table = refusal_counts.c
            query = select(table.code, table.count).where(table.agency == agency, table.hour == hour)
            self._known[agency, hour] = {code: count for code, count in self._connection.execute(query)}
        return self._known[agency, hour]

    def add(self, agency: AgencyCode, hour: str, code: str) -> None:
        """Count one more."""
        known = self._known.get((agency, hour))
        if known is not None:
            known[code] = known.get(code, 0) + 1
        dialect = {"sqlite": sqlite, "postgresql": postgresql}[self._connection.dialect.name]
        row = {"agency": agency, "hour": hour, "code": code, "count": 1}
        more = {"count": refusal_counts.c.count + 1}
        statement = dialect.insert(refusal_counts).values(row)
        self._connection.execute(
            statement.on_conflict_do_update(index_elements=["agency", "hour", "code"], set_=more)
        )

    def any_before(self, hour: str) -> bool:
        """Whether there are counts of an hour before this one."""
        query = select(refusal_counts.c.hour).where(refusal_counts.c.hour < hour).limit(1)
        return self._connection.execute(query).first() is not None

    def take_before(self, hour: str) -> dict[tuple[AgencyCode, str], dict[str, int]]:
        """Take the counts of all hours before this one off the list; return them by agency and hour."""
        self._known.clear()
        past = delete(refusal_counts).where(refusal_counts.c.hour < hour)
        taken: dict[tuple[AgencyCode, str], dict[str, int]] = defaultdict(dict)
        for row in self._connection.execute(past.returning(*refusal_counts.c)):
            taken[row.agency, row.hour][row.code] = row._mapping["count"]
        return dict(sorted(taken.items()))
