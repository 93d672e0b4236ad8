"""A private node that also speaks TLS, for AMQP and for its management, by an authority of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.x509 import Certificate

from bus.documents.authority import Authority
from bus.documents.making import KeyFiles, new_key, write_pair
from compose.node import LOOPBACK, Node, free_ports


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
        shown = {
            "cacertfile": self.ca_file,
            "certfile": server.certificate,
            "keyfile": server.key,
            "versions.1": "tlsv1.3",
            "versions.2": "tlsv1.2",
        }
        self._settings = {
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
