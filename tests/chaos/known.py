"""Faults of the product that are known and not mended yet: what a plan leaves out, and which rules do not count.

Empty `KNOWN` (one edit) once they are mended. `make chaos KNOWN=meet` runs as if it were empty.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tests.chaos.drawing import HASTY_CORRECTION
from tests.chaos.plan import Kind
from tests.chaos.verdict import Violation


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFault:
    """One fault of the product."""

    story: str
    avoid: frozenset[str] = frozenset()
    """Traits and kinds of fault that a plan is drawn without."""
    excuse: frozenset[tuple[str, str]] = frozenset()
    """(rule, part of the sentence) of the violations that it explains."""


KNOWN: tuple[KnownFault, ...] = (
    KnownFault(
        story="a registration and its correction in one batch: the correction is refused from a snapshot",
        avoid=frozenset({HASTY_CORRECTION}),
    ),
    KnownFault(
        story="a mailbox that was set back: receipts made anew, rows sealed anew, own acts not learnt, id.conflict",
        avoid=frozenset({Kind.RESTORE}),
    ),
    KnownFault(
        story="the office is told a refusal again for each time that it is judged anew",
        excuse=frozenset({("refusal-repeated", "")}),
    ),
    KnownFault(
        story="states follow the order in which notices were heard, and not the ledger's",
        excuse=frozenset({("state-differs", "")}),
    ),
    KnownFault(
        story="one lost connection counts once for each publish under way: every inbox pauses up to a minute",
        excuse=frozenset({("slow-to-rest", "pending")}),
    ),
    KnownFault(
        story="the depot raises an unhandled exception when the database dies between headers and body",
        excuse=frozenset({("error-logged", "serve")}),
    ),
)


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
