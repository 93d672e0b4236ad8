"""The numbers of consignments: how far each inbox has come."""

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


def last_numbers(connection: Connection, agencies: Sequence[AgencyCode]) -> dict[AgencyCode, int]:
    """Return the newest consignment number of each of these inboxes, 0 before the first."""
    query = text(_LAST_NUMBERS[connection.dialect.name])
    rows = connection.execute(query, {"agencies": json.dumps(agencies)})
    return {row.agency: row.number or 0 for row in rows}
