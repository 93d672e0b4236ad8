"""Faults of the product that are known and not mended yet: what a plan leaves out, and which rules do not count.

There are none. `make chaos KNOWN=meet` runs as if there were none, should one be entered here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tests.chaos.verdict import Violation


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFault:
    """One fault of the product."""

    story: str
    avoid: frozenset[str] = frozenset()
    """Traits and kinds of fault that a plan is drawn without."""
    excuse: frozenset[tuple[str, str]] = frozenset()
    """(rule, part of the sentence) of the violations that it explains."""


KNOWN: tuple[KnownFault, ...] = ()


def avoided(known: Iterable[KnownFault]) -> frozenset[str]:
    """What a plan is drawn without."""
    return frozenset().union(*(each.avoid for each in known))


def unexplained(violations: Iterable[Violation], known: Iterable[KnownFault]) -> list[Violation]:
    """The violations that no known fault explains."""
    excuses = {excuse for each in known for excuse in each.excuse}
    return [
        each
        for each in violations
        if not any(rule == each.rule and part in str(each) for rule, part in excuses)
    ]
