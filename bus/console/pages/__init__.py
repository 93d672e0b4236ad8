"""The pages of the console, each module with those of one subject; the order is that in which addresses are matched."""

from __future__ import annotations

from bus.console.answers import Page
from bus.console.pages import (
    entries,
    grants,
    halting,
    heads,
    jobs,
    letter,
    opening,
    replaying,
    reports,
    searching,
    starting,
    steward,
    verifying,
)

PAGES: tuple[Page, ...] = (
    *starting.PAGES,
    *replaying.PAGES,
    *steward.PAGES,
    *halting.PAGES,
    *grants.PAGES,
    *jobs.PAGES,
    *searching.PAGES,
    *letter.PAGES,
    *opening.PAGES,
    *entries.PAGES,
    *heads.PAGES,
    *reports.PAGES,
    *verifying.PAGES,
)
