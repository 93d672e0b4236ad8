"""What is wrong with the broker as a cluster, by its management, in words for an operator: `topology check` prints it.

How a cluster handles partitions is in no answer of RabbitMQ's API; docs/operating.md says what it has to be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from bus.broker.management import Management
from bus.errors import Problem

_GROUP = 3
"""Members that a quorum queue should have: with three, any one may fail."""
_TICK = 15
"""Seconds: the longest `net_ticktime` with which a frozen node holds nobody up for much longer than that."""
_COLUMNS = "name,type,leader,members,online"
_FEW_QUEUES = 5
_FILES_EACH, _FILES_BESIDE = 3, 1_000
"""File handles that RabbitMQ 3.x counts for each quorum queue, whether it has a file open or not, and for the rest."""

Found = Mapping[str, Any]


def findings(management: Management, vhost: str) -> list[str]:
    """Say what keeps this cluster from bearing the loss of a node; of a single node there is nothing to say.

    Raises Transient, and Misconfigured for a wrong password.
    """
    nodes: list[Found] = management.get("nodes")
    if len(nodes) < 2:
        return []
    queues: list[Found] = [
        each
        for each in management.get("queues", vhost, columns=_COLUMNS)
        # Of a queue that was declared a moment ago, RabbitMQ does not tell the members yet.
        if each.get("type") == "quorum" and each.get("members") and "online" in each
    ]
    return [*_of_nodes(nodes), *_of_groups(queues, len(nodes)), *_of_leaders(queues, nodes)]


def without_room(management: Management, more: int = 0) -> list[Problem]:
    """Return the nodes that could not start any more with so many more quorum queues, for want of file handles.

    A node of 3.x that reaches its limit goes on, and when it is started the next time it waits for ever and says
    nothing. 4.x keeps no such account.
    """
    overview: Found = management.get("overview", columns="rabbitmq_version,object_totals.queues")
    if not str(overview["rabbitmq_version"]).startswith("3."):
        return []
    queues = overview["object_totals"]["queues"] + more
    needed = _FILES_EACH * queues + _FILES_BESIDE
    nodes: list[Found] = management.get("nodes", columns="name,fd_total")
    return [
        Problem(
            f"broker node {node['name']}",
            "file handles",
            f"has {node['fd_total']}, counts {needed} for {queues} queues, and would not start again",
            f"Raise its limit to {needed} or more (LimitNOFILE in its unit), and start it anew",
        )
        for node in nodes
        if 0 < int(node.get("fd_total") or 0) < needed
    ]


def _of_nodes(nodes: list[Found]) -> Iterable[str]:
    if len(nodes) == 2:
        yield "the cluster has two nodes and stops when either fails: add a third"
    for node in nodes:
        if parted := sorted(node.get("partitions") or ()):
            yield (
                f"node {node['name']} has been parted from {', '.join(parted)} and has not come together again: restart"
                " the side with fewer nodes, and set cluster_partition_handling = pause_minority"
            )
        elif not node.get("running"):
            yield f"node {node['name']} is down or cannot be reached: start it, or remove it from the cluster"
        elif (tick := node.get("net_ticktime") or 0) > _TICK:
            yield (
                f"node {node['name']} notices only after {tick} s that another is frozen, and lets nobody connect"
                " meanwhile: set net_ticktime to 8 in its advanced.config"
            )


def _of_groups(queues: list[Found], nodes: int) -> Iterable[str]:
    wanted = min(_GROUP, nodes)
    small = [each["name"] for each in queues if len(each["members"]) < wanted]
    if small:
        yield (
            f"{_named(small)} with fewer than {wanted} members, lost or stopped with a node:"
            " rabbitmq-queues grow NODE all, for each node that has none"
        )
    stuck = [each["name"] for each in queues if 2 * len(each["online"]) <= len(each["members"])]
    if stuck:
        yield f"{_named(stuck)} without a majority, taking and giving nothing: start the nodes that are down"


def _of_leaders(queues: list[Found], nodes: list[Found]) -> Iterable[str]:
    leaders = Counter(each["leader"] for each in queues if each.get("leader"))
    if len(leaders) == 1 < sum(bool(node.get("running")) for node in nodes) <= leaders.total():
        yield (
            f"all {leaders.total()} queues are led by {next(iter(leaders))}, which does the work of all nodes:"
            " rabbitmq-queues rebalance quorum, and set queue_leader_locator = balanced"
        )


def _named(queues: list[str]) -> str:
    """How many, and the first few of them."""
    some = ", ".join(sorted(queues)[:_FEW_QUEUES])
    more = f" and {len(queues) - _FEW_QUEUES} more" if len(queues) > _FEW_QUEUES else ""
    return f"quorum queue{'s' if len(queues) > 1 else ''} {some}{more}"
