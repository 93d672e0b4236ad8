"""How far things have come: the newest number of each inbox, its newest answer, the newest entry about each letter.

The newest of each is one step in an index, however many there are before it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache

from sqlalchemy import Connection, text

from bus.identifiers import AgencyCode

_OF_AGENCIES = {
    "sqlite": "json_each(:agencies) a",
    "postgresql": "json_array_elements_text(CAST(:agencies AS json)) a",
}
_LAST_NUMBERS = (
    "SELECT a.value AS agency, (SELECT number FROM consignments WHERE consignments.agency = a.value"
    " ORDER BY number DESC LIMIT 1) AS number FROM "
)
_LAST_ANSWERS = (
    "SELECT a.value AS agency, (SELECT answer FROM submissions WHERE submissions.agency = a.value"
    " ORDER BY answer DESC LIMIT 1) AS number FROM "
)
_NEWEST_ABOUT = {
    "sqlite": "SELECT l.value AS letter, (SELECT seq FROM entries WHERE entries.letter = l.value"
    " ORDER BY seq DESC LIMIT 1) AS seq FROM json_each(:letters) l",
    "postgresql": "SELECT l.value AS letter, (SELECT seq FROM entries WHERE entries.letter = l.value"
    " ORDER BY seq DESC LIMIT 1) AS seq FROM unnest(CAST(:letters AS bigint[])) l(value)",
}


_query = cache(text)


def last_numbers(connection: Connection, agencies: Sequence[AgencyCode]) -> dict[AgencyCode, int]:
    """Return the newest consignment number of each of these inboxes, 0 before the first."""
    return _last(connection, _LAST_NUMBERS, agencies)


def last_answers(connection: Connection, agencies: Sequence[AgencyCode]) -> dict[AgencyCode, int]:
    """Return the number of the newest answer to a submission of each of these agencies, 0 before the first."""
    return _last(connection, _LAST_ANSWERS, agencies)


def _last(connection: Connection, asked: str, agencies: Sequence[AgencyCode]) -> dict[AgencyCode, int]:
    query = _query(asked + _OF_AGENCIES[connection.dialect.name])
    rows = connection.execute(query, {"agencies": json.dumps(agencies)})
    return {row.agency: row.number or 0 for row in rows}


def newest_about(connection: Connection, letters: Sequence[int]) -> dict[int, int]:
    """Return, by letter, the number of the newest entry about it."""
    dialect = connection.dialect.name
    query = _query(_NEWEST_ABOUT[dialect])
    rows = connection.execute(query, {"letters": json.dumps(letters) if dialect == "sqlite" else letters})
    return {row.letter: row.seq for row in rows if row.seq is not None}
