"""How each agency stands with the bus: when it last sent something, and since when something waits for it.

Every question walks an index from its newest end, so that it costs the same in an old ledger as in a new one. What is
asked of all agencies together is asked in a fixed number of statements, however many there are.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select, text

from bus.documents.notice import Event
from bus.identifiers import AgencyCode
from bus.ledger.entry import Entry, Kind
from bus.ledger.rows_in import rows_in
from bus.ledger.tables import consignments, entries, pending, recipients, submissions

_NOTICES_LOOKED_AT = 500
"""Among so many newest notices of an agency its newest receipt is looked for; each letter has one."""
_FAILURES_LOOKED_AT = 500
"""Among so many newest failures of all inboxes those of one agency are looked for."""
_TOGETHER = 1_000
_EACH = {
    "sqlite": "json_each(:agencies)",
    "postgresql": "json_array_elements_text(CAST(:agencies AS json))",
}
_NEWEST = """
SELECT n.agency AS agency, n.number AS number, s.code AS code, e.at AS at FROM (
  SELECT a.value AS agency,
    (SELECT c.number FROM consignments c WHERE c.agency = a.value ORDER BY c.number DESC LIMIT 1) AS number,
    (SELECT s.answer FROM submissions s WHERE s.agency = a.value ORDER BY s.answer DESC LIMIT 1) AS answer
  FROM {each} a
) n
LEFT JOIN submissions s ON s.agency = n.agency AND s.answer = n.answer
LEFT JOIN entries e ON e.seq = s.entry
"""
_NEWEST_ACCEPTED = """
SELECT a.value AS agency, (
  SELECT e.at FROM (
    SELECT s.answer, s.code, s.entry FROM submissions s WHERE s.agency = a.value
    ORDER BY s.answer DESC LIMIT 500
  ) x JOIN entries e ON e.seq = x.entry WHERE x.code IS NULL ORDER BY x.answer DESC LIMIT 1
) AS at
FROM {each} a
"""


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
    last_accepted: str | None = None
    """When the newest submission was answered that was not refused; looked for among its newest ones."""
    next_attempt: str | None = None
    """When the first of what is pending may be taken by any router; None where it may be now, or nothing is pending."""


@dataclass(frozen=True, slots=True)
class OpenCircuit:
    """An inbox that did not take a consignment, which one router tries again by itself."""

    failed: Entry
    """The newest entry of that consignment's failure."""
    router: str | None
    """Which router has it; None where any may take it."""
    next_attempt: str | None


class Agencies:
    """Questions about agencies inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def activity(self, agency: AgencyCode) -> AgencyActivity:
        """Return how one agency stands."""
        return _activity(self._connection, agency)

    def everybody(self, agencies: Collection[AgencyCode]) -> Iterator[dict[AgencyCode, AgencyActivity]]:
        """Yield how each of many stands, without the newest receipts, a thousand at a time in one statement, or two."""
        waiting, attempts = self._pending()
        every = list(agencies)
        for start in range(0, len(every), _TOGETHER):
            some = every[start : start + _TOGETHER]
            newest = {row.agency: row for row in self._each(_NEWEST, some)}
            refused = [code for code, row in newest.items() if row.code is not None]
            accepted = {code: row.at for code, row in newest.items() if row.code is None}
            if refused:
                accepted |= {row.agency: row.at for row in self._each(_NEWEST_ACCEPTED, refused)}
            yield {
                code: AgencyActivity(
                    last_submission=row.at,
                    last_receipt=None,
                    last_consignment=row.number or 0,
                    pending=waiting.get((code, False), 0),
                    on_hold=waiting.get((code, True), 0),
                    last_accepted=accepted.get(code),
                    next_attempt=attempts.get(code),
                )
                for code, row in newest.items()
            }

    def _each(self, statement: str, agencies: Collection[AgencyCode]) -> list[Any]:
        filled = statement.format(each=_EACH[self._connection.dialect.name])
        return list(self._connection.execute(text(filled), {"agencies": json.dumps(list(agencies))}))

    def _pending(self) -> tuple[dict[tuple[AgencyCode, bool], int], dict[AgencyCode, str]]:
        by = (pending.c.agency, pending.c.on_hold)
        found = self._connection.execute(
            select(*by, func.count().label("many"), func.min(pending.c.leased_until).label("until")).group_by(
                *by
            )
        ).all()
        attempts = {row.agency: row.until for row in found if not row.on_hold and row.until is not None}
        return {(row.agency, bool(row.on_hold)): row.many for row in found}, attempts

    def last_receipt(self, agency: AgencyCode) -> str | None:
        """Return when an agency's newest receipt of a letter was entered."""
        return _last_receipt(self._connection, agency)

    def last_report(self, agency: AgencyCode) -> Entry | None:
        """Return the newest statement of an agency about what has arrived, among its newest reports."""
        query = select(entries.c.body).join(submissions, submissions.c.entry == entries.c.seq)
        query = query.where(submissions.c.agency == agency, submissions.c.type == "report")
        newest = query.order_by(submissions.c.answer.desc()).limit(_NOTICES_LOOKED_AT)
        found = (Entry(json.loads(body)) for body in self._connection.scalars(newest))
        return next((entry for entry in found if entry.kind is Kind.RECONCILED), None)

    def last_failure(self, agency: AgencyCode) -> Entry | None:
        """Return the newest failure of an agency's inbox, among the newest of all inboxes."""
        return next(self._failures(agency), None)

    def open_circuits(self, agency: AgencyCode) -> list[OpenCircuit]:
        """Return the circuits of an agency's inbox that are open: what failed there and is still pending.

        A router enters the first failure, and tries that consignment before all others: once it is confirmed it is
        pending no more, and the circuit is closed. Looked for among the newest failures of all inboxes.
        """
        failures = {entry.body["number"]: entry for entry in reversed([*self._failures(agency)])}
        keys = [(agency, number) for number in failures]
        waits = rows_in(self._connection, (pending.c.agency, pending.c.number), keys)
        query = select(pending).where(waits, ~pending.c.on_hold).order_by(pending.c.number)
        found = self._connection.execute(query)
        return [OpenCircuit(failures[row.number], row.leased_by, row.leased_until) for row in found]

    def _failures(self, agency: AgencyCode) -> Iterator[Entry]:
        query = select(entries.c.agency, entries.c.body).where(entries.c.kind == Kind.CONSIGNMENT_FAILED)
        newest = self._connection.execute(query.order_by(entries.c.seq.desc()).limit(_FAILURES_LOOKED_AT))
        return (Entry(json.loads(row.body)) for row in newest if row.agency == agency)

    def letters_to(self, agency: AgencyCode, *, before: int | None, limit: int) -> list[int]:
        """Return the newest letters of which an agency is a recipient, below a ledger number."""
        query = select(recipients.c.letter).where(recipients.c.agency == agency)
        query = query if before is None else query.where(recipients.c.letter < before)
        return list(self._connection.scalars(query.order_by(recipients.c.letter.desc()).limit(limit)))

    def how_many(self, letters: Sequence[int]) -> dict[int, int]:
        """Return how many recipients each of these letters has."""
        query = select(recipients.c.letter, func.count()).where(recipients.c.letter.in_(letters))
        return {row[0]: row[1] for row in self._connection.execute(query.group_by(recipients.c.letter))}

    def given_each(self, numbers: Mapping[AgencyCode, int]) -> dict[AgencyCode, str]:
        """Return when each agency's consignment of a number was given."""
        if not numbers:
            return {}
        key = (consignments.c.agency, consignments.c.number)
        query = select(consignments.c.agency, entries.c.at).join(
            entries, consignments.c.entry == entries.c.seq
        )
        these = query.where(rows_in(self._connection, key, list(numbers.items())))
        return {row.agency: row.at for row in self._connection.execute(these)}

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
