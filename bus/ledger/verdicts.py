"""The verdicts on submissions, as the ledger's index has them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, select

from bus.identifiers import AgencyCode, RawDigest
from bus.ledger.rows import Verdict
from bus.ledger.rows_in import as_keys, keyed
from bus.ledger.tables import submissions

SubmissionKey = tuple[AgencyCode, str, str]
"""Agency, type and id."""
_COLUMNS = (submissions.c.entry, submissions.c.digest, submissions.c.code, submissions.c.answer)
_NEWEST = (
    select(*_COLUMNS)
    .where(submissions.c.agency == bindparam("agency"))
    .order_by(submissions.c.answer.desc())
    .limit(1)
)
# Asked for every letter, and so built once: building a query costs more than running it.
_ON = _NEWEST.where(submissions.c.type == bindparam("type"), submissions.c.id == bindparam("id"))
_ON_RAW = _NEWEST.where(submissions.c.raw == bindparam("raw"))


@cache
def _among(dialect: str) -> Select[Any]:
    key = (submissions.c.agency, submissions.c.type, submissions.c.id)
    return select(*key, *_COLUMNS).where(keyed(dialect, *key)).order_by(submissions.c.answer)


def verdict_on(connection: Connection, agency: AgencyCode, type: str, id: str) -> Verdict | None:
    """Return the newest verdict on a submission that got past gate 6 under this id."""
    return _one(connection, _ON, {"agency": agency, "type": type, "id": id})


def verdict_on_raw(connection: Connection, agency: AgencyCode, raw: RawDigest) -> Verdict | None:
    """Return the newest verdict on exactly these raw bytes, by their SHA-256."""
    return _one(connection, _ON_RAW, {"agency": agency, "raw": raw})


def verdicts_on(connection: Connection, wanted: Collection[SubmissionKey]) -> dict[SubmissionKey, Verdict]:
    """Return the newest verdict on each of many submissions, in one question."""
    dialect = connection.dialect.name
    found = connection.execute(_among(dialect), {"keys": as_keys(dialect, list(wanted))})
    return {(agency, type_, id_): Verdict(*verdict) for agency, type_, id_, *verdict in found}


def answered_by(connection: Connection, agency: AgencyCode, answers: Sequence[int]) -> list[Verdict]:
    """Return the verdicts that these consignments brought to an agency, in order."""
    these = submissions.c.agency == agency, submissions.c.answer.in_(answers)
    query = select(*_COLUMNS).where(*these).order_by(submissions.c.answer)
    return [Verdict(*row) for row in connection.execute(query)]


def _one(connection: Connection, query: Select[Any], values: dict[str, str]) -> Verdict | None:
    row = connection.execute(query, values).first()
    return Verdict(*row) if row else None
