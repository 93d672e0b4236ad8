"""The broker's shape as data: which exchanges, queues, bindings, users and policies there are, and nothing else.

| Who | may write to | may read from |
|---|---|---|
| `agency.<code>` | `submit.<code>` | `inbox.<code>` |
| `bus.router` | `deliver` | every `intake.<code>`, `router.parked` |
| `bus.monitor` | nothing | nothing (sees the state of queues) |

What an agency submits waits in an intake queue of its own, bounded for itself: a flood stands in nobody's way and
fills nobody else's queue (docs/decisions/0013).

Routers publish to `router.probe` through `deliver`, every few seconds; nobody reads it, and it keeps one message. A
node that is cut off from its cluster cannot have it confirmed, which is how a router learns of it (liveness.py).

A user logs in by a password or, where the directory or the settings say so, by a certificate alone.

Nobody may configure anything: the operator declares it all (`saraban-bus topology apply`). What RabbitMQ does not
guard is a queue's length: any user of the vhost who knows its name can ask for it (a passive declaration).

A queue bears only the arguments that can never change; everything else is a policy. Values are stated even where
RabbitMQ has a default, for the defaults differ from 3.10 to 4.x.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from bus.identifiers import AgencyCode

VHOST = "saraban"
PARKED = "router.parked"
PROBE = "router.probe"
DEAD = "dead"
DELIVER = "deliver"
ROUTER = "bus.router"
MONITOR = "bus.monitor"

INTAKE_DELIVERY_LIMIT = 5
"""Deliveries after which a submission is parked: it has killed that many routers."""
UNLIMITED_DELIVERIES = 1_000_000
"""As good as no limit: 3.10 refuses -1, and 4.x counts to 20 when nothing is said, then drops."""

NOTHING = "^$"


def submit_exchange(code: str) -> str:
    """The exchange to which this agency, and no other, submits."""
    return f"submit.{code}"


def inbox_queue(code: str) -> str:
    """The queue with everything that is for this agency."""
    return f"inbox.{code}"


def intake_queue(code: str) -> str:
    """The queue in which what this agency has submitted waits for a router."""
    return f"intake.{code}"


def user_of(code: str) -> str:
    """The broker user as which this agency's adapter connects."""
    return f"agency.{code}"


def agency_of_user(user: str) -> AgencyCode | None:
    """The agency whose user this is, if it is an agency's."""
    return _code_after("agency.", user)


def agency_of_exchange(exchange: str) -> AgencyCode | None:
    """The agency whose submissions come through this exchange, if it is such an exchange."""
    return _code_after("submit.", exchange)


def _code_after(prefix: str, name: str) -> AgencyCode | None:
    return AgencyCode(name.removeprefix(prefix)) or None if name.startswith(prefix) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    name: str
    type: Literal["fanout", "direct"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    name: str
    arguments: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({"x-queue-type": "quorum"}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    exchange: str
    queue: str
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What holds for the queues whose names match; every queue matches exactly one."""

    name: str
    pattern: str
    definition: Mapping[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user and its three permissions, as regular expressions over names (RabbitMQ does not anchor them)."""

    name: str
    write: str
    read: str
    configure: str = NOTHING
    tags: tuple[str, ...] = ()
    limits: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """The most connections and channels, by RabbitMQ's names; none for the bus's own users."""
    login: Literal["password", "certificate"] = "password"
    """Who logs in by certificate has no password, and none lets it in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much the broker takes from one agency; None is no limit."""

    intake_messages: int | None = 50_000
    """Submissions that may wait; what comes beyond is refused to its publisher, which tries again (nack)."""
    intake_bytes: int | None = 2 * 1024**3
    connections: int | None = 20
    channels: int | None = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """Everything that must be there in one vhost, and all that may."""

    vhost: str
    exchanges: tuple[Exchange, ...]
    queues: tuple[Queue, ...]
    bindings: tuple[Binding, ...]
    policies: tuple[Policy, ...]
    users: tuple[User, ...]


def topology_for(
    agency_codes: Iterable[str],
    *,
    vhost: str = VHOST,
    inbox_max_length: int | None = None,
    inbox_max_bytes: int | None = None,
    limits: Limits = Limits(),
    by_certificate: Collection[str] = (),
    locked_out: Collection[str] = (),
) -> Topology:
    """The topology for these agencies; with a limit in messages or bytes an inbox refuses what is too much.

    `by_certificate` are the users that log in so; `locked_out` are the agencies that have no user.
    """
    codes = sorted(set(agency_codes))
    return Topology(
        vhost=vhost,
        exchanges=(
            Exchange(name=DELIVER, type="direct"),
            Exchange(name=DEAD, type="fanout"),
            *(Exchange(name=submit_exchange(code), type="fanout") for code in codes),
        ),
        queues=(
            Queue(name=PARKED),
            Queue(name=PROBE),
            *(Queue(name=intake_queue(code)) for code in codes),
            *(Queue(name=inbox_queue(code)) for code in codes),
        ),
        bindings=(
            Binding(exchange=DEAD, queue=PARKED),
            Binding(exchange=DELIVER, queue=PROBE, key=PROBE),
            *(Binding(exchange=submit_exchange(code), queue=intake_queue(code)) for code in codes),
            *(Binding(exchange=DELIVER, queue=inbox_queue(code), key=code) for code in codes),
        ),
        policies=_policies(inbox_max_length, inbox_max_bytes, limits),
        users=(
            User(
                name=ROUTER,
                write=_only(DELIVER),
                read=rf"^(intake\..+|{re.escape(PARKED)})$",
                login="certificate" if ROUTER in by_certificate else "password",
            ),
            User(name=MONITOR, write=NOTHING, read=NOTHING, tags=("monitoring",)),
            *(
                User(
                    name=user_of(code),
                    write=_only(submit_exchange(code)),
                    read=_only(inbox_queue(code)),
                    limits=_given({"max-connections": limits.connections, "max-channels": limits.channels}),
                    login="certificate" if user_of(code) in by_certificate else "password",
                )
                for code in codes
                if code not in locked_out
            ),
        ),
    )


def _policies(
    inbox_max_length: int | None, inbox_max_bytes: int | None, limits: Limits
) -> tuple[Policy, ...]:
    # `reject-publish` wherever letters are: a full queue nacks, where the default would drop its oldest letter.
    # Dead-lettering at least once depends on it as well: without it RabbitMQ silently falls back to at most once.
    endless: dict[str, str | int] = {"overflow": "reject-publish", "delivery-limit": UNLIMITED_DELIVERIES}
    intake: dict[str, str | int] = {
        "overflow": "reject-publish",
        "delivery-limit": INTAKE_DELIVERY_LIMIT,
        "dead-letter-exchange": DEAD,
        "dead-letter-strategy": "at-least-once",
        **_given({"max-length": limits.intake_messages, "max-length-bytes": limits.intake_bytes}),
    }
    inbox = endless | _given({"max-length": inbox_max_length, "max-length-bytes": inbox_max_bytes})
    return (
        Policy(name="intake", pattern=r"^intake\.", definition=intake),
        Policy(name="parked", pattern=_only(PARKED), definition=endless),
        Policy(name="inbox", pattern=r"^inbox\.", definition=inbox),
        # The one queue whose oldest message is dropped: it says nothing.
        Policy(name="probe", pattern=_only(PROBE), definition={"max-length": 1, "overflow": "drop-head"}),
    )


def _given(limits: Mapping[str, int | None]) -> dict[str, int]:
    return {name: limit for name, limit in limits.items() if limit is not None}


def _only(name: str) -> str:
    """A regular expression that matches this name and no other."""
    return f"^{re.escape(name)}$"
