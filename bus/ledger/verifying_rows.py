"""Verifying what stands beside the entries: the bytes of documents, the numbers of consignments."""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, func, literal_column, select

from bus.ledger.database import pieces
from bus.ledger.findings import Report
from bus.ledger.tables import consignments, documents

PARTS = 256
"""Of the documents."""
_DOCUMENTS = 64
"""At a time: each may have a mebibyte."""
_ROWID: ColumnElement[int] = literal_column("documents.rowid", Integer)


def check_documents(connection: Connection, report: Report, part: int) -> Report:
    """Check one of the parts of the documents, by its number."""
    place, least, beyond = _bounds(connection, part)
    query = select(documents).order_by(place)
    if part:
        query = query.where(place >= least)
    if part < PARTS - 1:
        query = query.where(place < beyond)
    done = 0
    for rows in pieces(connection, query, _DOCUMENTS):
        for sha256, octets in rows:
            try:
                if hashlib.sha256(octets).digest() != sha256:
                    report.note("document.bytes", f"document {_hex(sha256)}", "its bytes are others")
            except Exception as error:
                report.unreadable(f"document {_hex(sha256)}", error)
        done += len(rows)
    report.counts["documents"] = done
    return report


def _bounds(connection: Connection, part: int) -> tuple[ColumnElement[Any], Any, Any]:
    """By what documents are parted, where a part begins, and where the next one does; the outermost have no bounds."""
    if connection.dialect.name == "sqlite":
        # As they lie in the file: by their keys, each would be on another page.
        newest = connection.scalar(select(func.max(_ROWID)).select_from(documents)) or 0
        return _ROWID, newest * part // PARTS + 1, newest * (part + 1) // PARTS + 1
    return documents.c.sha256, bytes([part]), bytes([min(part + 1, PARTS - 1)])


def _hex(sha256: object) -> str:
    return sha256.hex() if isinstance(sha256, bytes) else repr(sha256)


def check_numbers(connection: Connection, report: Report) -> Report:
    """Each agency's consignments are numbered from 1 without a gap."""
    number = consignments.c.number
    query = select(consignments.c.agency, func.count(), func.min(number), func.max(number))
    for agency, there, first, last in connection.execute(query.group_by(consignments.c.agency)):
        if (first, last) != (1, there):
            where = f"consignments of {agency}"
            report.note("consignment.gap", where, f"{there} are there, numbered {first} to {last}")
    return report
