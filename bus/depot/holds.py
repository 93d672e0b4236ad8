"""What the router asks the depot at gate 7, and the answers: the words both sides of `POST /holds` share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MOST_CHECKS = 5_000
"""In one request; a letter of 1 MiB cannot name more files."""


class Held(StrEnum):
    """The answer to one check."""

    OK = "ok"
    MISSING = "missing"
    """Never shown by this agency, nor named in a letter to which it is a party; or gone."""
    SIZE = "size"
    """There, but not of the stated size."""


@dataclass(frozen=True, slots=True)
class Check:
    """Does this agency have this file, of this size?"""

    agency: str
    sha256: str
    size: int
