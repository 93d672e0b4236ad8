"""Where a person begins: the page that the role looks at first."""

from __future__ import annotations

from bus.console.asked import Asked
from bus.console.roles import EVERYBODY
from bus.operators import Role
from bus.pages.answers import Answer, Elsewhere, Page


def start(asked: Asked) -> Answer:
    """Go to the first page of this person's role."""
    return Elsewhere("/search" if asked.session.role is Role.AUDITOR else "/overview")


PAGES = (Page("/", EVERYBODY, start, twin=False),)
