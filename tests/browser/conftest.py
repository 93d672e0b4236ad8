"""One bus and one browser for everything in this folder; each visit has a context of its own.

Both end with the folder: a bus that goes on would take from the tests behind it, and a browser that is still driven
leaves an event loop running in this thread, in which none of theirs can.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial

import pytest
from playwright.sync_api import Browser, sync_playwright

from bus.broker.management import Management
from compose.node import Node
from compose.programs import browser as browser_program
from tests.browser.visiting import Visit, visit
from tests.browser.world import World, lived_in

VHOST = "browser"
MODES = [pytest.param("th", True, id="th scripts"), pytest.param("en", False, id="en no scripts")]
"""The language of a journey, and whether scripts run: both ways of each are walked, not all four."""
Visits = Callable[..., AbstractContextManager[Visit]]


@pytest.fixture(scope="package")
def world(broker_node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The bus in which something has happened; its vhost and users are gone afterwards."""
    broker_node.recover()
    with Management(broker_node.management_url) as management:
        before = {each["name"] for each in management.get("users")}
        try:
            with lived_in(tmp_path_factory.mktemp("world"), broker=broker_node, vhost=VHOST) as found:
                yield found
        finally:
            broker_node.recover()
            management.delete("vhosts", VHOST)
            for user in {each["name"] for each in management.get("users")} - before:
                management.delete("users", user)


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """A browser without a window."""
    program = browser_program()
    assert program is not None, "make setup installs a browser"
    with sync_playwright() as playwright:
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"] if root else [])
        yield started
        started.close()


@pytest.fixture
def visits(chromium: Browser, world: World) -> Visits:
    """Makes a visit of a person, with the options of `visiting.visit`."""
    return partial(visit, chromium, world)
