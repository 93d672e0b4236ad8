"""The pages of the desk, each module with those of one subject; the order is that in which addresses are matched."""

from __future__ import annotations

from adapters.desk.pages import (
    acts,
    inbox,
    letter,
    registers,
    sent,
    sent_acts,
    sign_ins,
    starting,
    state,
    writing,
)
from bus.pages.answers import Page

PAGES: tuple[Page, ...] = tuple(
    page
    for module in (starting, inbox, letter, acts, writing, sent, sent_acts, registers, state, sign_ins)
    for page in module.PAGES
)
