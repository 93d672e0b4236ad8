"""What an operator says of a bus that is to be, and the settings that follow from it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from bus import assets
from bus.documents.authority import as_host
from bus.errors import Misconfigured, Problem
from bus.settings.transport import is_this_machine
from bus.settings.writing import filled

BROKER = "amqp://127.0.0.1:5672"
MANAGEMENT = "http://127.0.0.1:15672"
SQLITE = "sqlite:///var/ledger.db"
LOOPBACK = "127.0.0.1"
OPERATOR_KEY = "keys/operator.key"
_PORT = 8470
_OWNER = "_owner"
"""What the owner of the tables is called, after the user that routers are, when nothing else is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Where things are; a file that is named is the deployment's own, and is read where it lies."""

    broker: str = BROKER
    management: str = MANAGEMENT
    database: str = SQLITE
    owner: str | None = None
    """The database as the owner of the tables; when not said, as `<user>_owner`."""
    hosts: tuple[str, ...] = (LOOPBACK,)
    """Names and addresses by which the depot is reached, the first of them by the routers."""
    origin: str = ""
    """The ledger's name; when not said, it begins with the first host."""
    admin_password: Path | None = None
    ca_file: Path | None = None
    """The deployment's authority; when not named, a private one is made."""
    certificate: Path | None = None
    """The depot's certificate by another authority, with its key."""
    key: Path | None = None
    person: str = ""
    """The name of the first steward, who gets an operator's key; nobody when empty."""

    def settings_text(self) -> str:
        """Return `bus.toml`. Raises Misconfigured for hosts that are none, and for half of a certificate's pair."""
        self._require_whole()
        authority = str(self.ca_file.absolute()) if self.ca_file else "keys/authority.crt.pem"
        values: dict[str, dict[str, str | int | bool]] = {
            "broker": self._broker(authority),
            "ledger": self._ledger(),
            "depot": self._depot(authority),
        }
        if self.person:
            values["operator"] = {"key_file": OPERATOR_KEY}
        if not self.ca_file:
            values["authority"] = {"key": "keys/authority.key.pem", "certificate": authority}
        return filled(assets.path("config/bus.toml").read_text(encoding="utf-8"), values)

    def _require_whole(self) -> None:
        for host in self.hosts:
            as_host(host)
        named = [self.ca_file, self.certificate, self.key]
        if any(named) and not all(named):
            fix = "Name --ca-file, --depot-certificate and --depot-key, or none of them"
            wrong = "are the deployment's certificates only together"
            raise Misconfigured(Problem("init", "certificates", wrong, fix))

    def _broker(self, authority: str) -> dict[str, str | int | bool]:
        encrypted = self.broker.startswith("amqps:") or self.management.startswith("https:")
        found: dict[str, str | int | bool] = {"url": self.broker, "management_url": self.management}
        if self.admin_password:
            found["management_password_file"] = str(self.admin_password.absolute())
        return found | ({"ca_file": authority} if encrypted else {})

    def _ledger(self) -> dict[str, str | int | bool]:
        found: dict[str, str | int | bool] = {
            "url": self.database,
            "origin": self.origin or f"{self.hosts[0]}/ledger",
        }
        if self.database.startswith("sqlite:"):
            return found
        files = {"password_file": "passwords/ledger", "owner_password_file": "passwords/ledger-owner"}
        return found | files | {"owner_url": self.owner or _as_owner(self.database)}

    def _depot(self, authority: str) -> dict[str, str | int | bool]:
        local = all(map(is_this_machine, self.hosts))
        certificate, key = self.certificate or "keys/depot.crt.pem", self.key or "keys/depot.key.pem"
        return {
            "url": f"https://{_in_url(self.hosts[0])}:{_PORT}",
            "ca_file": authority,
            "listen_host": LOOPBACK if local else "0.0.0.0",  # noqa: S104 - agencies are other machines
            "certificate": str(Path(certificate).absolute() if self.certificate else certificate),
            "key": str(Path(key).absolute() if self.key else key),
        }


def _as_owner(url: str) -> str:
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user}{quote(_OWNER)}@{host}"))


def _in_url(host: str) -> str:
    try:
        return f"[{host}]" if ipaddress.ip_address(host).version == 6 else host
    except ValueError:
        return host
