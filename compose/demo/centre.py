"""The centre of the demonstration: put in service by the product's own commands, with TLS between all its parts."""

from __future__ import annotations

import os
import shlex
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bus.broker.management import Management
from bus.directory import BUS, Directory, load_directory
from bus.documents.keys import replace_private
from bus.documents.making import KeyFiles
from bus.documents.seal import Seal
from bus.errors import BusError
from bus.settings.tls import trusting
from bus.settings.writing import Values, filled
from compose.encrypted import TlsNode
from compose.local import LOOPBACK, ORIGIN, Broker, LocalBus
from compose.process import ROOT, Process

_WITHIN = 120.0


class CommandFailed(BusError):
    """A command of the product did not do what it was to do; the message has what it printed."""


class Centre(LocalBus):
    """As a `LocalBus`, but what it consists of is made by `saraban-bus init`, and no agency has joined yet.

    `say` is given each command before it runs. A broker that runs already is taken as it is, with or without TLS.
    """

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        super().__init__(folder, ledger_url=f"sqlite:///{folder.absolute() / 'var' / 'ledger.db'}")
        self.ca_file = self.keys / "authority.crt.pem"
        self.say = say

    @property
    def directory(self) -> Directory:
        return load_directory(self.folder / "agencies.toml")

    @property
    def own_broker(self) -> TlsNode | None:
        """The private node; None where the environment names a broker."""
        return self.broker if isinstance(self.broker, TlsNode) else None

    def seal(self, name: str) -> Seal:
        """Return the seal of `bus`, or of an agency that has joined."""
        keys = self.keys if name == BUS else self.agency_folder(name) / "keys"
        files = KeyFiles.named(keys, BUS if name == BUS else "agency")
        return Seal.from_files(files.key, files.certificate)

    def agency_folder(self, code: str) -> Path:
        """Return the folder of an agency's adapter."""
        return self.folder / "agencies" / code

    def broker_tls(self) -> ssl.SSLContext | None:
        """Return with what the private node is trusted; None for a broker that is taken as it is."""
        return trusting(self.ca_file, "broker.ca_file") if self.own_broker and self.ca_file else None

    def connections(self) -> list[dict[str, Any]]:
        """Return what the broker says of its connections; `ssl` is whether one is encrypted."""
        with Management(self.broker.management_url, tls=self.broker_tls() or True) as management:
            found: list[dict[str, Any]] = management.get("connections")
        return found

    def command(self, *words: str) -> None:
        """Run `saraban-bus` with the centre's settings. Raises CommandFailed."""
        self.say(f"saraban-bus {shlex.join(words)}")
        done = self.run_bus(*words)
        if done.returncode:
            raise CommandFailed(f"saraban-bus {words[0]} ended with {done.returncode}: {done.stderr}")

    def begin(self, name: str, module: str, *words: str) -> Process:
        """Begin a command that runs beside others; `finish` waits for it."""
        return self._start(name, module, list(words), health="")

    def _own(self) -> TlsNode:
        return TlsNode(
            self.folder / "broker", KeyFiles.named(self.keys, "broker"), self.keys / "authority.crt.pem"
        )

    def _prepare(self) -> None:
        node = self.own_broker
        words = ["init", os.path.relpath(self.folder, ROOT), "--yes", "--sqlite", "--origin", ORIGIN]
        if node:
            at = f"https://{LOOPBACK}:{node.ports.management}"
            words += ["--broker", node.amqp_url, "--management", at]
        self.say(f"saraban-bus {shlex.join(words)}")
        done = self._run("bus", words)
        if done.returncode:
            raise CommandFailed(f"saraban-bus init ended with {done.returncode}: {done.stderr}")
        if node:
            self.say(
                "(a private RabbitMQ node with the certificate that init made for it; it speaks TLS only)"
            )
            self._stack.enter_context(node)
        self._adjust_settings(self.broker)
        self.command("topology", "apply")
        self.command("calendar", "apply")

    def _adjust_settings(self, broker: Broker) -> None:
        """Fill in what differs on a machine that is shared, and shorter times than an installation would have."""
        values: Values = {
            "broker": self._broker_settings(broker, "bus.admin"),
            "depot": {"url": self.depot_url, "listen_port": self.depot_port},
            "ledger": {"anchor_interval": 3.0},
            "router": {"sweep_interval": 2.0, "deadline_interval": 2.0, "settle_seconds": 1.0},
        }
        fill(self.folder / "bus.toml", values)


def finish(process: Process) -> None:
    """Wait until a command has ended. Raises CommandFailed when it ends with another code than 0."""
    code = process.wait_gone(_WITHIN)
    process.stop()
    if code:
        raise CommandFailed(f"{process.name} ended with {code}: {process.last_words()}")


def fill(settings: Path, values: Values) -> None:
    """Change values in a settings file that was made from the example."""
    replace_private(settings, filled(settings.read_text(encoding="utf-8"), values).encode())
