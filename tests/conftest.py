"""What every test has: the servers, asyncio under `async def`, and caches that stay in the build folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import configuration, settings
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

from compose.ports import PORTS

_TESTS = Path(__file__).parent
_LONGEST_FIRST = ("browser", "chaos", "faults", "journey", "watching", "broker", "contract")
"""The folders whose files wait for processes and deadlines: begun last, one of them would run alone at the end."""

# Workers run side by side, and so do the programs that each of them starts.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 8
os.environ[PORTS] = f"{20_000 + 1_250 * _WORKER}-{20_000 + 1_250 * (_WORKER + 1) - 1}"

pytest_plugins = [
    "tests.fixtures.broker",
    "tests.fixtures.mariadb",
    "tests.fixtures.postgres",
    "tests.fixtures.programs",
    "tests.fixtures.timestamps",
]

configuration.set_hypothesis_home_dir(Path(__file__).parents[1] / "build" / "cache" / "hypothesis")
# The machine is shared with servers under load: a slow example is no failing one. One commit has one verdict: what is
# generated is the same in each run, unless other examples are asked for.
settings.register_profile("saraban", deadline=None, derandomize=True)
settings.register_profile("anew", deadline=None)
settings.load_profile(os.environ.get("SARABAN_EXAMPLES", "saraban"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest; the order within a folder stays."""
    ranks = {folder: rank for rank, folder in enumerate(_LONGEST_FIRST)}
    items.sort(key=lambda item: ranks.get(item.path.relative_to(_TESTS).parts[0], len(ranks)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """Give each worker whole files, and all of the browser's to one: they share a bus, which is not begun twice."""
    return _ByBus(config, log)


class _ByBus(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    def _split_scope(self, nodeid: str) -> str:
        return "tests/browser" if nodeid.startswith("tests/browser/") else str(super()._split_scope(nodeid))


@pytest.fixture(autouse=True)
def _umask_of_the_tests() -> Iterator[None]:
    """The programs set their own umask, which is the whole process's, when a test calls them within this one."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


@pytest.fixture(autouse=True)
def _log_of_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that is called within this process does not make its log that of every test after it."""
    monkeypatch.setattr("bus.logs.configure", lambda *_, **__: None)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The link to the broker is asyncio's, and so is everything that awaits it."""
    return "asyncio"
