"""What the broker's management tells of each cluster, for the user that may only look: nodes, alarms, queues, clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from bus.broker.cluster import findings
from bus.broker.inboxes import Inbox, Intake, queues
from bus.errors import Misconfigured, Transient
from bus.identifiers import AgencyCode
from bus.settings.bus import Broker, BusSettings
from bus.settings.clusters import section_of
from bus.thai import now
from bus.views.agencies import monitoring

WITHIN: Final = 10.0
"""Seconds in which a management interface has to answer."""
_ALARMS: Final = ("mem_alarm", "disk_free_alarm")


@dataclass(frozen=True, slots=True)
class Node:
    """One node of a cluster."""

    name: str
    running: bool
    alarms: tuple[str, ...]
    """Of `mem_alarm` and `disk_free_alarm`: while there is one, nothing can be published."""
    disk_free: int | None
    """Bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One broker cluster as it is now."""

    name: str
    away: str | None = None
    """Why it could not be asked; then nothing else is known."""
    inboxes: Mapping[AgencyCode, Inbox] = field(default_factory=dict)
    intake: Intake = field(default_factory=lambda: Intake(messages=0, consumers=0))
    nodes: tuple[Node, ...] = ()
    weak: tuple[str, ...] = ()
    """What keeps it from bearing the loss of a node, in English sentences."""
    ahead: float | None = None
    """Seconds by which this machine's clock is ahead of the broker's, to about a second."""


def clusters_now(settings: BusSettings) -> dict[str, Cluster]:
    """Ask every cluster; one that is away, or lets nobody look, says so and keeps no other from telling."""
    found = {}
    for name, broker in settings.brokers.items():
        try:
            with section_of(name):
                found[name] = _asked(name, broker)
        except Transient as away:
            found[name] = Cluster(name=name, away=str(away))
        except Misconfigured as wrong:
            found[name] = Cluster(
                name=name, away="; ".join(f"{one.key} {one.wrong}" for one in wrong.problems)
            )
    return found


def _asked(name: str, broker: Broker) -> Cluster:
    with monitoring(broker, timeout=WITHIN) as management:
        inboxes, intake = queues(management, broker.vhost)
        nodes: list[dict[str, Any]] = management.get("nodes")
        clock: datetime | None = management.clock()
        return Cluster(
            name=name,
            inboxes=inboxes,
            intake=intake,
            nodes=tuple(map(_node, nodes)),
            weak=tuple(findings(management, broker.vhost)),
            ahead=None if clock is None else (now() - clock).total_seconds(),
        )


def _node(one: Mapping[str, Any]) -> Node:
    free = one.get("disk_free")
    return Node(
        name=str(one["name"]),
        running=bool(one.get("running")),
        alarms=tuple(alarm for alarm in _ALARMS if one.get(alarm)),
        disk_free=free if isinstance(free, int) else None,
    )
