"""The pages of the console, each module with those of one subject; the order is that in which addresses are matched."""

from __future__ import annotations

from bus.console.answers import Page
from bus.console.pages import grants, halting, jobs, replaying, starting, steward

PAGES: tuple[Page, ...] = (
    *starting.PAGES,
    *replaying.PAGES,
    *steward.PAGES,
    *halting.PAGES,
    *grants.PAGES,
    *jobs.PAGES,
)
