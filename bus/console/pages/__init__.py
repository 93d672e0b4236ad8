"""The pages of the console, each module with those of one subject; the order is that in which addresses are matched."""

from __future__ import annotations

from bus.console.answers import Page
from bus.console.pages import (
    agency,
    grants,
    halting,
    jobs,
    overdue,
    overview,
    parked,
    replaying,
    starting,
    steward,
    system,
    timelines,
)

PAGES: tuple[Page, ...] = (
    *starting.PAGES,
    *replaying.PAGES,
    *steward.PAGES,
    *halting.PAGES,
    *grants.PAGES,
    *jobs.PAGES,
    *overview.PAGES,
    *agency.PAGES,
    *timelines.PAGES,
    *parked.PAGES,
    *overdue.PAGES,
    *system.PAGES,
)
