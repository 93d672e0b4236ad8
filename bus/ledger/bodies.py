"""Consignments with their bytes; those of one document share them: a circular to thousands is in memory once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, select

from bus.identifiers import AgencyCode
from bus.ledger.rows import Consignment
from bus.ledger.rows_in import as_keys, keyed
from bus.ledger.tables import consignments, documents

_KEPT = select(documents.c.sha256, documents.c.bytes).where(
    documents.c.sha256.in_(bindparam("some", expanding=True))
)


@cache
def _these(dialect: str) -> Select[Any]:
    key = (consignments.c.agency, consignments.c.number)
    return select(consignments).where(keyed(dialect, *key)).order_by(*key)


def with_bodies(connection: Connection, keys: Sequence[tuple[AgencyCode, int]]) -> list[Consignment]:
    """Return the consignments under these (agency, number) pairs, in order per agency."""
    dialect = connection.dialect.name
    rows = connection.execute(_these(dialect), {"keys": as_keys(dialect, keys)}).all()
    kept = connection.execute(_KEPT, {"some": list({row.document for row in rows})})
    bodies = {sha256: bytes(body) for sha256, body in kept}
    return [Consignment.of(row, bodies[row.document]) for row in rows if row.document in bodies]
