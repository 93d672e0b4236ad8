"""The desk as an application: its pages, each for those who may have it."""

from __future__ import annotations

from starlette.applications import Starlette

from adapters.desk.asked import Asked
from adapters.desk.pages import PAGES
from adapters.desk.site import Site
from bus.pages.app import build_app


def create_app(site: Site) -> Starlette:
    """Return the application of this site."""
    return build_app(site, PAGES, Asked)
