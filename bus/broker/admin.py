"""Bring a broker into the topology's shape, and tell where it differs.

One function compares what must be with what is; `apply` mends what it finds and `drift` puts it into words. What
differs goes to the broker in portions, each of them whole by itself: an `apply` that was interrupted is taken up by
the next one where it was left.

`apply` adds and corrects; it never deletes, for a queue may hold letters. What is there and should not be is
reported until somebody removes it by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bus.broker.cluster import without_room
from bus.broker.management import Management
from bus.broker.passwords import HASHING, NO_PASSWORD, Passwords, hashed, matches
from bus.broker.state import KINDS, Kind, State, actual, named, wanted
from bus.broker.topology import Topology
from bus.errors import Misconfigured

_FIXED: frozenset[Kind] = frozenset({"exchange", "queue"})
"""What RabbitMQ cannot change once it is there."""
_PORTION = 4_000
_QUEUE_WEIGHS = 5
"""Things in one request. RabbitMQ answers when all are there: 0.5 ms each, a quorum queue 4 to 20, some seconds in all.
After each request it collects the garbage of all its processes, of which every quorum queue is some: with portions
of 200, more work than declaring them."""
_FEATURE = "stream_queue"
"""Dead-lettering at least once needs this feature flag on 3.10 and 3.11; 4.x has it always."""


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
    *,
    by_name: bool = False,
) -> list[str]:
    """Declare what is missing and correct what differs; return what was done, in words (nothing: an empty list).

    `progress` is told how many things are done, and of how many. `by_name`: ask for each thing by itself, which is
    quick for a few among many. Raises Misconfigured for more queues than a node has file handles for, before any is
    declared.
    """
    done = _prepare(topology, management)
    state = wanted(topology)
    there = (named if by_name else actual)(topology, management)
    mended = [one for one in _differences(state, there, passwords) if one.mendable]
    more = sum(one.kind == "queue" for one in mended)
    if more and (narrow := without_room(management, more)):
        raise Misconfigured(*narrow)
    finished = 0
    for portion in _portions(mended):
        management.post("definitions", body=_definitions(state, topology.vhost, portion, passwords))
        finished += len(portion)
        progress(finished, len(mended))
    for difference in mended:
        verb = "added" if difference.actual is None else "corrected"
        done.append(f"{verb} {difference.kind} {difference.name}")
    return done


def drift(topology: Topology, management: Management, passwords: Passwords | None = None) -> list[str]:
    """Say in words where the broker differs from the topology; without passwords, these are not compared."""
    if topology.vhost not in {each["name"] for each in management.get("vhosts")}:
        return [f"vhost {topology.vhost} is missing"]
    found = _differences(wanted(topology), actual(topology, management), passwords)
    differences = [str(each) for each in found]
    differences += map(str, without_room(management))
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


def _differences(state: State, there: State, passwords: Passwords | None) -> list[Difference]:
    """Everything wanted that is missing or different, and everything there that is not wanted, in a fixed order."""
    differences = []
    for kind in KINDS:
        for name in sorted(state[kind].keys() | there[kind].keys()):
            want, have = state[kind].get(name), there[kind].get(name)
            if want is None or have is None or any(have.get(key) != value for key, value in want.items()):
                differences.append(Difference(kind, name, want, have))
            elif kind == "user" and passwords and not _let_in(name, want, have, passwords):
                differences.append(
                    Difference(kind, name, {"password": "that of its file"}, {"password": "another"})
                )
    return differences


def _let_in(user: str, want: Mapping[str, Any], have: Mapping[str, Any], passwords: Passwords) -> bool:
    """Whether the broker lets a user in by what it has: the password of its file, or a certificate."""
    return want["login"] == "certificate" or matches(passwords.of(user), have["password_hash"])


def _portions(mended: Iterable[Difference]) -> Iterator[list[Difference]]:
    portion: list[Difference] = []
    weight = 0
    for one in mended:
        portion.append(one)
        weight += _QUEUE_WEIGHS if one.kind == "queue" else 1
        if weight >= _PORTION:
            yield portion
            portion, weight = [], 0
    if portion:
        yield portion


def _definitions(
    state: State, vhost: str, mended: Iterable[Difference], passwords: Passwords
) -> dict[str, list[dict[str, Any]]]:
    """The things to add or correct, as RabbitMQ imports them."""
    body: dict[str, list[dict[str, Any]]] = {place: [] for place in KINDS.values()}
    for difference in mended:
        kind, name = difference.kind, difference.name
        entry: dict[str, Any] = dict(state[kind][name])
        if kind == "user":
            by_password = entry.pop("login") == "password"
            stored = hashed(passwords.of(name)) if by_password else NO_PASSWORD
            entry |= {"name": name, "password_hash": stored, "hashing_algorithm": HASHING}
        elif kind == "permission":
            entry |= {"user": name, "vhost": vhost}
        elif kind == "binding":
            entry |= {"vhost": vhost}
        else:
            entry |= {"name": name, "vhost": vhost}
        body[KINDS[kind]].append(entry)
    return body


def _said(value: object) -> str:
    return "absent" if value is None else repr(value)
