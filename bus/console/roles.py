"""Which roles have a page of the console."""

from __future__ import annotations

from bus.operators import Role

OPERATORS = frozenset({Role.OPERATOR, Role.STEWARD})
STEWARDS = frozenset({Role.STEWARD})
AUDITORS = frozenset({Role.AUDITOR})
EVERYBODY = frozenset(Role)
