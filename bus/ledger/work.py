"""The list of pending consignments as work: who may publish what, and what is held.

A router leases what it is about to publish; a lease expires, so that what a router that died had leased is
published by another. On PostgreSQL a lease passes over rows that another router is leasing just now (SKIP LOCKED).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Executable, and_, delete, func, or_, select, tuple_, update

from bus.identifiers import AgencyCode
from bus.ledger.entry import timestamp
from bus.ledger.reading import Reader
from bus.ledger.rows import Consignment
from bus.ledger.rows_in import as_keys, keyed, rows_in
from bus.ledger.tables import consignments, documents, pending
from bus.thai import now

T = TypeVar("T")
LONGEST_LEASE = timedelta(minutes=5)
"""Longer than any lease lasts, by clocks that differ as those of routers may."""
MOST_BYTES = 32 * 1024 * 1024
"""Bytes of different documents that one lease brings into memory."""
AT_ONCE = 500
"""How many (agency, number) pairs one statement names: databases bound the parameters of a statement."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A router's right to publish a consignment, until a time."""

    router: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Whose:
    """Agencies whose consignments may be leased: those of `among`, or anybody where it is None, but not `without`."""

    without: Collection[AgencyCode] = ()
    among: Collection[AgencyCode] | None = None


ANYONE = Whose()


def batched(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield a sequence in pieces of at most `size`."""
    return (items[start : start + size] for start in range(0, len(items), size))


def free(whose: Whose) -> ColumnElement[bool]:
    """What may be leased: of these agencies, not held, and leased by nobody or so long ago that it expired.

    A lease that ends later than any may was made by a router whose clock was ahead, and has expired too.
    """
    until, at = pending.c.leased_until, now()
    expired = or_(until.is_(None), until < timestamp(at), until > timestamp(at + LONGEST_LEASE))
    theirs = [pending.c.agency.not_in(whose.without)]
    if whose.among is not None:
        theirs.append(pending.c.agency.in_(whose.among))
    return and_(~pending.c.on_hold, *theirs, expired)


def lease_some(
    connection: Connection, lease: Lease, limit: int, per_agency: int, whose: Whose
) -> list[Consignment]:
    """Lease what is free, from every agency before more from one, and return it with its bytes."""
    unleased, key = free(whose), (pending.c.agency, pending.c.number)
    place = func.row_number().over(partition_by=pending.c.agency, order_by=pending.c.number).label("place")
    ranked = select(pending.c.agency, pending.c.number, place).where(unleased).subquery()
    first = select(ranked.c.agency, ranked.c.number).where(ranked.c.place <= per_agency).limit(limit)
    # `unleased` once more, because another router may have leased a row since the inner query saw it.
    rows = connection.execute(
        select(pending.c.agency, pending.c.number, pending.c.repeat)
        .where(unleased, tuple_(*key).in_(first.order_by(ranked.c.place)))
        .with_for_update(skip_locked=True)
    )
    repeats = {(row.agency, row.number): row.repeat for row in rows}
    found: list[Consignment] = []
    for some in batched(_within(connection, sorted(repeats)), AT_ONCE):
        ours = update(pending).values(leased_by=lease.router, leased_until=timestamp(lease.until))
        connection.execute(ours.where(rows_in(connection, key, some)))
        found.extend(
            replace(one, repeat=repeats[one.agency, one.number])
            for one in Reader(connection).consignments(some)
        )
    return found


def _within(connection: Connection, keys: Sequence[tuple[AgencyCode, int]]) -> list[tuple[AgencyCode, int]]:
    """Return as many of these as have documents of `MOST_BYTES` together, one that many share counted once."""
    sizes: dict[tuple[AgencyCode, int], tuple[bytes, int]] = {}
    for some in batched(keys, AT_ONCE):
        joined = consignments.join(documents, consignments.c.document == documents.c.sha256)
        size = func.length(documents.c.bytes)
        query = select(consignments.c.agency, consignments.c.number, documents.c.sha256, size)
        these = rows_in(connection, (consignments.c.agency, consignments.c.number), some)
        for agency, number, sha256, length in connection.execute(query.select_from(joined).where(these)):
            sizes[agency, number] = (sha256, length)
    kept: list[tuple[AgencyCode, int]] = []
    counted: set[bytes] = set()
    left = MOST_BYTES
    for key in keys:
        sha256, length = sizes.get(key, (b"", 0))
        if sha256 not in counted:
            if kept and length > left:
                continue
            counted.add(sha256)
            left -= length
        kept.append(key)
    return kept


@cache
def _strike(dialect: str) -> Executable:
    these = delete(pending).where(keyed(dialect, pending.c.agency, pending.c.number))
    return these.returning(pending.c.agency, pending.c.number, pending.c.repeat, pending.c.again)


def strike(connection: Connection, keys: Sequence[tuple[AgencyCode, int]]) -> Sequence[Any]:
    """Strike these off the pending list; return agency, number, `repeat` and `again` of those that stood there."""
    dialect = connection.dialect.name
    return connection.execute(_strike(dialect), {"keys": as_keys(dialect, keys)}).all()


def strike_off(connection: Connection, agency: AgencyCode, number: int) -> bool:
    """Strike off the pending list what was never consigned; False if it was, or stands there no more."""
    this = (pending.c.agency == agency, pending.c.number == number)
    row = connection.execute(delete(pending).where(*this).returning(pending.c.repeat)).first()
    return row is not None and not row.repeat


def hold(connection: Connection, suspended: Sequence[AgencyCode]) -> list[AgencyCode]:
    """Hold the letters and notices of suspended agencies, release those of all others; return whose were released."""
    released = and_(pending.c.on_hold, pending.c.agency.not_in(suspended))
    agencies = list(connection.scalars(select(pending.c.agency).where(released).distinct()))
    connection.execute(update(pending).where(released).values(on_hold=False))
    carries = select(consignments.c.number).where(
        consignments.c.agency == pending.c.agency,
        consignments.c.number == pending.c.number,
        consignments.c.type.in_(("letter", "notice")),
    )
    connection.execute(
        update(pending).where(pending.c.agency.in_(suspended), carries.exists()).values(on_hold=True)
    )
    return agencies
