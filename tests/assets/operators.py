"""Who acts in tests: a sample person, as a steward unless told otherwise."""

from __future__ import annotations

from bus.operators import Operator, Role

STEWARD = Role.STEWARD
SOMYING = "สมหญิง (ตัวอย่าง)"


def by(name: str = SOMYING, role: Role = STEWARD) -> Operator:
    """Return a sample person that acts with an operator's key."""
    return Operator(name, role, "key")
