"""The index of what was not accepted: refused, in conflict with another submission, or parked.

It says nothing that the entries do not say, and is computed from each as it is appended. What a refused document claims
of itself was never verified; it is there to be found by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict, Unpack

from sqlalchemy import Connection, or_, select

from bus.identifiers import AgencyCode, ContentDigest, RawDigest
from bus.ledger.entry import Kind
from bus.ledger.tables import unaccepted
from bus.thai import normalise_number

KINDS = (Kind.REFUSED, Kind.CONFLICT, Kind.PARKED)


@dataclass(frozen=True, slots=True)
class UnacceptedRow:
    """A submission that was not accepted."""

    entry: int
    at: str
    kind: str
    agency: AgencyCode | None
    """Whose submission it was, by the exchange that took it."""
    code: str | None
    """Why it was refused; None for one that is parked."""
    type: str | None
    id: str | None
    digest: ContentDigest | None
    number: str | None
    number_normalised: str | None
    raw: RawDigest
    """SHA-256 of the bytes as they were submitted."""


class AskedUnaccepted(TypedDict, total=False):
    """What is asked for; what is left out or None asks for nothing."""

    number: str | None
    """Normalised (`bus.thai.normalise_number`)."""
    id: str | None
    hash: str | None
    """SHA-256 of the raw bytes, or the digest of the content."""
    sender: AgencyCode | None
    code: str | None


def index_row(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the row that belongs to an entry, None for one that is about no single submission."""
    if "rawSha256" not in body or body["kind"] not in KINDS:
        return None
    number = body.get("number")
    return {
        "entry": body["seq"],
        "at": body["at"],
        "kind": body["kind"],
        "agency": body.get("agency"),
        "code": body.get("code"),
        "type": body.get("type"),
        "id": body.get("id") or body.get("claimedId"),
        "digest": body.get("digest") or body.get("claimedDigest"),
        "number": number,
        "number_normalised": normalise_number(number)[:200] if number else None,
        "raw": body["rawSha256"],
    }


class Unaccepted:
    """Questions about what was not accepted, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def at(self, entry: int) -> UnacceptedRow | None:
        """Return the submission that an entry refuses or parks."""
        row = self._connection.execute(select(unaccepted).where(unaccepted.c.entry == entry)).first()
        return UnacceptedRow(*row) if row else None

    def find(
        self, *, before: int | None = None, limit: int = 1000, **asked: Unpack[AskedUnaccepted]
    ) -> list[UnacceptedRow]:
        """Return those to which everything asked for applies, newest first; `before` is an entry to go on from."""
        query = select(unaccepted).order_by(unaccepted.c.entry.desc()).limit(limit)
        if before:
            query = query.where(unaccepted.c.entry < before)
        for value, column in (
            (asked.get("number"), unaccepted.c.number_normalised),
            (asked.get("id"), unaccepted.c.id),
            (asked.get("sender"), unaccepted.c.agency),
            (asked.get("code"), unaccepted.c.code),
        ):
            if value:
                query = query.where(column == value)
        if sha256 := asked.get("hash"):
            query = query.where(or_(unaccepted.c.raw == sha256, unaccepted.c.digest == sha256))
        return [UnacceptedRow(*row) for row in self._connection.execute(query)]
