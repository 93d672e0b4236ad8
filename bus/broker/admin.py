"""Bring a broker into the topology's shape, and tell where it differs. httpx meets RabbitMQ's HTTP API here only.

One function compares what must be with what is; `apply` mends what it finds and `drift` puts it into words. The
broker's whole state comes in one request (`GET /api/definitions`). What differs goes back in portions, each of
them whole by itself: an `apply` that was interrupted is taken up by the next one where it was left.

`apply` adds and corrects; it never deletes, for a queue may hold letters. What is there and should not be is
reported until somebody removes it by hand.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote, unquote, urlsplit

import httpx

from bus.broker.passwords import HASHING, Passwords, hashed, matches
from bus.broker.topology import Topology
from bus.errors import Misconfigured, Problem, Transient

Kind = Literal["user", "permission", "exchange", "queue", "binding", "policy"]
_KINDS: dict[Kind, str] = {
    "user": "users",
    "policy": "policies",
    "exchange": "exchanges",
    "queue": "queues",
    "binding": "bindings",
    "permission": "permissions",
}
"""Each kind and its place in RabbitMQ's definitions."""
_FIXED: frozenset[Kind] = frozenset({"exchange", "queue"})
"""What RabbitMQ cannot change once it is there."""
_PORTION = 200
"""Things in one request: RabbitMQ answers when all of them are there, a quorum queue taking some milliseconds."""
_FEATURE = "stream_queue"
"""Dead-lettering at least once needs this feature flag on 3.10 and 3.11; 4.x has it always."""


class Management:
    """RabbitMQ's HTTP API as an administrator; a context manager. `url` carries user and password."""

    def __init__(self, url: str, *, timeout: float = 120.0, tls: ssl.SSLContext | bool = True) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or parts.hostname is None or parts.username is None:
            raise Misconfigured(
                Problem(
                    "management URL", "url", "not a URL with a user", "Write http://user:password@host:15672"
                )
            )
        self.user = unquote(parts.username)
        self._client = httpx.Client(
            base_url=f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/api",
            auth=(self.user, unquote(parts.password or "")),
            timeout=timeout,
            verify=tls,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def get(self, *path: str, **query: str) -> Any:
        """The JSON at this path of names."""
        return self._request("GET", path, query=query).json()

    def put(self, *path: str, body: object = None) -> None:
        self._request("PUT", path, body or {})

    def post(self, *path: str, body: object) -> None:
        self._request("POST", path, body)

    def delete(self, *path: str) -> None:
        self._request("DELETE", path)

    def _request(
        self, method: str, path: Iterable[str], body: object = None, query: Mapping[str, str] | None = None
    ) -> httpx.Response:
        address = "/" + "/".join(quote(name, safe="") for name in path)
        try:
            response = self._client.request(method, address, json=body, params=query or None)
        except httpx.HTTPError as exc:
            raise Transient(f"the broker's management does not answer ({type(exc).__name__})") from exc
        if response.status_code in (401, 403):
            raise Misconfigured(
                Problem(
                    "management URL",
                    self.user,
                    f"refused ({response.status_code}) at {address}",
                    "Use its present password; `topology` needs the administrator tag, `agencies` the monitoring tag",
                )
            )
        if response.is_error:
            raise Transient(f"the broker's management answered {response.status_code} to {method} {address}")
        return response


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it should be."""

    kind: Kind
    name: str
    wanted: Mapping[str, Any] | None
    """None: it should not be there."""
    actual: Mapping[str, Any] | None
    """None: it is not there."""

    @property
    def mendable(self) -> bool:
        """Whether `apply` puts it right: it deletes nothing and cannot change what RabbitMQ holds fixed."""
        return self.wanted is not None and (self.actual is None or self.kind not in _FIXED)

    def __str__(self) -> str:
        if self.wanted is None:
            return f"{self.kind} {self.name} should not be there"
        if self.actual is None:
            return f"{self.kind} {self.name} is missing"
        wrong = [
            f"{key} is {_said(self.actual.get(key))} and should be {_said(value)}"
            for key, value in self.wanted.items()
            if self.actual.get(key) != value
        ]
        return f"{self.kind} {self.name}: {', '.join(wrong)}"


def apply(
    topology: Topology,
    management: Management,
    passwords: Passwords,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[str]:
    """Declare what is missing and correct what differs; return what was done, in words (nothing: an empty list).

    `progress` is told how many things are done, and of how many.
    """
    done = _prepare(topology, management)
    wanted = _wanted(topology)
    mended = [one for one in _differences(wanted, topology, management, passwords) if one.mendable]
    for start in range(0, len(mended), _PORTION):
        portion = mended[start : start + _PORTION]
        management.post("definitions", body=_definitions(wanted, topology.vhost, portion, passwords))
        progress(start + len(portion), len(mended))
    for difference in mended:
        verb = "added" if difference.actual is None else "corrected"
        done.append(f"{verb} {difference.kind} {difference.name}")
    return done


def drift(topology: Topology, management: Management, passwords: Passwords | None = None) -> list[str]:
    """Say in words where the broker differs from the topology; without passwords, these are not compared."""
    if topology.vhost not in {each["name"] for each in management.get("vhosts")}:
        return [f"vhost {topology.vhost} is missing"]
    found = _differences(_wanted(topology), topology, management, passwords)
    differences = [str(each) for each in found]
    if not _feature_ready(management):
        differences.append(f"feature flag {_FEATURE} is off: parked letters could be lost on their way")
    return differences


def _prepare(topology: Topology, management: Management) -> list[str]:
    """The vhost, the operator's access to it, and the feature that dead-lettering needs."""
    done = []
    if not _feature_ready(management):
        management.put("feature-flags", _FEATURE, "enable")
        done.append(f"enabled feature flag {_FEATURE}")
    if topology.vhost not in {each["name"] for each in management.get("vhosts")}:
        management.put("vhosts", topology.vhost)
        done.append(f"added vhost {topology.vhost}")
    return done


def _feature_ready(management: Management) -> bool:
    states = {each["name"]: each["state"] for each in management.get("feature-flags")}
    return bool(states.get(_FEATURE, "enabled") == "enabled")


def _differences(
    wanted: State, topology: Topology, management: Management, passwords: Passwords | None
) -> list[Difference]:
    """Everything wanted that is missing or different, and everything there that is not wanted, in a fixed order."""
    actual = _actual(topology, management)
    differences = []
    for kind in _KINDS:
        for name in sorted(wanted[kind].keys() | actual[kind].keys()):
            want, have = wanted[kind].get(name), actual[kind].get(name)
            if want is None or have is None or any(have.get(key) != value for key, value in want.items()):
                differences.append(Difference(kind, name, want, have))
            elif kind == "user" and passwords and not matches(passwords.of(name), have["password_hash"]):
                differences.append(
                    Difference(kind, name, {"password": "that of its file"}, {"password": "another"})
                )
    return differences


State = dict[Kind, dict[str, Mapping[str, Any]]]


def _wanted(topology: Topology) -> State:
    return {
        "user": {
            each.name: {"tags": sorted(each.tags), "limits": dict(each.limits)} for each in topology.users
        },
        "permission": {
            each.name: {"configure": each.configure, "write": each.write, "read": each.read}
            for each in topology.users
        },
        "exchange": {
            each.name: {
                "type": each.type,
                "durable": True,
                "auto_delete": False,
                "internal": False,
                "arguments": {},
            }
            for each in topology.exchanges
        },
        "queue": {
            each.name: {"durable": True, "auto_delete": False, "arguments": dict(each.arguments)}
            for each in topology.queues
        },
        "binding": {
            _binding_name(each.exchange, each.queue, each.key): {
                "source": each.exchange,
                "destination": each.queue,
                "destination_type": "queue",
                "routing_key": each.key,
                "arguments": {},
            }
            for each in topology.bindings
        },
        "policy": {
            each.name: {
                "pattern": each.pattern,
                "apply-to": "queues",
                "priority": 0,
                "definition": dict(each.definition),
            }
            for each in topology.policies
        },
    }


def _actual(topology: Topology, management: Management) -> State:
    """What the broker has in this vhost; of users, those that are ours or may do something here."""
    found = management.get("definitions")
    here = {
        place: [each for each in found.get(place, []) if each.get("vhost") == topology.vhost]
        for place in ("permissions", "exchanges", "queues", "bindings", "policies")
    }
    # An administrator may grant itself access to look into queues; that it can is no news.
    ours = {each.name for each in topology.users}
    administrators = {each["name"] for each in found["users"] if "administrator" in _tags(each)} - ours
    permissions = [each for each in here["permissions"] if each["user"] not in administrators]
    ours |= {each["user"] for each in permissions}
    users = [
        {**each, "tags": _tags(each), "limits": dict(each.get("limits") or {})} for each in found["users"]
    ]
    return {
        # Whoever asks is the administrator that the settings name; any other of such a name is news.
        "user": {
            each["name"]: each
            for each in users
            if each["name"] in ours or (_ours(each["name"]) and each["name"] != management.user)
        },
        "permission": {each["user"]: each for each in permissions},
        "exchange": _by(here["exchanges"], lambda each: each["name"]),
        "queue": _by(here["queues"], lambda each: each["name"]),
        "binding": _by(here["bindings"], _name_of_binding),
        "policy": _by(here["policies"], lambda each: each["name"]),
    }


def _by(found: list[dict[str, Any]], name: Callable[[dict[str, Any]], str]) -> dict[str, Mapping[str, Any]]:
    return {name(each): each for each in found}


def _ours(user: str) -> bool:
    return user.startswith(("agency.", "bus."))


def _tags(user: Mapping[str, Any]) -> list[str]:
    """3.10 has a list; earlier definitions a string with commas."""
    tags = user.get("tags", [])
    return sorted(tags.split(",") if isinstance(tags, str) and tags else tags or [])


def _name_of_binding(found: Mapping[str, Any]) -> str:
    name = _binding_name(found["source"], found["destination"], found["routing_key"])
    if found["destination_type"] != "queue":
        name += f" ({found['destination_type']})"
    return f"{name} with arguments" if found.get("arguments") else name


def _binding_name(exchange: str, queue: str, key: str) -> str:
    return f"{exchange} → {queue}" + (f" by {key}" if key else "")


def _definitions(
    wanted: State, vhost: str, mended: Iterable[Difference], passwords: Passwords
) -> dict[str, list[dict[str, Any]]]:
    """The things to add or correct, as RabbitMQ imports them."""
    body: dict[str, list[dict[str, Any]]] = {place: [] for place in _KINDS.values()}
    for difference in mended:
        kind, name = difference.kind, difference.name
        entry: dict[str, Any] = dict(wanted[kind][name])
        if kind == "user":
            entry |= {
                "name": name,
                "password_hash": hashed(passwords.of(name)),
                "hashing_algorithm": HASHING,
            }
        elif kind == "permission":
            entry |= {"user": name, "vhost": vhost}
        elif kind == "binding":
            entry |= {"vhost": vhost}
        else:
            entry |= {"name": name, "vhost": vhost}
        body[_KINDS[kind]].append(entry)
    return body


def _said(value: object) -> str:
    return "absent" if value is None else repr(value)
