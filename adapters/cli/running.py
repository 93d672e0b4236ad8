"""`saraban-adapter run`: everything put together, and stopped in order."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from functools import partial

from prometheus_client import CollectorRegistry

from adapters.agent import Agent, Companion, Tuning
from adapters.agent.health import Health
from adapters.agent.tuning import repeat
from adapters.agent.witnessing import Witness, WitnessKeys
from adapters.centre import RenewalClient
from adapters.cli.metrics import MailboxMetrics
from adapters.connectors.base import Door, Polled
from adapters.connectors.folder.connector import FolderConnector
from adapters.connectors.folder.exchange import FOLDERS
from adapters.connectors.folder.sharing import share
from adapters.depot import DepotClient
from adapters.doctor.configuration import log_key_of, login_certificate, require_right, seal_of
from adapters.log import LogClient
from adapters.mailbox import Mailbox
from adapters.renewal import LoginSuccessor, Next, Renewing, Successor
from adapters.views import condition_lines
from bus import logs
from bus.broker.hosts import Hosts
from bus.broker.link import Link
from bus.broker.messages import Outgoing as Submission
from bus.broker.topology import inbox_queue, submit_exchange, user_of
from bus.documents.making import KeyFiles
from bus.documents.notes import witness_key, witness_name
from bus.documents.reports import TYPE
from bus.documents.seal import Seal, read_certificate
from bus.errors import Misconfigured, Problem
from bus.metrics import Counted, exposition
from bus.process import beat, give_back_memory, ready, run_until_stopped, share_heap
from bus.readiness import Cause, Readiness
from bus.retry import Policy
from bus.settings.adapter import AdapterSettings, RestConnector

_INBOX_EVERY = 5.0
_DEPOT = Policy(first=0.5, longest=5.0, attempts=2)
"""Few tries at a time: who waits longer than that gives its place to another letter, and comes again."""


def run(settings: AdapterSettings) -> None:
    """Run until SIGTERM or SIGINT. Raises Misconfigured with every mistake before anything is made or connected."""
    if (successor := _login_successor(settings)) is not None:
        successor.settle()
    require_right(settings)
    logs.configure(f"adapter.{settings.agency}", level=settings.log.level)
    share_heap()
    run_until_stopped(partial(work, settings))


async def work(settings: AdapterSettings, stop: asyncio.Event) -> None:
    """Run the agent of these settings and its connectors until `stop` is set; anew, whenever its seal was renewed."""
    while not stop.is_set():
        ended = asyncio.Event()
        relay = asyncio.create_task(_relay(stop, ended))
        try:
            await _at_work(settings, ended)
        finally:
            relay.cancel()


async def _relay(stop: asyncio.Event, ended: asyncio.Event) -> None:
    await stop.wait()
    ended.set()


async def _at_work(settings: AdapterSettings, stop: asyncio.Event) -> None:
    seal = seal_of(settings)
    bus_certificate = read_certificate(settings.bus_certificate, "bus_certificate")
    login = login_certificate(settings)
    tuning = Tuning(
        resend_after=settings.resend_after,
        prefetch=settings.prefetch,
        downloads=settings.max_parallel_downloads,
    )
    async with AsyncExitStack() as stack:
        mailbox = stack.enter_context(Mailbox(settings.mailbox.folder, settings.agency))
        tls = settings.depot.tls()  # one for all: each would hold every authority of the system
        depot = await stack.enter_async_context(_depot(settings, seal, tls))
        hosts = Hosts(settings.broker.address())
        outward = await stack.enter_async_context(_link(settings, hosts, "outward"))
        inward = await stack.enter_async_context(_link(settings, hosts, "inward"))
        agent = Agent(
            mailbox,
            seal=seal,
            bus_certificate=bus_certificate,
            outward=outward,
            inward=inward,
            depot=depot,
            tuning=tuning,
        )
        links = (outward, inward)
        health = Health(
            mailbox,
            certificate=seal.certificate,
            bus_certificate=bus_certificate,
            links=links,
            depot=depot,
            account=f"{settings.broker.user} at {settings.broker.url}",
            login=login,
        )
        registry = CollectorRegistry()
        ends = {"seal": seal.certificate.not_valid_after_utc, "bus": bus_certificate.not_valid_after_utc}
        if login is not None:
            ends["broker"] = login.not_valid_after_utc
        registry.register(MailboxMetrics(mailbox, lambda: all(link.connected for link in links), ends))
        registry.register(_given_up(hosts))
        readiness = Readiness("adapter", _causes(agent, outward, inward, mailbox), registry)
        if settings.metrics_port:
            from bus.web import health_app, serving  # a web server, which nobody else needs

            app = health_app(
                reasons=readiness.reasons,
                metrics=lambda: exposition(registry),
                lines=lambda: [line for each in mailbox.conditions.all() for line in condition_lines(each)],
            )
            port = settings.metrics_port
            await stack.enter_async_context(serving(app, "127.0.0.1", port, setting="metrics_port"))
        beside: list[Companion] = [readiness.watch, *(door.run for door in _doors(settings, mailbox))]
        beside.append(lambda stop: repeat("health", health.work, asyncio.Event(), stop))
        centre = RenewalClient(settings.depot.url, settings.agency, bus_certificate, tls)
        beside += _renewals(settings, mailbox, seal, centre, stop.set)
        if len(hosts) > 1:
            beside.append(_inbox_watch(inward, inbox_queue(settings.agency)))
        if settings.witness.log_key:
            client = LogClient(settings.depot.url, tls=tls)
            beside.append(_witness(settings, mailbox, seal, await stack.enter_async_context(client), outward))
        beside.append(lambda stop: beat(stop, agent.come_round))
        give_back_memory()  # what reading the settings and making everything took
        ready()
        await agent.run(stop, beside=beside)


def _renewals(
    settings: AdapterSettings,
    mailbox: Mailbox,
    seal: Seal,
    centre: RenewalClient,
    renewed: Callable[[], None],
) -> Iterator[Companion]:
    """Renew the seal, and the certificate for the broker; once that is done, everything begins anew with it."""
    section, loop = settings.seal, asyncio.get_running_loop()
    files = KeyFiles(section.key, section.certificate)
    wanted: dict[str, Next] = {"renewal": Successor(settings.agency, files, section.passphrase_text())}
    if (login := _login_successor(settings)) is not None:
        wanted["renewal.login"] = login
    for source, successor in wanted.items():
        renewing = Renewing(
            mailbox,
            seal,
            successor,
            centre,
            days=section.renew_days,
            renewed=lambda: loop.call_soon_threadsafe(renewed),
            source=source,
        )
        yield partial(_repeat_step, renewing)


async def _repeat_step(renewing: Renewing, stop: asyncio.Event) -> None:
    async def step() -> float:
        return await asyncio.to_thread(renewing.step)

    await repeat("renew", step, asyncio.Event(), stop)


def _login_successor(settings: AdapterSettings) -> LoginSuccessor | None:
    """Return what follows the certificate with which the adapter logs in to the broker; None without one."""
    broker = settings.broker
    if broker.certificate is None or broker.key is None:
        return None
    passphrase = broker.passphrase.get_secret_value() if broker.passphrase else None
    files = KeyFiles(broker.key, broker.certificate)
    return LoginSuccessor(settings.agency, files, lambda: seal_of(settings), passphrase)


def _causes(agent: Agent, outward: Link, inward: Link, mailbox: Mailbox) -> dict[str, Cause]:
    blocked = "the broker blocks publishers: it has a memory or disk alarm"
    return {
        "adapter": lambda: None if agent.running else "it is starting or stopping",
        "broker": lambda: outward.trouble or inward.trouble,
        "broker-blocked": lambda: blocked if outward.blocked else None,
        "conditions": lambda: ", ".join(mailbox.conditions.stopping()) or None,
    }


def _doors(settings: AdapterSettings, mailbox: Mailbox) -> Iterator[Door]:
    """What is open by these settings; what only one of them needs is imported with it."""
    folder = settings.connectors.folder
    if folder.enabled:
        connector = FolderConnector(
            mailbox,
            folder.path,
            patience=folder.patience,
            quiet=folder.quiet,
            largest_file=folder.largest_file,
        )
        if folder.group:
            share(folder.path, FOLDERS, folder.group)
        yield Polled(connector, folder.poll, folder.path / "outbox")
    else:  # as a run with another setting may have left them
        for verb in ("import", "export"):
            mailbox.conditions.report(f"folder.{verb}", [])
    if settings.connectors.rest.enabled:
        yield rest_door(settings.connectors.rest, mailbox)
    if settings.desk.enabled:
        from adapters.desk.door import DeskDoor

        yield DeskDoor(mailbox, settings)
    if settings.connectors.ecms.enabled:
        from adapters.connectors.ecms.door import EcmsDoor

        yield EcmsDoor(mailbox, settings.connectors.ecms)
    else:  # as a run with another setting may have left it
        mailbox.conditions.report("ecms", [])
    if settings.connectors.sql.enabled:
        from adapters.connectors.sql.door import SqlDoor

        yield SqlDoor(mailbox, settings.connectors.sql)
    else:  # as a run with another setting may have left them
        for verb in ("import", "export"):
            mailbox.conditions.report(f"sql.{verb}", [])


def rest_door(section: RestConnector, mailbox: Mailbox) -> Door:
    """The REST door of these settings. Raises Misconfigured where its packages are not installed."""
    try:
        from adapters.connectors.rest.door import RestDoor
    except ImportError as exc:
        fix = "Install saraban-bus[rest], or set connectors.rest.enabled = false."
        wrong = "needs packages that are not installed"
        raise Misconfigured(Problem("settings", "connectors.rest.enabled", wrong, fix)) from exc
    return RestDoor(
        mailbox,
        section.listen_host,
        section.listen_port,
        section.tls(),
        section.requests_per_minute,
        section.largest_file,
    )


def _witness(
    settings: AdapterSettings, mailbox: Mailbox, seal: Seal, client: LogClient, link: Link
) -> Companion:
    section, log_key = settings.witness, log_key_of(settings)
    own = None
    if section.key.exists():
        name = witness_name(log_key, settings.agency)
        own = witness_key(section.key, name, section.passphrase_text())

    async def publish(report_id: str, raw: bytes) -> None:
        await link.publish(
            Submission(
                exchange=submit_exchange(settings.agency),
                body=raw,
                message_id=report_id,
                type=TYPE,
                user_id=user_of(settings.agency),
            )
        )

    keys = WitnessKeys(log_key, own)
    witness = Witness(mailbox, seal, keys, client, publish, every=section.poll)
    return lambda stop: repeat("witness", witness.work, asyncio.Event(), stop)


def _link(settings: AdapterSettings, hosts: Hosts, way: str) -> Link:
    broker = settings.broker
    name = f"adapter.{settings.agency}.{way}"
    return Link(hosts, name=name, heartbeat=broker.heartbeat, tls=broker.tls())


def _inbox_watch(link: Link, queue: str) -> Companion:
    """An adapter that sends nothing would not notice that nothing can come: its host may be cut off from the queue."""

    async def look() -> float:
        await link.look_for_consumers(queue)
        return _INBOX_EVERY

    return lambda stop: repeat("look at the inbox", look, asyncio.Event(), stop)


def _given_up(hosts: Hosts) -> Counted:
    sentence = "Times that this adapter left a broker host which only kept it waiting."
    return Counted("saraban_adapter_broker_given_up", sentence, lambda: float(hosts.given_up.total()))


def _depot(settings: AdapterSettings, seal: Seal, tls: ssl.SSLContext) -> DepotClient:
    return DepotClient(settings.depot.url, settings.agency, seal, tls=tls, policy=_DEPOT)
