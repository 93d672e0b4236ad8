"""Who signed in and out and failed to, for the agency's IT, which may end the sessions of a person."""

from __future__ import annotations

from adapters.desk.asked import Asked
from adapters.desk.roles import IT
from bus.pages import sign_in_pages
from bus.pages.answers import Answer, Page


def sign_ins(asked: Asked) -> Answer:
    """List them."""
    return sign_in_pages.sign_ins(asked, may_end=True)


PAGES = (
    Page("/sign-ins", IT, sign_ins, csv=True),
    Page("/sign-ins/end", IT, sign_in_pages.ending),
    Page("/sign-ins/end", IT, sign_in_pages.end, act=True),
)
