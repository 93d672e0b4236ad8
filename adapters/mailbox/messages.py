"""What the broker delivers, as a message and as a row of the arrivals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bus.identifiers import RawDigest


class ArrivalState(StrEnum):
    """What became of an arrival."""

    STORED = "stored"
    DONE = "done"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"
    DISMISSED = "dismissed"
    """It was in quarantine, and a person has said why it needs no more attention."""
    UNPLACED = "unplaced"
    """An answer of the bus to something that is not here, or not here any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A delivery of the broker, without anything of the broker."""

    type: str
    body: bytes
    headers: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One row of the arrivals."""

    id: int
    consignment: int
    type: str
    sha256: RawDigest
    headers: Mapping[str, str | int]
    body: bytes
    arrived_at: datetime
    state: ArrivalState
    attempts: int
    reason: str | None
    detail: str | None

    def header(self, name: str) -> str:
        """A header as text, empty if the message does not bear it."""
        return str(self.headers.get(name, ""))

    def number(self, name: str) -> int | None:
        """A header as a number, None if it is missing or is none."""
        return number_of(self.headers.get(name))


@dataclass(frozen=True, slots=True)
class Gap:
    """Consignment numbers, first to last, that have not arrived although later ones have."""

    first: int
    last: int


def number_of(value: str | int | None) -> int | None:
    """A header's value as a number of the bus's, None if it is none."""
    try:
        number = int(value) if value is not None else None
    except ValueError:
        return None
    # SQLite holds 64 bits; what is beyond is no number of the bus's.
    return number if number is not None and abs(number) < 2**63 else None
