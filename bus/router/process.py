"""`saraban-bus router`: the parts put together, started, and stopped in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import timedelta
from functools import partial

from bus import logs
from bus.broker.hosts import Hosts
from bus.broker.link import Link
from bus.codes import load_codes
from bus.depot.client import PresenceClient
from bus.documents.notes import log_key
from bus.documents.seal import Seal
from bus.errors import Transient
from bus.ledger import schema
from bus.ledger.checkpoint import Signer
from bus.ledger.group import GroupCommit
from bus.ledger.store import Ledger
from bus.readiness import Cause, Readiness
from bus.router.activation import calendar_in_force, directory_in_force, versions
from bus.router.alarms import Alarms
from bus.router.answers import Answers
from bus.router.checkpoints import Checkpoints
from bus.router.consumer import Consumer, Limits
from bus.router.deadlines import Deadlines
from bus.router.fanout import Fanout
from bus.router.gates import Rules
from bus.router.metrics import Metrics
from bus.router.monitoring import Watching
from bus.router.processing import Processor
from bus.router.recording import Recorder
from bus.router.refusing import enter_counts
from bus.router.replaying import carry_out_replays, read_parked
from bus.router.shares import Share, Shares
from bus.settings import BusSettings
from bus.settings.bus import Shares as SharesSection
from bus.web import health_app, serving

_log = logs.get("router")
_REPLAYS_EVERY = 1.0
_COUNTS_EVERY = 10.0


def bus_seal(settings: BusSettings) -> Seal:
    """Return the bus's own seal. Raises Misconfigured for a key that is missing, weak or readable by others."""
    return Seal.from_files(settings.seal.key, settings.seal.certificate, settings.seal.passphrase_text())


def ledger_signer(settings: BusSettings, ledger: Ledger) -> Signer:
    """Return who signs the ledger's heads. Raises Misconfigured for a key that is missing or readable by others."""
    section = settings.ledger
    key = log_key(section.key, section.origin, section.passphrase_text())
    every = timedelta(seconds=section.anchor_interval)
    return Signer(ledger, key, section.kept_head, anchor_every=every)


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


class _Parts:
    """A router's parts, in the order in which a submission meets them."""

    def __init__(
        self,
        settings: BusSettings,
        ledger: Ledger,
        seal: Seal,
        intake: Link,
        outlet: Link,
        depot: PresenceClient,
    ) -> None:
        self.name, self.ledger, self.intake_link, self.outlet = settings.router.name, ledger, intake, outlet
        self.metrics = Metrics()
        self.alarms = Alarms(self.metrics.registry)
        self.checkpoints = Checkpoints(ledger_signer(settings, ledger), self.alarms)
        self.appends = GroupCommit(ledger)
        self.shares = Shares(_share(settings.shares))
        self.answers = Answers(seal, load_codes(settings.codes.folder))
        self.fanout = self._fanout(settings.broker.max_message_bytes)
        self.intake = self._processor(settings, depot)
        limits = Limits(settings.router.batch, settings.router.prefetch)
        self.consumer = Consumer(self.intake, self.shares, limits)
        self.deadlines = self._deadlines(settings)
        self.watching = Watching(
            outlet=outlet,
            depot=depot,
            ledger=ledger,
            metrics=self.metrics,
            delivered_to=self.fanout.take_delivered_to,
            limit=settings.broker.inbox_max_messages or None,
        )
        self._add_metrics()
        self.readiness = Readiness("router", self._causes(), self.metrics.registry)

    def _fanout(self, most_bytes: int) -> Fanout:
        return Fanout(
            self.outlet,
            self.ledger,
            self.appends,
            router=self.name,
            alarms=self.alarms,
            most_bytes=most_bytes,
            head=lambda: self.checkpoints.newest.note if self.checkpoints.newest else None,
            on_trouble=lambda agency, reason: self.metrics.trouble.labels(agency, reason).inc(),
        )

    def _processor(self, settings: BusSettings, depot: PresenceClient) -> Processor:
        per_hour = settings.shares.refusals_per_hour
        with self.ledger.read() as reader:
            examined_under = versions(reader)
            _, directory = directory_in_force(reader)
            _, calendar = calendar_in_force(reader)
        return Processor(
            rules=Rules(directory, calendar, self.answers.codes, self.answers, per_hour),
            examined_under=examined_under,
            ledger=self.ledger,
            depot=depot,
            appends=self.appends,
            recorder=Recorder(self.name, per_hour),
            fanout=self.fanout,
            metrics=self.metrics,
            shares=self.shares,
            alarms=self.alarms,
        )

    def _deadlines(self, settings: BusSettings) -> Deadlines:
        return Deadlines(
            link=self.outlet,
            ledger=self.ledger,
            appends=self.appends,
            answers=self.answers,
            router=self.name,
            idle=self.consumer.idle_of,
            publish=self.fanout.publish,
            settle=timedelta(seconds=settings.router.settle_seconds),
        )

    def _causes(self) -> dict[str, Cause]:
        links = (self.intake_link, self.outlet)
        return {
            "broker": lambda: next((link.trouble for link in links if link.trouble), None),
            "broker-blocked": lambda: self.watching.broker_away,
            "database": lambda: self.checkpoints.away,
            "ledger-halted": lambda: self.checkpoints.halt,
            "depot": lambda: self.watching.depot_away,
            "intake": lambda: self.intake.waits_for,
        }

    def _add_metrics(self) -> None:
        gauge, counter = self.metrics.gauge, self.metrics.counter
        gauge("exceeding", "Agencies that send more than their share now.", lambda: self.shares.exceeding)
        gauge("intakes_missing", "Intake queues that are not consumed now.", lambda: self.consumer.missing)
        gauge("circuits_open", "Inboxes that failed at the last attempt.", self._open_circuits)
        counter(
            "published", "Consignments that the broker has confirmed.", lambda: float(self.fanout.published)
        )
        gauge(
            "ledger_halted",
            "1 while nothing is appended, because the ledger was found not to continue what was signed.",
            lambda: float(self.checkpoints.halt is not None),
        )
        counter(
            "broker_given_up",
            "Times that this router left a broker host which only kept it waiting.",
            lambda: float(self.outlet.hosts.given_up.total()),
        )
        counter(
            "overdue_notices",
            "Overdue notices that this router issued.",
            lambda: float(self.deadlines.overdue),
        )
        gauge(
            "parked_submissions",
            "Submissions in the ledger that are parked and wait for a replay.",
            lambda: float(self.watching.parked),
        )

    def _open_circuits(self) -> float:
        return len(self.fanout.open_circuits)


def _share(section: SharesSection) -> Share:
    return Share(section.messages, section.bytes, section.fruitless, section.window)


@contextmanager
def _ledger(settings: BusSettings) -> Iterator[Ledger]:
    with Ledger(settings.ledger.address()) as ledger:
        if ledger.engine.dialect.name == "sqlite":
            # The embedded ledger has one router: whatever name it had before, its leases are void.
            ledger.release_leases(None)
        yield ledger


@asynccontextmanager
async def _parts(settings: BusSettings, ledger: Ledger, seal: Seal) -> AsyncIterator[_Parts]:
    broker, name = settings.broker, settings.router.name
    link = partial(Link, Hosts(broker.address()), heartbeat=broker.heartbeat, tls=broker.tls())
    async with (
        link(name=f"{name} intake") as intake,
        link(name=f"{name} outlet") as outlet,
        PresenceClient(settings.depot.url, seal, tls=settings.depot.tls()) as depot,
    ):
        parts = _Parts(settings, ledger, seal, intake, outlet, depot)
        try:
            yield parts
        finally:
            await asyncio.to_thread(parts.appends.close)


async def _run(parts: _Parts, settings: BusSettings, stop: asyncio.Event) -> None:
    """Run everything; the fan-out outlives the intake, so that what was just committed still goes out."""
    router = settings.router
    later = asyncio.Event()
    async with AsyncExitStack() as stack:
        if router.metrics_port:
            app = health_app(reasons=parts.readiness.reasons, metrics=parts.metrics.text)
            await stack.enter_async_context(
                serving(app, "127.0.0.1", router.metrics_port, setting="router.metrics_port")
            )
        outgoing = asyncio.create_task(parts.fanout.run(later, interval=router.sweep_interval))
        work = [
            asyncio.create_task(parts.consumer.run(parts.intake_link, stop)),
            asyncio.create_task(
                read_parked(
                    parts.intake_link,
                    parts.intake,
                    parts.appends,
                    parts.fanout,
                    stop,
                    alarms=parts.alarms,
                    on_parked=parts.metrics.parked.inc,
                )
            ),
            asyncio.create_task(carry_out_replays(parts.ledger, parts.intake, stop, interval=_REPLAYS_EVERY)),
            asyncio.create_task(enter_counts(parts.ledger, parts.appends, stop, interval=_COUNTS_EVERY)),
            asyncio.create_task(parts.deadlines.run(stop, interval=router.deadline_interval)),
            asyncio.create_task(parts.watching.run(stop)),
            asyncio.create_task(parts.readiness.watch(stop)),
            asyncio.create_task(parts.checkpoints.run(stop, interval=settings.ledger.checkpoint_interval)),
        ]
        _log.info("router-started", router=parts.name)
        try:
            await _first_failure([*work, outgoing], stop)
        finally:
            stop.set()
            await asyncio.gather(*work, return_exceptions=True)
            later.set()
            await asyncio.gather(outgoing, return_exceptions=True)
            await parts.checkpoints.sign()
            _log.info("router-stopped", router=parts.name)


async def _first_failure(tasks: list[asyncio.Task[None]], stop: asyncio.Event) -> None:
    """Return when stopped; raise what a task died of, because a router that has lost a part must not look alive."""
    stopping = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    for task in done - {stopping}:
        if not stop.is_set():
            task.result()
            raise Transient("a part of the router ended")
