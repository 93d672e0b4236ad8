"""Verifying what stands beside the entries: tiles of the tree, the bytes of documents, the numbers of consignments."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from bus.ledger import merkle
from bus.ledger import tiles as tiling
from bus.ledger.database import tuples
from bus.ledger.findings import Report, guarded
from bus.ledger.tables import consignments, documents, tiles

_DOCUMENTS = 100
"""At a time: each may have a mebibyte."""


def check_tiles(connection: Connection, report: Report, some: Sequence[tuple[int, int, int]]) -> Report:
    """Check tiles by (level, place, place at which one had to be next)."""
    for level, place, wanted in some:
        if place != wanted:
            report.note("tree.tile", f"tile {level}/{wanted}", "it is missing")
        _check_tile(connection, level, place, report)
    return report


def _check_tile(connection: Connection, level: int, place: int, report: Report) -> None:
    where = f"tile {level}/{place}"
    with guarded(report, where):
        row = connection.execute(select(tiles).where(tiles.c.level == level, tiles.c.place == place)).one()
        below = tiling.below(connection, level, place)
        if b"".join(below) != bytes(row.hashes) or merkle.combine(below) != bytes(row.root):
            report.note("tree.tile", where, "it is not that of the rows below it")


def check_documents(connection: Connection, report: Report, first: int) -> Report:
    """Check the documents whose SHA-256 begins with an octet."""
    key = documents.c.sha256
    query = select(documents).order_by(key).limit(_DOCUMENTS)
    if first < 255:
        query = query.where(key < bytes([first + 1]))
    done, rows = 0, tuples(connection, query.where(key >= bytes([first] if first else [])))
    while rows:
        for sha256, octets in rows:
            try:
                if hashlib.sha256(octets).digest() != sha256:
                    report.note("document.bytes", f"document {sha256.hex()}", "its bytes are others")
            except Exception as error:
                report.unreadable(f"document {bytes(sha256).hex()}", error)
        done += len(rows)
        rows = tuples(connection, query.where(key > rows[-1][0]))
    report.counts["documents"] = done
    return report


def check_numbers(connection: Connection, report: Report) -> Report:
    """Each agency's consignments are numbered from 1 without a gap."""
    number = consignments.c.number
    query = select(consignments.c.agency, func.count(), func.min(number), func.max(number))
    for agency, there, first, last in connection.execute(query.group_by(consignments.c.agency)):
        if (first, last) != (1, there):
            where = f"consignments of {agency}"
            report.note("consignment.gap", where, f"{there} are there, numbered {first} to {last}")
    return report
