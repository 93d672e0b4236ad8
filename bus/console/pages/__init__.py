"""The pages of the console, each module with those of one subject; the order is that in which addresses are matched."""

from __future__ import annotations

from bus.console.pages import (
    agency,
    entries,
    grants,
    halting,
    heads,
    jobs,
    letter,
    opening,
    overdue,
    overview,
    parked,
    replaying,
    reports,
    searching,
    sign_ins,
    starting,
    steward,
    system,
    timelines,
    verifying,
)
from bus.pages.answers import Page

PAGES: tuple[Page, ...] = tuple(
    page
    for module in (
        starting,
        sign_ins,
        overview,
        agency,
        timelines,
        parked,
        overdue,
        system,
        replaying,
        steward,
        halting,
        grants,
        jobs,
        searching,
        letter,
        opening,
        entries,
        heads,
        reports,
        verifying,
    )
    for page in module.PAGES
)
