"""What a connector is: the way between a mailbox and one office system, in both directions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from bus.errors import Transient
from bus.logs import get
from bus.process import pause

_LOG = get(__name__)


class Connector(Protocol):
    """An office system's way in and out. Both verbs are safe to repeat, at any time and after any crash."""

    @property
    def name(self) -> str:
        """Under which the mailbox keeps this connector's bookmark."""

    def collect(self) -> int:
        """Take what the office has put out into the mailbox; give how many things that were."""

    def tell(self) -> int:
        """Tell the office's system the news of the mailbox; give how many things that were."""


async def serve(connector: Connector, stop: asyncio.Event, *, interval: float) -> None:
    """Collect and tell until `stop`, neither waiting for the other; trouble is logged, and the next round comes."""
    async with asyncio.TaskGroup() as group:
        for verb in (connector.collect, connector.tell):
            group.create_task(_again_and_again(connector.name, verb, stop, interval))


async def _again_and_again(name: str, verb: Callable[[], int], stop: asyncio.Event, interval: float) -> None:
    while not stop.is_set():
        try:
            await asyncio.to_thread(verb)
        except Transient as exc:
            _LOG.warning("a connector waits", connector=name, why=exc)
        except Exception:
            _LOG.exception("a connector's round failed", connector=name)
        await pause(stop, interval)
