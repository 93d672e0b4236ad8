"""One bus for each file of journeys: real broker, depot and router, and the agencies as clients of the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from bus.broker.management import Management
from bus.documents.making import write_seal
from compose.local import LocalBus
from compose.node import Node
from tests.assets import directories
from tests.journey.office import Offices


@contextmanager
def running_bus(node: Node, folder: Path, **options: Any) -> Iterator[LocalBus]:
    """A bus in a vhost of its own, whose agencies have the keys of `factory`; nothing of it is started."""
    node.recover()
    for name, seal in directories.SEALS.items():
        write_seal(seal(), folder / "keys", name)
    vhost = f"journey-{uuid4().hex[:8]}"
    with Management(node.management_url) as management:
        before = {each["name"] for each in management.get("users")}
        try:
            with LocalBus(folder, broker=node, vhost=vhost, router={"sweep_interval": 0.2}, **options) as bus:
                yield bus
        finally:
            node.recover()
            management.delete("vhosts", vhost)
            for user in {each["name"] for each in management.get("users")} - before:
                management.delete("users", user)


def start(bus: LocalBus) -> None:
    """Start depot and router side by side, and wait for both."""
    router = bus.start_router(wait=False)
    bus.start_depot()
    router.wait_ready()


@pytest.fixture(scope="module")
def bus(broker_node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBus]:
    """The bus of this file's tests."""
    folder = tmp_path_factory.mktemp("bus")
    with running_bus(broker_node, folder, directory=directories.text()) as bus:
        start(bus)
        yield bus


@pytest.fixture(scope="module")
async def offices(bus: LocalBus) -> AsyncIterator[Offices]:
    """The agencies of that bus, each with its inbox open."""
    async with Offices(bus) as offices:
        yield offices
