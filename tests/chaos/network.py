"""The bus of a run, from real processes, with a line that can be cut between each adapter, the broker and the depot."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from bus.broker.management import Management
from compose.cluster import PostgresCluster
from compose.local import LocalBus
from compose.node import Node
from compose.process import Process
from tests.chaos.plan import AGENCIES, GROUP, Plan
from tests.faults.proxy import Line

HEARTBEAT = 5
"""Seconds; the broker's connections are given up after two of them."""
ROUTERS = "router"
"""The name of the line that the routers share."""


@dataclass(frozen=True, slots=True)
class _BehindLine:
    """A broker whose AMQP is reached through a line."""

    management_url: str
    amqp_url: str


class Network:
    """Everything that a run has started."""

    def __init__(self, bus: LocalBus, node: Node, cluster: PostgresCluster | None, plan: Plan) -> None:
        self.bus = bus
        self.node = node
        self.cluster = cluster
        self.plan = plan
        self.lines: dict[str, Line] = {}
        """To the broker: of each agency, and of the routers."""
        self.depot_lines: dict[str, Line] = {}
        self.down: set[str] = set()
        """What a fault has taken down and nobody has started again yet."""

    @property
    def folders(self) -> Mapping[str, Path]:
        """What each office shares with its adapter."""
        return {code: self.bus.exchange_folder(code) for code in AGENCIES}

    def start(self, name: str, *, wait: bool = False) -> Process:
        """Start a router, the depot or an agency's adapter, or start it again."""
        started = self._start(name, wait)
        self.down.discard(name)
        return started

    def _start(self, name: str, wait: bool) -> Process:
        if name == "serve":
            return self.bus.start_depot()
        if name in self.plan.routers:
            return self.bus.start_router(name, wait=wait)
        return self.bus.start_adapter(
            name,
            wait=wait,
            resend_after=1.0,
            broker__heartbeat=HEARTBEAT,
            broker__url=self.lines[name].url,
            depot__url=self.depot_lines[name].url.replace("amqp:", "http:", 1),
        )

    def process(self, name: str) -> Process:
        """The process of this name, or an agency's adapter, as it was started last."""
        return self.bus.processes[f"adapter-{name}" if name in AGENCIES else name]

    def start_all(self) -> None:
        """Start everything, and wait until all of it is ready."""
        self.start("serve")
        for started in [self.start(name) for name in (*self.plan.routers, *AGENCIES)]:
            started.wait_ready()
        with suppress(Exception):
            # Brokers that keep these names elsewhere have nothing to settle.
            self.node.settle_new_queues()

    def copy_mailbox(self, code: str, place: Path) -> None:
        """Copy a mailbox while its adapter runs: the database by its own means, then the files, which never go."""
        place.mkdir(parents=True)
        mailbox = self.bus.mailbox(code)
        source = sqlite3.connect(mailbox / "mailbox.sqlite")
        target = sqlite3.connect(place / "mailbox.sqlite")
        with target:
            source.backup(target)
        source.close()
        target.close()
        shutil.copytree(mailbox / "files", place / "files", ignore=shutil.ignore_patterns("partial"))

    def bring_back(self, code: str, place: Path) -> None:
        """Put a copy in the place of a mailbox, while its adapter does not run."""
        shutil.rmtree(self.bus.mailbox(code))
        shutil.copytree(place, self.bus.mailbox(code))


@contextmanager
def network(folder: Path, plan: Plan, node: Node, cluster: PostgresCluster | None) -> Iterator[Network]:
    """A bus for one plan in a vhost and a database of its own, nothing started yet; all of it is gone afterwards."""
    node.recover()
    database = f"chaos_{uuid4().hex[:8]}"
    with ExitStack() as stack:
        management = stack.enter_context(Management(node.management_url))
        stack.callback(_forget, management, node, database, {one["name"] for one in management.get("users")})
        url = None
        if plan.database == "postgresql" and cluster is not None:
            url = cluster.create_database(database)
            stack.callback(_drop, cluster, database)
        shared = stack.enter_context(Line(node.amqp_url))
        bus = stack.enter_context(
            LocalBus(
                folder,
                broker=_BehindLine(node.management_url, shared.url),
                vhost=database,
                ledger_url=url,
                directory=_directory(),
                router={"sweep_interval": 0.5, "deadline_interval": 1.0},
            )
        )
        _with_short_heartbeat(bus.folder / "bus.toml")
        found = Network(bus, node, cluster if url else None, plan)
        found.lines[ROUTERS] = shared
        for code in AGENCIES:
            found.lines[code] = stack.enter_context(Line(node.amqp_url))
            found.depot_lines[code] = stack.enter_context(Line(bus.depot_url))
        yield found


def _forget(management: Management, node: Node, vhost: str, users: set[str]) -> None:
    node.recover()
    management.delete("vhosts", vhost)
    for user in {one["name"] for one in management.get("users")} - users:
        management.delete("users", user)


def _drop(cluster: PostgresCluster, database: str) -> None:
    cluster.start()
    cluster.drop_database(database)


def _directory() -> str:
    head = 'version = 1\n[bus]\ncertificates = [{ file = "bus.crt.pem" }]\n'
    head += f'[[group]]\nid = "{GROUP}"\nname_th = "ทุกหน่วยงาน"\nname_en = "Everyone"\nmembers = ["*"]\n'
    return head + "".join(
        f'[[agency]]\ncode = "{code}"\nname_th = "หน่วยงาน {code} (ตัวอย่าง)"\nname_en = "Agency {code} (sample)"\n'
        f'certificates = [{{ file = "{code}.crt.pem" }}]\n'
        for code in AGENCIES
    )


def _with_short_heartbeat(settings: Path) -> None:
    text = settings.read_text(encoding="utf-8")
    settings.write_text(
        text.replace("\n[broker]\n", f"\n[broker]\nheartbeat = {HEARTBEAT}\n", 1), encoding="utf-8"
    )
