"""The whole bus on one machine from native processes: broker, routers, depot, one adapter per agency.

Demo, journey tests, fault tests and benchmarks all start it through `LocalBus`. Everything it writes is below one
folder; every process is its child, logs to a file of its own there, and is gone when the block ends.
"""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

from bus import assets
from bus.broker import topology
from bus.broker.admin import apply
from bus.broker.management import Management
from bus.broker.passwords import Passwords
from bus.calendar import load_calendar
from bus.directory import Directory, load_directory
from bus.documents.making import new_seal, write_seal
from bus.documents.notes import log_key, make_key, witness_key, witness_name
from bus.documents.seal import Seal
from bus.ledger import schema
from bus.ledger.store import Ledger
from bus.operators import of_the_bus
from bus.router.activation import activate_calendar, activate_directory
from bus.settings.tls import trusting
from compose import people
from compose import process as programs
from compose.borrowed import VHOST as BORROWED
from compose.borrowed import ExistingBroker, borrowed
from compose.files import inboxes_in, toml_of
from compose.node import Node
from compose.ports import free_ports
from compose.process import Process
from compose.settings import console_settings, ledger_settings, secret_file

LOOPBACK = "127.0.0.1"
ORIGIN = "saraban.example/ledger"


class Broker(Protocol):
    """A running RabbitMQ and its administrator: a private node, or one that a setting names."""

    @property
    def management_url(self) -> str: ...

    @property
    def amqp_url(self) -> str: ...


def free_port() -> int:
    """Return a loopback port that nothing listens on, and that no outgoing connection is given meanwhile."""
    return free_ports(1)[0]


class LocalBus:
    """The bus in a folder: settings, keys, ledger, depot, mailboxes, processes. A context manager.

    `directory` and `calendar` are the texts of the two files, the shipped examples if left out; `router`, `shares`,
    `depot` and `log` override settings of their sections, the last those of [ledger]; `witness_poll` is how often
    adapters look at the log, in seconds; without `witnesses`, none has a key to cosign with.
    """

    ca_file: Path | None = None
    """The authority by which depot and broker speak TLS; None where they do not."""

    def __init__(
        self,
        folder: Path,
        *,
        broker: Broker | None = None,
        vhost: str = topology.VHOST,
        ledger_url: str | None = None,
        directory: str | None = None,
        calendar: str | None = None,
        router: Mapping[str, Any] | None = None,
        shares: Mapping[str, Any] | None = None,
        depot: Mapping[str, Any] | None = None,
        log: Mapping[str, Any] | None = None,
        witness_poll: float = 2.0,
        witnesses: bool = True,
        inbox_max_length: int | None = None,
        inbox_max_bytes: int | None = None,
    ) -> None:
        self.folder = folder.absolute()
        self.vhost = vhost
        self.ledger_url = ledger_url or f"sqlite:///{self.folder / 'ledger.db'}"
        self._broker = broker
        self._texts = {"agencies": directory, "calendar": calendar}
        self._router, self._shares = dict(router or {}), dict(shares or {})
        self._depot = dict(depot or {})
        self._log = dict(log or {})
        self._witness_poll = witness_poll
        self._witnesses = witnesses
        limits = {"inbox_max_length": inbox_max_length, "inbox_max_bytes": inbox_max_bytes}
        self._inbox_limits: dict[str, Any] = limits
        self._stack = ExitStack()
        self._ledger: Ledger | None = None
        self.processes: dict[str, Process] = {}
        self.depot_port, self.console_port = free_ports(2)

    # -- from nothing to a running bus --

    def __enter__(self) -> Self:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.broker: Broker = self._broker or self._borrowed() or self._own()
            self._prepare()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._stack.close()

    def _borrowed(self) -> Broker | None:
        """The broker that the environment names, in a vhost of its own."""
        broker = ExistingBroker.from_environment()
        if broker:
            self.vhost = BORROWED if self.vhost == topology.VHOST else self.vhost
            self._stack.enter_context(borrowed(broker, self.vhost))
        return broker

    def _own(self) -> Broker:
        return self._stack.enter_context(Node(self.folder / "broker"))

    def stop(self) -> None:
        """Stop every process: adapters first, so that what they have sent is still taken."""
        for process in sorted(self.processes.values(), key=lambda one: not one.name.startswith("adapter")):
            process.stop()

    def _prepare(self) -> None:
        config = assets.path("config")
        for name in ("agencies", "calendar"):
            text = self._texts[name] or (config / f"{name}.toml").read_text(encoding="utf-8")
            (self.folder / f"{name}.toml").write_text(text, encoding="utf-8")
        self.make_keys(["bus", *inboxes_in(self.folder / "agencies.toml")])
        self._make_log_keys()
        self._write_bus_settings()
        self.apply_topology()
        schema.upgrade(self.ledger_url)
        self.apply_directory()
        ledger = Ledger(self.ledger_url)
        calendar = load_calendar(self.folder / "calendar.toml")
        activate_calendar(ledger, calendar, operator=of_the_bus("compose"))
        ledger.close()

    def make_keys(self, names: Iterable[str]) -> None:
        """Generate the keys that are not there yet."""
        for name in names:
            if not (self.keys / f"{name}.key.pem").exists():
                write_seal(new_seal(name), self.keys, name)

    def _make_log_keys(self) -> None:
        """Generate the log's key, and one for each agency's witness, which the directory then names."""
        if not self.log_key.exists():
            make_key(self.log_key)
        log = log_key(self.log_key, ORIGIN).verifier
        (self.keys / "log.vkey").write_text(f"{log}\n", encoding="utf-8")
        for code in inboxes_in(self.folder / "agencies.toml"):
            if self._witnesses and not self.witness_key(code).exists():
                make_key(self.witness_key(code))
        self._name_witnesses()

    def _name_witnesses(self) -> None:
        """Write into the directory file the witness of each agency that has a key for one."""
        log, file = log_key(self.log_key, ORIGIN).verifier, self.folder / "agencies.toml"
        text = file.read_text(encoding="utf-8")
        for code in inboxes_in(file) if self._witnesses else ():
            key, line = self.witness_key(code), f'code = "{code}"\n'
            if key.exists() and "witness =" not in text.partition(line)[2].partition("[[agency]]")[0]:
                witness = witness_key(key, witness_name(log, code)).verifier
                text = text.replace(line, f'{line}witness = "{witness}"\n', 1)
        file.write_text(text, encoding="utf-8")

    def witness_key(self, code: str) -> Path:
        """The key with which an agency's witness cosigns."""
        return self.keys / f"{code}.witness.pem"

    def apply_topology(self) -> None:
        """Declare exchanges, queues, users and policies."""
        wanted = topology.topology_for(self.directory.inboxes, vhost=self.vhost, **self._inbox_limits)
        with Management(self.broker.management_url) as management:
            apply(wanted, management, self.passwords)

    def apply_directory(self, text: str | None = None) -> None:
        """Put the directory file in force, after replacing it by `text` if that is given."""
        if text is not None:
            (self.folder / "agencies.toml").write_text(text, encoding="utf-8")
            self._name_witnesses()
        ledger = Ledger(self.ledger_url)
        activate_directory(ledger, self.directory, self.seal("bus"), operator=of_the_bus("compose"))
        ledger.close()

    # -- what is where --

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    @property
    def log_key(self) -> Path:
        """The key that signs the ledger's heads."""
        return self.keys / "log.key.pem"

    @property
    def passwords(self) -> Passwords:
        return Passwords(self.folder / "passwords")

    @property
    def directory(self) -> Directory:
        return load_directory(self.folder / "agencies.toml", certificates=self.keys)

    @property
    def depot_url(self) -> str:
        return f"http{'s' if self.ca_file else ''}://{LOOPBACK}:{self.depot_port}"

    def open_ledger(self) -> Ledger:
        """Return the ledger, opened once, for looking at from outside."""
        if self._ledger is None:
            self._ledger = Ledger(self.ledger_url)
            self._stack.callback(self._ledger.close)
        return self._ledger

    def seal(self, name: str) -> Seal:
        """Return the seal of `bus` or of an agency."""
        return Seal.from_files(self.keys / f"{name}.key.pem", self.keys / f"{name}.crt.pem")

    def broker_of(self, code: str) -> Broker:
        """Return the broker that an agency's queues are on."""
        return self.broker

    def amqp_url(self, user: str, broker: Broker | None = None) -> str:
        """Return the URL of a broker with a user's name, password and the vhost."""
        parts = urlsplit((broker or self.broker).amqp_url)
        return f"{parts.scheme}://{user}:{self.passwords.of(user)}@{parts.netloc}/{self.vhost}"

    def mailbox(self, code: str) -> Path:
        """Return the folder of an agency's mailbox."""
        return self.folder / "agencies" / code / "mailbox"

    def exchange_folder(self, code: str) -> Path:
        """Return the folder that an agency's office system and its adapter share."""
        return self.folder / "agencies" / code / "folder"

    # -- processes --

    def start_depot(self) -> Process:
        """Start `saraban-bus serve`."""
        arguments = ["serve", "-c", str(self.folder / "bus.toml")]
        tls = trusting(self.ca_file, "depot.ca_file") if self.ca_file else None
        return self._start("serve", "bus", arguments, self.depot_url, tls=tls)

    def start_console(self) -> Process:
        """Start `saraban-bus console`."""
        command, port = ["console", "-c", str(self.folder / "bus.toml")], self.console_port
        return self._start("console", "bus", command, f"http://{LOOPBACK}:{port}")

    def start_enrolment(self) -> Process:
        """Start `saraban-bus enrol`."""
        return self._start("enrol", "bus", ["enrol", "-c", str(self.folder / "bus.toml")], health="")

    def start_router(
        self, name: str = "router-1", *, failpoints: str = "", wait: bool = True, **settings: Any
    ) -> Process:
        """Start a router; `failpoints` as in bus/failpoints.py, logged in `<name>.failpoints`."""
        port = free_port()
        environment = {
            "SARABAN_BUS__ROUTER__NAME": name,
            "SARABAN_BUS__ROUTER__METRICS_PORT": str(port),
            **{f"SARABAN_BUS__ROUTER__{key.upper()}": str(value) for key, value in settings.items()},
            **self._failing(name, failpoints),
        }
        arguments = ["router", "-c", str(self.folder / "bus.toml")]
        return self._start(name, "bus", arguments, f"http://{LOOPBACK}:{port}", environment, wait=wait)

    def start_adapter(
        self, code: str, *, failpoints: str = "", wait: bool = True, **settings: Any
    ) -> Process:
        """Start an agency's adapter."""
        port = free_port()
        name = f"adapter-{code}"
        environment = {
            "SARABAN_ADAPTER__METRICS_PORT": str(port),
            **{f"SARABAN_ADAPTER__{key.upper()}": str(value) for key, value in settings.items()},
            **self._failing(name, failpoints),
        }
        arguments = ["--config", str(self.adapter_settings(code)), "run"]
        return self._start(name, "adapters", arguments, f"http://{LOOPBACK}:{port}", environment, wait=wait)

    def start_all(self, codes: Iterable[str] = (), *, without: Iterable[str] = ()) -> None:
        """Start the depot, one router and the adapters of these agencies, of all if none is named."""
        left_out = set(without)
        self.start_depot()
        self.start_router()
        started = [
            self.start_adapter(code, wait=False)
            for code in (tuple(codes) or self.directory.inboxes)
            if code not in left_out
        ]
        for process in started:
            process.wait_ready()

    def run_bus(self, *arguments: str, by: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run `saraban-bus` with this bus's settings and return what it printed; `by`: as this sample person."""
        environment = {**os.environ, **people.as_operator(self.folder, by)} if by else None
        return self._run("bus", [*arguments, "-c", str(self.folder / "bus.toml")], environment)

    def run_by_two(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command as one sample steward and then as the other, and return what the second one printed."""
        self.run_bus(*arguments)
        return self.run_bus(*arguments, by=people.SECOND)

    def run_adapter(self, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `saraban-adapter` of an agency and return what it printed."""
        return self._run("adapters", ["--config", str(self.adapter_settings(code)), *arguments])

    def failpoints_reached(self, name: str) -> list[str]:
        """Return the failpoints at which the process of this name has acted."""
        log = self.folder / "logs" / f"{name}.failpoints"
        return log.read_text(encoding="utf-8").splitlines() if log.exists() else []

    def _start(
        self,
        name: str,
        module: str,
        arguments: list[str],
        health: str,
        environment: Mapping[str, str] | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        wait: bool = True,
    ) -> Process:
        logs = self.folder / "logs"
        logs.mkdir(exist_ok=True)
        command = [sys.executable, "-m", module, *arguments]
        process = Process(name, command, logs / f"{name}.log", environment or {}, health, tls)
        self.processes[name] = process
        return process.start(wait=wait)

    def _run(
        self, module: str, arguments: list[str], environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return programs.starter.finished([sys.executable, "-m", module, *arguments], environment=environment)

    def _failing(self, name: str, failpoints: str) -> dict[str, str]:
        if not failpoints:
            return {}
        log = self.folder / "logs" / f"{name}.failpoints"
        return {"SARABAN_FAILPOINTS": failpoints, "SARABAN_FAILPOINT_LOG": str(log)}

    # -- settings files --

    def _write_bus_settings(self) -> None:
        settings = {
            "broker": self._broker_settings(self.broker, "administrator"),
            "ledger": ledger_settings(self.folder, self.ledger_url, self.log_key, ORIGIN, **self._log),
            "depot": {
                "url": self.depot_url,
                "listen_port": self.depot_port,
                "folder": str(self.folder / "depot"),
                "database": f"sqlite:///{self.folder / 'depot.db'}",
                **self._depot,
            },
            "seal": {"key": str(self.keys / "bus.key.pem"), "certificate": str(self.keys / "bus.crt.pem")},
            "directory": {"file": str(self.folder / "agencies.toml"), "certificates": str(self.keys)},
            "calendar": {"file": str(self.folder / "calendar.toml")},
            "router": {"sweep_interval": 2.0, "deadline_interval": 2.0, "settle_seconds": 1.0} | self._router,
            "shares": self._shares,
            "console": console_settings(self.folder, self.console_port),
            "operator": {"key_file": str(people.make_people(self.folder))},
        }
        (self.folder / "bus.toml").write_text(toml_of(settings), encoding="utf-8")

    def _broker_settings(self, broker: Broker, administrator: str) -> dict[str, Any]:
        """Return a broker's section; its administrator's password goes into a file of this name."""
        parts = urlsplit(broker.management_url)
        password = secret_file(self.folder, administrator, parts.password or "")
        return {
            "url": broker.amqp_url,
            "insecure_transport": isinstance(broker, ExistingBroker),
            "vhost": self.vhost,
            "password_file": self._password_file(topology.ROUTER),
            "management_url": f"{parts.scheme}://{parts.hostname}:{parts.port}",
            "management_user": parts.username or "",
            "management_password_file": str(password),
            "passwords_folder": str(self.folder / "passwords"),
            "inbox_max_messages": self._inbox_limits["inbox_max_length"] or 0,
            "inbox_max_bytes": self._inbox_limits["inbox_max_bytes"] or 0,
        }

    def adapter_settings(self, code: str) -> Path:
        """Return the settings file of an agency's adapter, written on first use."""
        path = self.folder / "agencies" / code / "adapter.toml"
        if path.exists():
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        settings = {
            "agency": code,
            "bus_certificate": str(self.keys / "bus.crt.pem"),
            "resend_after": 5.0,
            "broker": self._adapter_broker(code),
            "depot": self._adapter_depot(),
            "seal": {
                "key": str(self.keys / f"{code}.key.pem"),
                "certificate": str(self.keys / f"{code}.crt.pem"),
            },
            "mailbox": {"folder": str(self.mailbox(code))},
            "witness": {
                "log_key": str(self.keys / "log.vkey"),
                "key": str(self.witness_key(code)),
                "poll": self._witness_poll,
            },
            # The offices that are played here rename what they have written.
            "connectors": {
                "folder": {"enabled": True, "path": str(self.exchange_folder(code)), "poll": 0.2, "quiet": 0}
            },
        }
        path.write_text(toml_of(settings), encoding="utf-8")
        return path

    def _adapter_broker(self, code: str) -> dict[str, Any]:
        return {
            "url": self.broker_of(code).amqp_url,
            "insecure_transport": isinstance(self.broker, ExistingBroker),
            "vhost": self.vhost,
            "password_file": self._password_file(topology.user_of(code)),
        }

    def _adapter_depot(self) -> dict[str, Any]:
        return {"url": self.depot_url}

    def _password_file(self, user: str) -> str:
        self.passwords.of(user)
        return str(self.folder / "passwords" / user)
