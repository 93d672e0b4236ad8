"""Verifying what stands beside the entries: the bytes of documents, the numbers of consignments."""

from __future__ import annotations

import hashlib

from sqlalchemy import Connection, func, select

from bus.ledger.database import tuples
from bus.ledger.findings import Report
from bus.ledger.tables import consignments, documents

_DOCUMENTS = 100
"""At a time: each may have a mebibyte."""


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
