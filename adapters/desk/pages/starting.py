"""Where a person begins: the page that the role looks at first."""

from __future__ import annotations

from adapters.desk.asked import Asked
from adapters.desk.roles import EVERYBODY
from bus.operators import DeskRole
from bus.pages.answers import Answer, Elsewhere, Page


def start(asked: Asked) -> Answer:
    """Go to the first page of this person's role."""
    return Elsewhere("/state" if asked.session.role is DeskRole.IT else "/inbox")


PAGES = (Page("/", EVERYBODY, start, twin=False),)
