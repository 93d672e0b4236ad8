"""The pages of the console, each module with those of one subject; the order is that in which addresses are matched."""

from __future__ import annotations

from bus.console.answers import Page
from bus.console.pages import grants, halting, jobs, replaying, sign_ins, starting, steward

PAGES: tuple[Page, ...] = tuple(
    page
    for module in (starting, sign_ins, replaying, steward, halting, grants, jobs)
    for page in module.PAGES
)
