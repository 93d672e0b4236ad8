"""What a connector is: the way between a mailbox and one office system, in both directions."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from adapters.connectors.folder.watching import OutboxWatch
from bus.errors import Transient
from bus.logs import get
from bus.process import either, pause

_LOG = get(__name__)
_GRACE = 10.0
"""Seconds that a round under way has to finish in once the process is told to stop."""
_TOGETHER = 0.01
"""Seconds from the first thing that comes to the round that takes it, and with it what has come meanwhile."""


class Connector(Protocol):
    """An office system's way in and out. Both verbs are safe to repeat, at any time and after any crash."""

    @property
    def name(self) -> str:
        """Under which the mailbox keeps this connector's bookmark."""

    def import_new(self) -> int:
        """Take what the office has put out into the mailbox; give how many things that were."""

    def export_news(self) -> int:
        """Tell the office's system the news of the mailbox; give how many things that were."""


class Door(Protocol):
    """One way between the mailbox and an office, for as long as the adapter runs; several may be open on one mailbox.

    What each has told is kept under its `name`: an item of news is told at every door.
    """

    @property
    def name(self) -> str:
        """Under which the mailbox keeps what this door remembers."""

    async def run(self, stop: asyncio.Event) -> None:
        """Be open until `stop`; whatever was cut short is taken up at the next run."""


@dataclass(frozen=True, slots=True)
class Polled:
    """The door of a connector: both its verbs again and again, `interval` seconds apart.

    What comes into the folder that is `watched` is imported at once, where the system tells of it.
    """

    connector: Connector
    interval: float
    watched: Path | None = None

    @property
    def name(self) -> str:
        """The connector's."""
        return self.connector.name

    async def run(self, stop: asyncio.Event) -> None:
        """Collect and tell until `stop`."""
        await serve(self.connector, stop, interval=self.interval, watched=self.watched)


async def serve(
    connector: Connector,
    stop: asyncio.Event,
    *,
    interval: float,
    watched: Path | None = None,
    grace: float = _GRACE,
) -> None:
    """Collect and tell until `stop`, neither waiting for the other; trouble is logged, and the next round comes.

    A round that does not end within `grace` seconds of the stop, as on a share that no longer answers, is left behind:
    it is as good as killed, and taken up at the next start.
    """
    async with asyncio.TaskGroup() as group:
        for verb, folder in ((connector.import_new, watched), (connector.export_news, None)):
            group.create_task(_again_and_again(connector.name, verb, stop, interval, grace, folder))


async def _again_and_again(
    name: str,
    verb: Callable[[], int],
    stop: asyncio.Event,
    interval: float,
    grace: float,
    folder: Path | None,
) -> None:
    stopped: asyncio.Future[object] = asyncio.ensure_future(stop.wait())
    watch = OutboxWatch(folder) if folder else None
    came = watch.came if watch else asyncio.Event()
    try:
        while not stop.is_set():
            came.clear()
            ended = _begun(name, verb, watch)
            await asyncio.wait({stopped, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                await asyncio.wait({ended}, timeout=grace)
                if not ended.done():
                    _LOG.error("connector-stuck", connector=name)
                return
            await either(stop, came, timeout=interval)
            if came.is_set():
                await pause(stop, _TOGETHER)
    finally:
        stopped.cancel()
        if watch:
            watch.end()


def _begun(name: str, verb: Callable[[], int], watch: OutboxWatch | None) -> asyncio.Future[object]:
    """Start a round in a thread that no exit of the process waits for; the future is done when it has ended."""
    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    def work() -> None:
        try:
            if watch:
                watch.renew()
            verb()
        except Transient as exc:
            _LOG.warning("connector-postponed", connector=name, reason=exc)
        except Exception:
            _LOG.exception("connector-failed", connector=name)
        with suppress(RuntimeError):  # the loop has gone: this round was left behind
            loop.call_soon_threadsafe(_end, ended)

    threading.Thread(target=work, name=f"{name} {verb.__name__}", daemon=True).start()
    return ended


def _end(ended: asyncio.Future[object]) -> None:
    if not ended.done():
        ended.set_result(None)
