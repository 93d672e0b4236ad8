"""Consignments with their bytes; those of one document share them: a circular to thousands is in memory once."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from bus.identifiers import AgencyCode
from bus.ledger.rows import Consignment
from bus.ledger.rows_in import rows_in
from bus.ledger.tables import consignments, documents


def with_bodies(connection: Connection, keys: Sequence[tuple[AgencyCode, int]]) -> list[Consignment]:
    """Return the consignments under these (agency, number) pairs, in order per agency."""
    these = rows_in(connection, (consignments.c.agency, consignments.c.number), keys)
    query = select(consignments).where(these).order_by(consignments.c.agency, consignments.c.number)
    rows = connection.execute(query).all()
    kept = select(documents).where(documents.c.sha256.in_({row.document for row in rows}))
    bodies = {row.sha256: bytes(row.bytes) for row in connection.execute(kept)}
    return [Consignment.of(row, bodies[row.document]) for row in rows if row.document in bodies]
