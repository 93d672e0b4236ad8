"""What every test has: the servers, asyncio under `async def`, and caches that stay in the build folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import configuration, settings

pytest_plugins = ["tests.fixtures.broker", "tests.fixtures.postgres", "tests.fixtures.timestamps"]

configuration.set_hypothesis_home_dir(Path(__file__).parents[1] / "build" / "cache" / "hypothesis")
# The machine is shared with servers under load: a slow example is no failing one.
settings.register_profile("saraban", deadline=None)
settings.load_profile("saraban")


@pytest.fixture(autouse=True)
def _umask_of_the_tests() -> Iterator[None]:
    """The programs set their own umask, which is the whole process's, when a test calls them within this one."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The link to the broker is asyncio's, and so is everything that awaits it."""
    return "asyncio"
