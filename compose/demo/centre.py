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
from compose.local import LOOPBACK, ORIGIN, LocalBus
from compose.node import OPERATOR
from compose.people import STEWARD, make_people
from compose.process import ROOT, Process
from compose.settings import console_settings

_WITHIN = 300.0


class CommandFailed(BusError):
    """A command of the product did not do what it was to do; the message has what it printed."""


class Centre(LocalBus):
    """As a `LocalBus`, but what it consists of is made by `saraban-bus init`, and no agency has joined yet.

    The broker is started by `start_broker`; one that runs already is taken as it is, with or without TLS. `say` is
    given what is to be shown of this, a line each.
    """

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        super().__init__(folder, ledger_url=f"sqlite:///{folder.absolute() / 'var' / 'ledger.db'}")
        self.ca_file = _authority(self.keys)
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
        return trusting(self.ca_file, "broker.ca_file") if self.own_broker else None

    def connections(self) -> list[dict[str, Any]]:
        """Return what the broker says of its connections; `ssl` is whether one is encrypted."""
        with Management(self.broker.management_url, tls=self.broker_tls() or True) as management:
            found: list[dict[str, Any]] = management.get("connections")
        return found

    def command(self, *words: str) -> Process:
        """Begin `saraban-bus` with the centre's settings; `finish` waits for it."""
        name = "-".join(word for word in words[:3] if word.isalnum())
        return self.begin(name, "bus", *words, "-c", _shown(self.folder / "bus.toml"))

    def begin(self, name: str, module: str, *words: str) -> Process:
        """Begin a command that runs beside others; its log has this name."""
        return self._start(name, module, list(words), health="")

    def start_broker(self) -> None:
        """Start the private node, with the certificate and the operator's password that `init` made for it."""
        if self.own_broker:
            self._stack.enter_context(self.own_broker)

    def _own(self) -> TlsNode:
        return TlsNode(self.folder / "broker", KeyFiles.named(self.keys, "broker"), _authority(self.keys))

    def _prepare(self) -> None:
        """Make everything but the broker, which others may be started beside."""
        words = ["init", _shown(self.folder), "--yes", "--sqlite", "--origin", ORIGIN, "--person", STEWARD]
        if node := self.own_broker:
            words += ["--broker", node.amqp_url]
            words += ["--management", f"https://{LOOPBACK}:{node.ports.management}"]
            words += ["--admin-password-file", _shown(node.folder / "operator.password")]
        self.say(f"saraban-bus {shlex.join(words)}")
        finish(self.begin("init", "bus", *words))
        values: Values = {
            "broker": {"management_user": OPERATOR}
            if node
            else self._broker_settings(self.broker, "bus.admin"),
            "depot": {"url": self.depot_url, "listen_port": self.depot_port},
            "console": console_settings(self.folder, self.console_port),
            # Shorter times than an installation has.
            "ledger": {"anchor_interval": 3.0},
            "router": {"sweep_interval": 2.0, "deadline_interval": 2.0, "settle_seconds": 1.0},
        }
        fill(self.folder / "bus.toml", values)
        make_people(self.folder)


def finish(*processes: Process) -> None:
    """Wait until commands have ended. Raises CommandFailed for one that ends with another code than 0."""
    for process in processes:
        code = process.wait_gone(_WITHIN)
        process.stop()
        if code:
            raise CommandFailed(f"{process.name} ended with {code}: {process.last_words()}")


def fill(settings: Path, values: Values) -> None:
    """Change values in a settings file that was made from the example."""
    replace_private(settings, filled(settings.read_text(encoding="utf-8"), values).encode())


def _authority(keys: Path) -> Path:
    return keys / "authority.crt.pem"


def _shown(path: Path) -> str:
    """The path as somebody in the checkout would type it, which is where commands run."""
    return os.path.relpath(path, ROOT)
