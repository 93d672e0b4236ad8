"""A private node that also speaks TLS, by an authority of its own, and a local bus that speaks nothing else."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.x509 import Certificate

from bus import assets
from bus.broker.admin import apply
from bus.broker.management import Management
from bus.broker.topology import ROUTER, topology_for, user_of
from bus.documents.authority import Authority
from bus.documents.making import KeyFiles, new_key, write_pair
from compose.local import Broker, LocalBus
from compose.node import Node
from compose.ports import LOOPBACK, free_ports


class EncryptedNode(Node):
    """As a `Node`; besides, clients may log in by certificates of its authority, by their common name."""

    plugins = ("rabbitmq_management", "rabbitmq_auth_mechanism_ssl")

    def __init__(self, folder: Path, *, name: str = "encrypted") -> None:
        super().__init__(folder, name=name)
        amqps, https = free_ports(2)
        self.amqps_url = f"amqps://{LOOPBACK}:{amqps}"
        self.https_url = f"https://{LOOPBACK}:{https}"
        self._tls = self.folder / "tls"
        self.authority = Authority.make("Saraban Bus (sample)")
        files = KeyFiles.named(self._tls, "ca")
        self.ca_file = files.certificate
        self.authority.write(files)
        server = self.issued("server", lambda public: self.authority.server(public, [LOOPBACK]))
        self._settings = _tls_lines(server, self.ca_file, amqps=amqps, https=https)

    def issued(self, name: str, issue: Callable[[EllipticCurvePublicKey], Certificate]) -> KeyFiles:
        """Make a key, have a certificate issued for it, and return the files of both; once made they stay."""
        files = KeyFiles.named(self._tls, name)
        if not files.key.exists():
            key = new_key()
            write_pair(key, issue(key.public_key()), files)
        return files

    def client(self, user: str) -> KeyFiles:
        """Return the files with which a user of the broker logs in."""
        return self.issued(user, lambda public: self.authority.client(public, user))


class TlsNode(Node):
    """A node that speaks nothing but TLS, by a certificate that is there once it is started."""

    plugins = EncryptedNode.plugins

    def __init__(self, folder: Path, server: KeyFiles, ca_file: Path) -> None:
        unencrypted = ("listeners.tcp.1", "management.tcp.ip", "management.tcp.port")
        super().__init__(folder)
        self._settings = {
            **dict.fromkeys(unencrypted),
            "listeners.tcp": "none",
            **_tls_lines(server, ca_file, amqps=self.ports.amqp, https=self.ports.management),
        }

    @property
    def amqp_url(self) -> str:
        return super().amqp_url.replace("amqp:", "amqps:")

    @property
    def management_url(self) -> str:
        return super().management_url.replace("http:", "https:")


def _tls_lines(server: KeyFiles, ca_file: Path, *, amqps: int, https: int) -> dict[str, object]:
    """Lines of `rabbitmq.conf` for two ports; clients may log in by certificates of the same authority."""
    shown = {
        "cacertfile": ca_file,
        "certfile": server.certificate,
        "keyfile": server.key,
        "versions.1": "tlsv1.3",
        "versions.2": "tlsv1.2",
    }
    return {
        "listeners.ssl.1": f"{LOOPBACK}:{amqps}",
        **{f"ssl_options.{key}": value for key, value in shown.items()},
        # Who shows a certificate has to have it of this authority; who shows none has a password.
        "ssl_options.verify": "verify_peer",
        "ssl_options.fail_if_no_peer_cert": "false",
        "ssl_cert_login_from": "common_name",
        "auth_mechanisms.1": "PLAIN",
        "auth_mechanisms.2": "EXTERNAL",
        "management.ssl.ip": LOOPBACK,
        "management.ssl.port": https,
        **{f"management.ssl.{key}": value for key, value in shown.items()},
    }


class EncryptedBus(LocalBus):
    """As a `LocalBus`, with TLS between all its parts; routers and the agencies named log in by certificate."""

    def __init__(self, folder: Path, *, by_certificate: Collection[str] = (), **options: Any) -> None:
        node = EncryptedNode(folder / "broker")
        depot = node.issued("depot", lambda public: node.authority.server(public, [LOOPBACK]))
        shown = {"certificate": str(depot.certificate), "key": str(depot.key), "ca_file": str(node.ca_file)}
        directory = options.pop("directory", None) or assets.path("config/agencies.toml").read_text("utf-8")
        for code in by_certificate:
            line = f'code = "{code}"\n'
            directory = directory.replace(line, f'{line}broker_login = "certificate"\n')
        super().__init__(folder, depot=shown, directory=directory, **options)
        self.node, self.ca_file = node, node.ca_file
        self._by_certificate = by_certificate

    def apply_topology(self) -> None:
        """Declare everything; who logs in by certificate gets no password."""
        users = {user_of(code) for code in self._by_certificate} | {ROUTER}
        wanted = topology_for(self.directory.inboxes, vhost=self.vhost, by_certificate=users)
        with Management(self.broker.management_url) as management:
            apply(wanted, management, self.passwords)

    def _borrowed(self) -> None:
        return None

    def _own(self) -> EncryptedNode:
        return self._stack.enter_context(self.node)

    def _broker_settings(self, broker: Broker, administrator: str) -> dict[str, Any]:
        settings = super()._broker_settings(broker, administrator)
        return self._encrypted(settings, ROUTER) | {"management_url": self.node.https_url}

    def _adapter_broker(self, code: str) -> dict[str, Any]:
        user = user_of(code) if code in self._by_certificate else ""
        return self._encrypted(super()._adapter_broker(code), user)

    def _adapter_depot(self) -> dict[str, Any]:
        return super()._adapter_depot() | {"ca_file": str(self.node.ca_file)}

    def _encrypted(self, settings: dict[str, Any], user: str) -> dict[str, Any]:
        """A broker's section with TLS, and with a user's certificate in the place of the password where it has one."""
        settings |= {"url": self.node.amqps_url, "ca_file": str(self.node.ca_file)}
        if user:
            files = self.node.client(user)
            settings |= {"certificate": str(files.certificate), "key": str(files.key)}
            del settings["password_file"]
        return settings
