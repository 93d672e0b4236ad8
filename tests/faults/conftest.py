"""Nodes and buses to be broken."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from compose.node import Node
from tests.faults.scene import Scene, scene

_BUILD = Path(__file__).parents[2] / "build" / "test"


@pytest.fixture(scope="session")
def fragile_node() -> Iterator[Node]:
    """A node for the tests that kill, wipe or starve the broker itself."""
    _BUILD.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="fragile-", dir=_BUILD))
    try:
        with Node(folder, name="fragile") as node:
            yield node
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def network(broker_node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One bus for all tests of a file, with depot, router and all adapters running."""
    with scene(broker_node, tmp_path_factory.mktemp("network")) as found:
        yield found.start()


@pytest.fixture
def stage(broker_node: Node, tmp_path: Path) -> Iterator[Callable[..., Scene]]:
    """Makes a bus for one test, with options of `LocalBus`; nothing of it is started yet."""
    with ExitStack() as stack:

        def make(**options: Any) -> Scene:
            return stack.enter_context(scene(options.pop("node", broker_node), tmp_path, **options))

        yield make
