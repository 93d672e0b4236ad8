"""Which roles have a page of the desk."""

from __future__ import annotations

from bus.operators import DeskRole

CLERKS = frozenset({DeskRole.CLERK})
IT = frozenset({DeskRole.IT})
EVERYBODY = frozenset(DeskRole)
