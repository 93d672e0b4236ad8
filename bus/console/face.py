"""What tells the console's pages from those of another program."""

from __future__ import annotations

from pathlib import Path

from bus.operators import Role
from bus.pages.site import Face

NAVIGATION: tuple[tuple[str, str, frozenset[Role]], ...] = (
    ("/overview", "nav.overview", frozenset({Role.OPERATOR, Role.STEWARD})),
    ("/parked", "nav.parked", frozenset({Role.OPERATOR, Role.STEWARD})),
    ("/overdue", "nav.overdue", frozenset({Role.OPERATOR, Role.STEWARD})),
    ("/system", "nav.system", frozenset({Role.OPERATOR, Role.STEWARD})),
    ("/enrolments", "nav.enrolments", frozenset({Role.STEWARD})),
    ("/halt", "nav.halt", frozenset({Role.STEWARD})),
    ("/search", "nav.search", frozenset({Role.AUDITOR})),
    ("/entries", "nav.entries", frozenset({Role.AUDITOR})),
    ("/checkpoints", "nav.checkpoints", frozenset({Role.AUDITOR})),
    ("/reports", "nav.reports", frozenset({Role.AUDITOR})),
    ("/verify", "nav.verify", frozenset({Role.AUDITOR})),
    ("/grants", "nav.grants", frozenset({Role.STEWARD, Role.AUDITOR})),
    ("/jobs", "nav.jobs", frozenset(Role)),
    ("/sign-ins", "nav.sign-ins", frozenset({Role.STEWARD, Role.AUDITOR})),
)
"""The pages that stand above each page, with their words and who has them."""
FACE = Face(cookie="saraban", folder=Path(__file__).parent, navigation=NAVIGATION)
