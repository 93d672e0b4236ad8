"""How each agency stands with the bus: when it last sent something, and since when something waits for it.

Every question walks an index from its newest end, so that it costs the same in an old ledger as in a new one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from bus.documents.notice import Event
from bus.identifiers import AgencyCode
from bus.ledger.tables import consignments, entries, pending, submissions

_NOTICES_LOOKED_AT = 500
"""Among so many newest notices of an agency its newest receipt is looked for; each letter has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyActivity:
    """What the ledger knows of one agency's adapter; times as the ledger writes them."""

    last_submission: str | None
    """When the newest submission of any kind was answered, a daily reconciliation included."""
    last_receipt: str | None
    """When its newest receipt of a letter was entered."""
    last_consignment: int
    """The newest number given to its inbox."""
    pending: int
    """Consignments that the broker has not confirmed."""
    on_hold: int
    """Consignments that wait because the agency is suspended."""


class Agencies:
    """Questions about agencies inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def activity(self, agency: AgencyCode) -> AgencyActivity:
        """Return how one agency stands."""
        return _activity(self._connection, agency)

    def waiting(self) -> dict[AgencyCode, tuple[int, int]]:
        """Return, for each agency with waiting consignments, how many, and how many more are on hold."""
        by = (pending.c.agency, pending.c.on_hold)
        counts: dict[AgencyCode, tuple[int, int]] = {}
        for agency, held, count in self._connection.execute(select(*by, func.count()).group_by(*by)):
            waiting, kept = counts.get(agency, (0, 0))
            counts[agency] = (waiting, kept + count) if held else (waiting + count, kept)
        return counts

    def waiting_for(self, agency: AgencyCode, most: int) -> int:
        """Return how many consignments wait to be published to an agency; counted up to `most`."""
        some = select(pending.c.number).where(pending.c.agency == agency).limit(most).subquery()
        return self._connection.scalar(select(func.count()).select_from(some)) or 0

    def given_at(self, agency: AgencyCode, number: int) -> str | None:
        """Return when a consignment was given."""
        query = select(entries.c.at).join(consignments, consignments.c.entry == entries.c.seq)
        mine = query.where(consignments.c.agency == agency, consignments.c.number == number)
        return self._connection.scalar(mine)


def _activity(connection: Connection, agency: AgencyCode) -> AgencyActivity:
    mine = select(entries.c.at).join(submissions, submissions.c.entry == entries.c.seq)
    newest = mine.where(submissions.c.agency == agency).order_by(submissions.c.answer.desc()).limit(1)
    number = select(func.max(consignments.c.number)).where(consignments.c.agency == agency)
    counts = (
        select(pending.c.on_hold, func.count()).where(pending.c.agency == agency).group_by(pending.c.on_hold)
    )
    waiting = {held: count for held, count in connection.execute(counts)}
    return AgencyActivity(
        last_submission=connection.scalar(newest),
        last_receipt=_last_receipt(connection, agency),
        last_consignment=connection.scalar(number) or 0,
        pending=waiting.get(False, 0),
        on_hold=waiting.get(True, 0),
    )


def _last_receipt(connection: Connection, agency: AgencyCode) -> str | None:
    query = select(entries.c.at, entries.c.body).join(submissions, submissions.c.entry == entries.c.seq)
    query = query.where(submissions.c.agency == agency, submissions.c.type == "notice")
    newest = query.order_by(submissions.c.answer.desc()).limit(_NOTICES_LOOKED_AT)
    for at, body in connection.execute(newest):
        if json.loads(body).get("event") == Event.DELIVERED:
            return str(at)
    return None
