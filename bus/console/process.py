"""`saraban-bus console`: pages over HTTP, with the ledger to read and a database of its own."""

from __future__ import annotations

import asyncio

from anyio.to_thread import current_default_thread_limiter
from prometheus_client import CollectorRegistry

from bus import logs
from bus.connections import Limits
from bus.console.app import build_app
from bus.console.jobs.worker import run_jobs
from bus.console.readings import Readings
from bus.console.site import Site
from bus.console.store import Store
from bus.errors import Transient
from bus.ledger import schema
from bus.ledger.store import Ledger
from bus.logs import in_words
from bus.pages.expiring import end_expired
from bus.process import beat, give_way, pause, ready, share_heap
from bus.readiness import Readiness
from bus.settings.bus import BusSettings
from bus.web import serving

MOST_BODY = 64 * 1024 * 1024
"""Bytes of a request: an evidence pack that is dropped to be verified is the largest."""
_AT_ONCE = 2
"""Pages that are made at once, beside files and large ones: more would wait for the interpreter, each with its rows."""
_ASK_EVERY = 2.0
_PATIENCE = 5.0
"""Seconds for what goes on beside the pages, at the end."""
_log = logs.get("console")


async def run_console(settings: BusSettings, stop: asyncio.Event) -> None:
    """Serve the console until stopped. Raises Misconfigured when the ledger has no schema."""
    share_heap()
    give_way()
    current_default_thread_limiter().total_tokens = _AT_ONCE
    schema.check(settings.ledger.address())
    section = settings.console
    with (
        Ledger(settings.ledger.address(), tiles_folder=settings.ledger.tiles_folder, frugal=True) as ledger,
        Store(section.database_address()) as store,
    ):
        readings = Readings(ledger, settings)
        site = Site(settings=settings, ledger=ledger, store=store, readings=readings)
        registry = CollectorRegistry()
        watched = _Watched(ledger)
        readiness = Readiness("console", {"ledger": lambda: watched.away}, registry)
        app = build_app(site, reasons=readiness.reasons, registry=registry)
        limits = Limits(most=500, most_body=MOST_BODY)
        host, port = section.listen_host, section.listen_port
        tls = section.serving_tls()
        async with serving(app, host, port, setting="console.listen_port", limits=limits, tls=tls):
            tasks = [
                asyncio.create_task(watched.run(stop)),
                asyncio.create_task(run_jobs(settings, store, stop)),
                asyncio.create_task(readings.run(stop)),
                asyncio.create_task(end_expired(site, stop)),
                asyncio.create_task(readiness.watch(stop)),
                asyncio.create_task(beat(stop, lambda: asyncio.to_thread(watched.look))),
            ]
            ready()
            _log.info("console-serves", address=section.address)
            await stop.wait()
            # What looks at the stop ends by itself, a job's process included; the others only wait.
            await asyncio.wait(tasks, timeout=_PATIENCE)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class _Watched:
    """Whether the ledger answered when it was asked last."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.away: str | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Ask it again and again, until stopped."""
        while not stop.is_set():
            await asyncio.to_thread(self.look)
            await pause(stop, _ASK_EVERY)

    def look(self) -> None:
        """Ask it once."""
        try:
            with self._ledger.read() as reader:
                reader.halted()
        except Transient as away:
            self.away = in_words(away)
        else:
            self.away = None
