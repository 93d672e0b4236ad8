"""What can be asked of the signed heads of the tree, and of those who have cosigned them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

from bus.identifiers import AgencyCode
from bus.ledger.entry import timestamp
from bus.ledger.rows import Head
from bus.ledger.tables import anchors, checkpoints, cosignatures

_ANCHORS_LOOKED_AT = 200
"""Among so many newest heads that of a witness is looked for."""


class Heads:
    """Questions about heads, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def newest(self) -> Head | None:
        """Return the newest signed head, None before the first."""
        return self._first(select(checkpoints).order_by(checkpoints.c.size.desc()))

    def of_size(self, size: int) -> Head | None:
        """Return the signed head of exactly so many entries."""
        return self._first(select(checkpoints).where(checkpoints.c.size == size))

    def above(self, size: int, *, limit: int = 1000) -> list[Head]:
        """Return up to `limit` signed heads of more than so many entries, in order."""
        query = select(checkpoints).where(checkpoints.c.size > size).order_by(checkpoints.c.size).limit(limit)
        return list(map(_head, self._connection.execute(query)))

    def newest_anchor(self) -> tuple[Head, str] | None:
        """Return the newest head that witnesses are asked to cosign, with the time when they were first asked."""
        query = select(checkpoints, anchors.c.at.label("asked")).join(anchors)
        row = self._connection.execute(query.order_by(checkpoints.c.size.desc()).limit(1)).first()
        return (_head(row), row.asked) if row else None

    def anchor_covering(self, seq: int) -> Head | None:
        """Return the smallest head that witnesses were asked to cosign and whose tree has this entry."""
        query = select(checkpoints).join(anchors).where(checkpoints.c.size >= seq)
        return self._first(query.order_by(checkpoints.c.size))

    def below(self, size: int | None, *, limit: int) -> list[tuple[Head, str | None, int]]:
        """Return signed heads of fewer entries, the largest first, each with when witnesses were asked for it, if they

        were, and how many have cosigned it.
        """
        count = (
            select(func.count())
            .where(cosignatures.c.size == checkpoints.c.size)
            .scalar_subquery()
            .label("cosigned")
        )
        query = select(checkpoints, anchors.c.at.label("asked"), count).outerjoin(anchors)
        query = query.order_by(checkpoints.c.size.desc()).limit(limit)
        if size is not None:
            query = query.where(checkpoints.c.size < size)
        return [(_head(row), row.asked, int(row.cosigned)) for row in self._connection.execute(query)]

    def cosigned_lately(self, *, limit: int = 20_000) -> dict[AgencyCode, tuple[int, str]]:
        """Return, of each witness among the newest cosignatures, the size of the head and when it cosigned it."""
        table = cosignatures
        query = select(table.c.agency, table.c.size, table.c.at).order_by(table.c.size.desc()).limit(limit)
        some = query.subquery()
        # A row for each head: thousands of rows are slower to fetch than their text is to split.
        said = func.aggregate_strings(some.c.agency + " " + some.c.at, ",")
        heads = select(some.c.size, said.label("said")).group_by(some.c.size).order_by(some.c.size)
        return {
            AgencyCode(agency): (row.size, at)
            for row in self._connection.execute(heads)
            for agency, _, at in (one.partition(" ") for one in row.said.split(","))
        }

    def is_anchor(self, size: int) -> bool:
        """Whether witnesses were asked to cosign the head of this size."""
        return (
            self._connection.execute(select(anchors.c.size).where(anchors.c.size == size)).first() is not None
        )

    def cosignatures(self, size: int, *, most: int | None = None) -> list[tuple[AgencyCode, str]]:
        """Return (agency, signature line) of those who have cosigned the head of this size, by agency."""
        query = select(cosignatures.c.agency, cosignatures.c.line).where(cosignatures.c.size == size)
        found = self._connection.execute(query.order_by(cosignatures.c.agency).limit(most))
        return [(row.agency, row.line) for row in found]

    def cosigners(self, size: int) -> tuple[AgencyCode, ...]:
        """Return the agencies that have cosigned the head of this size, by code."""
        query = select(cosignatures.c.agency).where(cosignatures.c.size == size)
        return tuple(self._connection.scalars(query.order_by(cosignatures.c.agency)))

    def newest_anchors(self, most: int) -> list[tuple[int, str]]:
        """Return the sizes of the newest heads that witnesses are asked to cosign, and since when, the newest first."""
        query = select(anchors.c.size, anchors.c.at).order_by(anchors.c.size.desc()).limit(most)
        return [(row.size, row.at) for row in self._connection.execute(query)]

    def cosigned_from(self, size: int) -> list[tuple[AgencyCode, int, str]]:
        """Return (agency, size, when) of all cosignatures of heads of at least so many entries, by size."""
        query = select(cosignatures.c.agency, cosignatures.c.size, cosignatures.c.at)
        found = self._connection.execute(
            query.where(cosignatures.c.size >= size).order_by(cosignatures.c.size)
        )
        return [(row.agency, row.size, row.at) for row in found]

    def cosigned_by(self, agency: AgencyCode) -> tuple[int, str] | None:
        """Return the newest head that a witness has cosigned, among the newest of all, and when it did."""
        some = select(anchors.c.size).order_by(anchors.c.size.desc()).limit(_ANCHORS_LOOKED_AT).subquery()
        query = select(cosignatures.c.size, cosignatures.c.at).join(some, some.c.size == cosignatures.c.size)
        mine = query.where(cosignatures.c.agency == agency).order_by(cosignatures.c.size.desc()).limit(1)
        row = self._connection.execute(mine).first()
        return (row.size, row.at) if row else None

    def _first(self, query: Select[Any]) -> Head | None:
        row = self._connection.execute(query.limit(1)).first()
        return _head(row) if row else None


def _head(row: Row[Any]) -> Head:
    return Head(row.size, row.at, bytes(row.root), row.note)


def keep_head(connection: Connection, head: Head, *, anchor: bool, at: datetime) -> None:
    """Keep a signed head, unless it is there; as an anchor, ask the witnesses for it from now on. Part of an append."""
    if Heads(connection).of_size(head.size) is None:
        connection.execute(checkpoints.insert(), [asdict(head)])
    if anchor:
        connection.execute(anchors.insert(), [{"size": head.size, "at": timestamp(at)}])


def keep_cosignature(
    connection: Connection, size: int, agency: AgencyCode, line: str, *, at: datetime
) -> bool:
    """Keep a witness's signature line; False if this witness has cosigned that head before. Part of an append."""
    if any(each == agency for each, _ in Heads(connection).cosignatures(size)):
        return False
    row = {"size": size, "agency": agency, "at": timestamp(at), "line": line}
    connection.execute(cosignatures.insert(), [row])
    return True
