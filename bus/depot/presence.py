"""What the router asks the depot at gate 7, and the answers: the words both sides of `POST /presence` share."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from bus.identifiers import AgencyCode, RawDigest

MOST_CHECKS = 5_000
"""In one request; a letter of 1 MiB cannot name more files."""


AGENCY = re.compile(r"\d{10}", re.ASCII)
SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


class Presence(StrEnum):
    """The answer to one check."""

    OK = "ok"
    MISSING = "missing"
    """Never shown by this agency, nor named in a letter to which it is a party; or gone."""
    SIZE = "size"
    """There, but not of the stated size."""


@dataclass(frozen=True, slots=True)
class Check:
    """Does this agency have this file, of this size?"""

    agency: AgencyCode
    sha256: RawDigest
    size: int


def write_checks(checks: Sequence[Check]) -> bytes:
    """The body of the question."""
    asked = [{"agency": one.agency, "sha256": one.sha256, "size": one.size} for one in checks]
    return json.dumps({"checks": asked}, separators=(",", ":")).encode()


def read_checks(body: bytes) -> list[Check]:
    """The checks of a question's body; raises ValueError when it is none."""
    try:
        checks = [Check(one["agency"], one["sha256"], one["size"]) for one in json.loads(body)["checks"]]
    except (KeyError, TypeError, RecursionError) as exc:
        raise ValueError("no list of checks") from exc
    if len(checks) > MOST_CHECKS or not all(map(_sound, checks)):
        raise ValueError("too many checks, or one of them out of bounds")
    return checks


def _sound(check: Check) -> bool:
    # What JSON brought has whatever type it likes; bool is an int to isinstance.
    if type(check.agency) is not str or type(check.sha256) is not str or type(check.size) is not int:
        return False
    right = AGENCY.fullmatch(check.agency) and SHA256.fullmatch(check.sha256)
    return right is not None and 0 <= check.size < 2**63


def write_results(results: Sequence[Presence]) -> bytes:
    """The body of the answer."""
    return json.dumps({"results": results}, separators=(",", ":")).encode()


def read_results(body: bytes, count: int) -> list[Presence]:
    """So many results of an answer's body; raises ValueError when it is none."""
    try:
        results = [Presence(one) for one in json.loads(body)["results"]]
    except (KeyError, TypeError, RecursionError) as exc:
        raise ValueError("no list of results") from exc
    if len(results) != count:
        raise ValueError("another number of results than of checks")
    return results
