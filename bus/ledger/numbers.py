"""How far things have come: the newest number of each inbox, and the newest entry about each letter.

The newest of each is one step in an index, however many there are before it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import Connection, text

from bus.identifiers import AgencyCode

_LAST_NUMBERS = {
    "sqlite": "SELECT a.value AS agency, (SELECT number FROM consignments c WHERE c.agency = a.value"
    " ORDER BY number DESC LIMIT 1) AS number FROM json_each(:agencies) a",
    "postgresql": "SELECT a.value AS agency, (SELECT number FROM consignments c WHERE c.agency = a.value"
    " ORDER BY number DESC LIMIT 1) AS number FROM json_array_elements_text(CAST(:agencies AS json)) a",
}
_NEWEST_ABOUT = {
    "sqlite": "SELECT l.value AS letter, (SELECT seq FROM entries e WHERE e.letter = l.value"
    " ORDER BY seq DESC LIMIT 1) AS seq FROM json_each(:letters) l",
    "postgresql": "SELECT l.value AS letter, (SELECT seq FROM entries e WHERE e.letter = l.value"
    " ORDER BY seq DESC LIMIT 1) AS seq FROM unnest(CAST(:letters AS bigint[])) l(value)",
}


def last_numbers(connection: Connection, agencies: Sequence[AgencyCode]) -> dict[AgencyCode, int]:
    """Return the newest consignment number of each of these inboxes, 0 before the first."""
    query = text(_LAST_NUMBERS[connection.dialect.name])
    rows = connection.execute(query, {"agencies": json.dumps(agencies)})
    return {row.agency: row.number or 0 for row in rows}


def newest_about(connection: Connection, letters: Sequence[int]) -> dict[int, int]:
    """Return, by letter, the number of the newest entry about it."""
    dialect = connection.dialect.name
    query = text(_NEWEST_ABOUT[dialect])
    rows = connection.execute(query, {"letters": json.dumps(letters) if dialect == "sqlite" else letters})
    return {row.letter: row.seq for row in rows if row.seq is not None}
