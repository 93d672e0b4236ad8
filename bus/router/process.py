"""`saraban-bus router`: the parts put together, started, and stopped in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import Any

from bus import logs
from bus.depot.client import PresenceClient
from bus.documents.seal import Seal
from bus.errors import Transient
from bus.ledger import schema
from bus.ledger.store import Ledger, Writer
from bus.process import beat, ready
from bus.router.clusters import Cluster, connected
from bus.router.parts import Parts
from bus.router.refusing import enter_counts
from bus.router.replaying import carry_out_replays, read_parked
from bus.router.signers import bus_seal, ledger_signer
from bus.settings.bus import BusSettings
from bus.web import health_app, serving

_log = logs.get("router")
_REPLAYS_EVERY = 1.0
_COUNTS_EVERY = 10.0


async def run_router(settings: BusSettings, stop: asyncio.Event) -> None:
    """Run a router until stopped; then finish what was taken, acknowledge it, and close.

    Raises Misconfigured when the ledger has no schema, no directory or no calendar; Transient when it is away.
    """
    schema.check(settings.ledger.address())
    seal = bus_seal(settings)
    with _ledger(settings) as ledger:
        async with AsyncExitStack() as stack:
            parts = await stack.enter_async_context(_parts(settings, ledger, seal))
            await _run(parts, settings, stop)


@contextmanager
def _ledger(settings: BusSettings) -> Iterator[Ledger]:
    with Ledger(settings.ledger.address(), tiles_folder=settings.ledger.tiles_folder) as ledger:
        if ledger.engine.dialect.name == "sqlite":
            # The embedded ledger has one router: whatever name it had before, its leases are void.
            ledger.release_leases(None)
        yield ledger


@asynccontextmanager
async def _parts(settings: BusSettings, ledger: Ledger, seal: Seal) -> AsyncIterator[Parts]:
    async with (
        connected(settings.router.name, settings.brokers) as clusters,
        PresenceClient(settings.depot.url, seal, tls=settings.depot.tls()) as depot,
    ):
        parts = Parts(settings, ledger, ledger_signer(settings, ledger), seal, clusters, depot)
        try:
            yield parts
        finally:
            parts.intake.close()
            await asyncio.to_thread(parts.appends.close)


async def _run(parts: Parts, settings: BusSettings, stop: asyncio.Event) -> None:
    """Run everything; the fan-out outlives the intake, so that what was just committed still goes out."""
    router = settings.router
    later = asyncio.Event()
    async with AsyncExitStack() as stack:
        if router.metrics_port:
            app = health_app(reasons=parts.readiness.reasons, metrics=parts.metrics.text)
            await stack.enter_async_context(
                serving(app, "127.0.0.1", router.metrics_port, setting="router.metrics_port")
            )
        await asyncio.to_thread(parts.ledger.release_leases, parts.name)
        fanouts = parts.fanouts.of_cluster.values()
        outgoing = [
            asyncio.create_task(fanout.run(later, interval=router.sweep_interval)) for fanout in fanouts
        ]
        work = [
            *(asyncio.create_task(one) for cluster in parts.clusters for one in _on(cluster, parts, stop)),
            asyncio.create_task(carry_out_replays(parts.ledger, parts.intake, stop, interval=_REPLAYS_EVERY)),
            asyncio.create_task(enter_counts(parts.ledger, parts.appends, stop, interval=_COUNTS_EVERY)),
            asyncio.create_task(parts.deadlines.run(stop, interval=router.deadline_interval)),
            asyncio.create_task(parts.watching.run(stop)),
            asyncio.create_task(parts.gauges.run(stop)),
            asyncio.create_task(parts.journeys.run(stop)),
            asyncio.create_task(parts.clerks.run(stop)),
            asyncio.create_task(parts.certificates.run(stop)),
            asyncio.create_task(parts.readiness.watch(stop)),
            asyncio.create_task(beat(stop, partial(_come_round, parts))),
            asyncio.create_task(parts.checkpoints.run(stop, interval=settings.ledger.checkpoint_interval)),
        ]
        _log.info("router-started", router=parts.name)
        ready()
        try:
            await _first_failure([*work, *outgoing], stop)
        finally:
            stop.set()
            await asyncio.gather(*work, return_exceptions=True)
            later.set()
            await asyncio.gather(*outgoing, return_exceptions=True)
            await parts.checkpoints.sign()
            _log.info("router-stopped", router=parts.name)


def _on(cluster: Cluster, parts: Parts, stop: asyncio.Event) -> Iterator[Coroutine[Any, Any, None]]:
    """Yield what a router does for one cluster."""
    yield parts.consumers[cluster.name].run(cluster.intake, stop)
    yield parts.brokers[cluster.name].run(stop)
    yield parts.inboxes[cluster.name].run(stop)
    yield read_parked(
        cluster.intake,
        parts.intake,
        parts.appends,
        parts.fanouts,
        stop,
        alarms=parts.alarms,
        on_parked=parts.metrics.parked.inc,
    )


async def _come_round(parts: Parts) -> None:
    """Return once the threads of the gates and of the appends have taken up, and ended, what is asked of them now."""
    await parts.intake.come_round()
    await asyncio.wait({asyncio.wrap_future(parts.appends.submit(_enter_nothing))})


def _enter_nothing(_: Writer) -> None:
    return None


async def _first_failure(tasks: list[asyncio.Task[None]], stop: asyncio.Event) -> None:
    """Return when stopped; raise what a task died of, because a router that has lost a part must not look alive."""
    stopping = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    for task in done - {stopping}:
        if not stop.is_set():
            task.result()
            raise Transient("a part of the router ended")
