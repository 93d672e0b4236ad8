"""What may leave this machine: nothing unencrypted, and nothing for a server that does not show who it is.

Letters, files, tokens and passwords pass over these connections, and a proxy or a neighbour in the same network reads
what is not encrypted. So `http://`, `amqp://` and a PostgreSQL connection that does not verify its server are refused
beyond this machine's own address, unless the section says `insecure_transport = true`: for a network that is protected
by other means. libpq's own default (`prefer`) falls back to no encryption, and `require` encrypts for whoever answers.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit, urlunsplit

from pydantic import BaseModel

SETTING: Final = "insecure_transport"
_PLAIN: Final = {"http": "https", "amqp": "amqps"}
_VERIFIED: Final = frozenset({"verify-full", "verify-ca"})
_VERIFIES: Final[Mapping[str, tuple[Mapping[str, tuple[str, ...]], str]]] = {
    "mssql": (
        {
            "Encrypt": ("yes", "mandatory", "strict"),
            "TrustServerCertificate": ("", "no"),
            "odbc_connect": ("",),
        },
        "Add ?Encrypt=yes&TrustServerCertificate=no to it",
    ),
    "oracle": ({"protocol": ("tcps",), "ssl_server_dn_match": ("", "true")}, "Add ?protocol=tcps to it"),
}
"""By scheme: what its driver has to be asked for; MariaDB's is given a context that verifies (`office_database`)."""


def unprotected(
    settings: BaseModel | Mapping[str, Any], above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Yield the keys, what is wrong and the fix of every address that would be reached without protection."""
    values: Mapping[str, Any] = dict(settings)
    for name, value in values.items():
        if isinstance(value, (BaseModel, Mapping)):
            yield from unprotected(value, (*above, name))
        elif isinstance(value, str) and not values.get(SETTING) and (found := _fault(name, value, values)):
            where = ".".join((*above, SETTING))
            anyway = f"or set {where} = true where the network is protected by other means"
            yield (*above, name), found[0], f"{found[1]}, {anyway}"


def _fault(name: str, value: str, beside: Mapping[str, Any]) -> tuple[str, str] | None:
    if name == "listen_host":
        if is_this_machine(value) or beside.get("certificate"):
            return None
        fix = "Name certificate and key, or listen on 127.0.0.1 with a TLS proxy before it"
        return "serves unencrypted to other machines", fix
    scheme = value.partition(":")[0]
    if scheme in _PLAIN and not all(
        is_this_machine(urlsplit(one).hostname) for one in each_host(value).values()
    ):
        return "goes unencrypted to another machine", f"Write {_PLAIN[scheme]}://"
    if scheme.startswith("postgresql"):
        parts = urlsplit(value)
        asked = parse_qs(parts.query)
        hosts = [
            parts.hostname or "",
            *",".join(asked.get("host", []) + asked.get("hostaddr", [])).split(","),
        ]
        away = "service" in asked or not all(is_this_machine(host) for host in hosts if host)
        if away and not set(asked.get("sslmode", ["prefer"])) <= _VERIFIED:
            wrong = "goes to another machine and does not verify that it is the right one"
            return wrong, "Add ?sslmode=verify-full to it (and &sslrootcert=FILE)"
    if scheme in _VERIFIES and not is_this_machine(urlsplit(value).hostname):
        asked, (needed, fix) = parse_qs(urlsplit(value).query), _VERIFIES[scheme]
        if not all(asked.get(name, [""])[-1].lower() in right for name, right in needed.items()):
            return "goes to another machine and does not verify that it is the right one", fix
    return None


def each_host(url: str) -> dict[str, str]:
    """By host (and port), the URL of that host alone: a URL may name several, with commas between them."""
    parts = urlsplit(url)
    login, at, hosts = parts.netloc.rpartition("@")
    return {host: urlunsplit(parts._replace(netloc=f"{login}{at}{host}")) for host in hosts.split(",")}


def reached_at(host: str) -> str:
    """Return the address at which this machine reaches what listens on that one."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not listened on


def is_this_machine(host: str | None) -> bool:
    """Whether it is a loopback address, `localhost`, or the folder of a socket."""
    if not host or host == "localhost" or host.startswith("/"):
        return bool(host)
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
