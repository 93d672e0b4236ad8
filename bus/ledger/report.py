"""What a verification of the ledger says: what was looked at, and what is not as it should be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

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

    @property
    def passed(self) -> bool:
        return self.found == 0

    def note(self, code: str, where: str, detail: str) -> None:
        """Note a finding."""
        self.found += 1
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(code, where, detail))

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return {"verdict": "pass" if self.passed else "fail", **asdict(self)}
