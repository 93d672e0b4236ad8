"""Who signed in and out and failed to, for stewards and auditors; stewards may end the sessions of a person."""

from __future__ import annotations

from bus.console.asked import Asked
from bus.console.roles import STEWARDS
from bus.operators import Role
from bus.pages import sign_in_pages
from bus.pages.answers import Answer, Page


def sign_ins(asked: Asked) -> Answer:
    """List them; that an auditor has read them is entered."""
    shown = sign_in_pages.sign_ins(asked, may_end=asked.session.role is Role.STEWARD)
    if asked.session.role is Role.AUDITOR:
        asked.note_reading("sign-ins", shown.value["query"], len(shown.value["rows"]))
    return shown


PAGES = (
    Page("/sign-ins", frozenset({Role.STEWARD, Role.AUDITOR}), sign_ins, csv=True),
    Page("/sign-ins/end", STEWARDS, sign_in_pages.ending),
    Page("/sign-ins/end", STEWARDS, sign_in_pages.end, act=True),
)
