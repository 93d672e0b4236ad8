"""What the checker is given, and what it finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.looking import Found
from tests.chaos.offices import LaidAct
from tests.chaos.plan import Letter


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One thing that is not as it was promised."""

    rule: str
    about: str
    """The key of a letter, the reference of an act, or whatever else it is about."""
    what: str
    evidence: str
    """The file to look into."""

    def __str__(self) -> str:
        return f"{self.rule}: {self.about}: {self.what} [{self.evidence}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A run as it ended."""

    letters: Mapping[str, Letter]
    acts: Sequence[LaidAct]
    restored: Mapping[str, int]
    """How often each agency's mailbox was brought back: so often more may its office be told the same."""
    found: Found = field(repr=False)
    sent: Mapping[str, Sequence[Mapping[str, Any]]] = field(repr=False)
    """What `saraban-adapter outbox` tells each office about its letters."""
    received: Mapping[str, Sequence[Mapping[str, Any]]] = field(repr=False)
    """What `saraban-adapter inbox` tells each office."""

    def tellings(self, code: str) -> int:
        """How often an office may be told the same thing."""
        return 1 + self.restored.get(code, 0)
