"""`saraban-adapter run`: everything put together, and stopped in order."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from cryptography import x509

from adapters.agent import Agent, Companion, Pace
from adapters.cli.metrics import metrics
from adapters.connectors.base import serve
from adapters.connectors.folder import FolderConnector
from adapters.depot import DepotClient
from adapters.mailbox import Mailbox
from bus import logs
from bus.broker.link import Link
from bus.documents.seal import Seal
from bus.errors import Misconfigured, Problem
from bus.process import run_until_told
from bus.retry import Policy
from bus.settings import AdapterSettings
from bus.web import health_app, serving

_DEPOT = Policy(first=0.5, longest=5.0, attempts=2)
"""Few tries at a time: who waits longer than that gives its place to another letter, and comes again."""


def run(settings: AdapterSettings) -> None:
    """Run until SIGTERM or SIGINT."""
    logs.configure(f"adapter.{settings.agency}", level=settings.log.level)
    run_until_told(partial(work, settings))


async def work(settings: AdapterSettings, stop: asyncio.Event) -> None:
    """Run the agent of these settings and its connectors until `stop` is set."""
    seal = Seal.from_files(settings.seal.key, settings.seal.certificate, settings.seal.passphrase_text())
    bus_certificate = _certificate(settings.bus_certificate)
    pace = Pace(
        resend_after=settings.resend_after,
        prefetch=settings.prefetch,
        downloads=settings.max_parallel_downloads,
    )
    async with AsyncExitStack() as stack:
        mailbox = stack.enter_context(Mailbox(settings.mailbox.folder, settings.agency))
        depot = await stack.enter_async_context(_depot(settings, seal))
        outward = await stack.enter_async_context(_link(settings, "outward"))
        inward = await stack.enter_async_context(_link(settings, "inward"))
        agent = Agent(
            mailbox,
            seal=seal,
            bus_certificate=bus_certificate,
            outward=outward,
            inward=inward,
            depot=depot,
            pace=pace,
        )
        if settings.metrics_port:
            health = health_app(
                ready=lambda: agent.running and outward.connected and inward.connected,
                metrics=lambda: metrics(mailbox, outward.connected and inward.connected),
            )
            await stack.enter_async_context(serving(health, "127.0.0.1", settings.metrics_port))
        await agent.run(stop, beside=_connectors(settings, mailbox))


def _connectors(settings: AdapterSettings, mailbox: Mailbox) -> list[Companion]:
    folder = settings.connectors.folder
    if not folder.enabled:
        return []
    return [partial(serve, FolderConnector(mailbox, folder.path), interval=folder.poll)]


def _link(settings: AdapterSettings, way: str) -> Link:
    broker = settings.broker
    name = f"adapter.{settings.agency}.{way}"
    return Link(broker.address(), name=name, heartbeat=broker.heartbeat, tls=broker.tls())


def _depot(settings: AdapterSettings, seal: Seal) -> DepotClient:
    ca_file = settings.depot.ca_file
    try:
        tls = ssl.create_default_context(cafile=ca_file) if ca_file else True
    except (OSError, ssl.SSLError) as exc:
        raise Misconfigured(
            Problem(str(ca_file), "depot.ca_file", "holds no certificates", "Name a PEM file with them.")
        ) from exc
    return DepotClient(settings.depot.url, settings.agency, seal, tls=tls, policy=_DEPOT)


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as exc:
        fix = "Name the PEM file with the bus's certificate."
        raise Misconfigured(Problem(str(path), "bus_certificate", "cannot be read", fix)) from exc
