"""What a verification of the ledger says: what was looked at, and what is not as it should be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from bus.errors import Transient
from bus.ledger.rows import Head

Progress = Callable[[str, int, int], None]
"""Told as it goes: of what, how many are done, of how many."""

MOST_FINDINGS = 200
"""So many are listed; all are counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be: what, where, and how it shows."""

    code: str
    where: str
    detail: str


@dataclass(slots=True)
class Report:
    """What was verified, and what was found."""

    size: int
    since: int
    counts: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    found: int = 0
    """How many findings there were in all; the first some are listed."""
    root: str = ""
    signed: int = 0
    """How many of the entries a signed head covers."""
    resumed: int = 0
    """Up to which entry a verification that was stopped had checked the signatures, which were passed over here."""
    agreed: Head | None = None
    """The largest signed head with which the entries agreed."""

    @property
    def passed(self) -> bool:
        return self.found == 0

    def note(self, code: str, where: str, detail: str) -> None:
        """Note a finding."""
        self.found += 1
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(code, where, detail))

    def unreadable(self, where: str, error: Exception) -> None:
        """Note what a row did to whoever tried to read it; raise it again if the database is away."""
        if isinstance(error, Transient):
            raise error
        self.note("row.unreadable", where, f"it cannot be read: {type(error).__name__}: {error}")

    def add(self, part: Report) -> None:
        """Add what a part of the ledger was found to be, after what was found so far."""
        self.found += part.found
        self.findings += part.findings[: MOST_FINDINGS - len(self.findings)]
        for what, count in part.counts.items():
            self.counts[what] = self.counts.get(what, 0) + count

    def part(self) -> Report:
        """Return an empty report for a part of the same verification."""
        return Report(self.size, self.since)

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain values."""
        value = {"verdict": "pass" if self.passed else "fail", **asdict(self)}
        del value["agreed"]
        if not self.resumed:
            del value["resumed"]
        return value


@contextmanager
def guarded(report: Report, where: str) -> Iterator[None]:
    """Turn whatever a row does to whoever reads it into a finding: a verification must come to its end."""
    try:
        yield
    except Exception as error:
        report.unreadable(where, error)
