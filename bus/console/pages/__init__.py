"""The pages of the console, each module with those of one subject; the order is that in which addresses are matched."""

from __future__ import annotations

from bus.console.answers import Page
from bus.console.pages import sign_ins, starting

PAGES: tuple[Page, ...] = (*starting.PAGES, *sign_ins.PAGES)
