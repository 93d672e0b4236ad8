"""Three broker nodes, of which one is frozen or cut off: the bus goes on at the others, and nothing is lost or doubled.

A frozen node is SIGSTOPped; one that is cut off runs, takes connections and heartbeats, and reaches no other node.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import monotonic

import pytest

from bus.broker.cluster import findings
from bus.broker.hosts import Hosts
from bus.broker.link import Link
from bus.broker.management import Management
from bus.errors import Transient
from compose.node import Node
from compose.nodes import Nodes, host_of
from compose.process import Process
from tests.broker.samples import message, until
from tests.faults.promises import promises_hold
from tests.faults.scene import OPM, SOC, Scene, scene
from tests.faults.test_readiness import lines_of, metric, readyz
from tests.faults.waiting import eventually

_BUILD = Path(__file__).parents[2] / "build" / "test"
WITHIN = 20.0
"""Seconds. A quarter of a minute is promised; the machine of the tests runs three nodes and the whole bus besides."""
Fault = Callable[[Nodes, Node], None]


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """Three nodes, one cluster."""
    _BUILD.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="nodes-", dir=_BUILD))
    try:
        with Nodes(folder) as found:
            yield found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def network(nodes: Nodes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A bus of three agencies over these nodes."""
    with scene(nodes, tmp_path_factory.mktemp("network")) as found:
        yield found.start()


@pytest.fixture
def whole(nodes: Nodes) -> Iterator[Nodes]:
    """The nodes, whole before and after the test, with a vhost and three queues that the first node leads."""
    nodes.recover()
    with Management(nodes.management_url) as management:
        # A queue gets its members from the nodes that are in the cluster when it is declared.
        eventually(lambda: all_together(management), "the nodes are together again")
        management.put("vhosts", "v")
        management.put("users", "tester", body={"password": "secret", "tags": ""})
        management.put("permissions", "v", "tester", body={"configure": ".*", "write": ".*", "read": ".*"})
        for queue in "abc":
            body = {"durable": True, "arguments": {"x-queue-type": "quorum"}}
            management.put("queues", "v", queue, body=body)
        yield nodes
        nodes.recover()
        management.delete("vhosts", "v")
        management.delete("users", "tester")


def all_together(management: Management) -> bool:
    """Whether each of three nodes sees the others."""
    found = management.get("nodes")
    return len(found) == 3 and all(each.get("running") and not each.get("partitions") for each in found)


def hosts_from(nodes: Nodes, first: Node) -> Hosts:
    """The cluster's hosts, this node first."""
    hosts = Hosts(nodes.url("v", "tester", "secret"))
    for host in sorted(hosts._order, key=lambda each: each != host_of(first)):
        hosts.put_last(host)
    return hosts


def host_of_router(network: Scene) -> str:
    """The host to which the router's outlet has connected last."""
    found = [one for one in lines_of(network.process("router-1")) if one.get("event") == "broker-connected"]
    return str([each["host"] for each in found if each["link"] == "router-1 outlet"][-1])


def names_the_host(process: Process, host: str) -> bool:
    status, text = readyz(process)
    return status == 503 and "broker: " in text and host in text


@pytest.mark.parametrize("fault", [Nodes.freeze, Nodes.cut_off])
def test_p1_p2_the_bus_goes_on_within_seconds_when_the_node_that_holds_its_connection_is_frozen_or_cut_off(
    network: Scene, nodes: Nodes, fault: Fault
) -> None:
    network.calm()
    before = network.send(OPM, SOC, count=3)
    eventually(lambda: {*before} <= network.received(SOC), "letters arrive while all is well")
    network.calm()
    router, host = network.process("router-1"), host_of_router(network)
    victim = nodes.at(host)
    given_up = metric(router, "saraban_router_broker_given_up_total")
    fault(nodes, victim)
    began = monotonic()
    keys = network.send(OPM, SOC, count=5)
    eventually(partial(names_the_host, router, host), "readyz names the host", within=WITHIN)
    eventually(lambda: {*keys} <= network.received(SOC), "letters arrive all the same", within=WITHIN)
    assert monotonic() - began < WITHIN
    assert host_of_router(network) != host
    assert metric(router, "saraban_router_broker_given_up_total") > given_up
    nodes.recover()
    promises_hold(network)


@pytest.mark.parametrize("fault", [Nodes.freeze, Nodes.cut_off])
async def test_a_publisher_goes_on_at_another_node_and_a_consumer_with_it(whole: Nodes, fault: Fault) -> None:
    first, _, victim = whole.all
    hosts = hosts_from(whole, victim)
    async with Link(hosts, name="publish") as link, Link(hosts, name="consume") as other:
        await link.publish(message("a", body=b"before"))
        subscription = other.subscribe("a", prefetch=10)
        (taken,) = await subscription.take(1)
        subscription.ack(taken)
        assert link.host == other.host == host_of(victim)
        await asyncio.to_thread(fault, whole, victim)
        async with asyncio.timeout(WITHIN):
            await _until_taken(lambda: link.publish(message("a", body=b"after"), deadline=WITHIN))
            while (taken := (await subscription.take(1))[0]).body != b"after":
                subscription.ack(taken)
        assert host_of(victim) not in {link.host, other.host}
        assert first.running


async def _until_taken(publish: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            return await publish()
        except Transient:
            await asyncio.sleep(0.2)


async def test_one_that_only_consumes_leaves_a_node_that_is_cut_off_from_its_queue(whole: Nodes) -> None:
    first, _, victim = whole.all
    async with (
        Link(hosts_from(whole, victim), name="consume") as link,
        Link(hosts_from(whole, first), name="publish") as good,
    ):
        subscription = link.subscribe("a", prefetch=1)
        await until(lambda: subscription.missing == 0)
        await link.look_for_consumers("a")
        await asyncio.to_thread(whole.cut_off, victim)
        async with asyncio.timeout(WITHIN):
            while link.host == host_of(victim):
                with suppress(Transient):
                    await link.look_for_consumers("a")
                await asyncio.sleep(0.5)
            await good.publish(message("a", body=b"for you"))
            assert (await subscription.take(1))[0].body == b"for you"
        assert good.hosts.given_up.total() == 0


def test_a_whole_cluster_is_blamed_for_nothing_but_that_one_node_leads_all(whole: Nodes) -> None:
    with Management(whole.management_url) as management:
        # What the nodes tell of themselves and of their queues takes some seconds to be there, each in its own time.
        (found,) = eventually(lambda: _the_only_one(findings(management, "v")), "leaders are counted")
    assert "are led by node1@localhost" in found
    assert "rabbitmq-queues rebalance quorum" in found


def _the_only_one(found: list[str]) -> list[str]:
    return found if len(found) == 1 and "are led by" in found[0] else []


def test_too_few_members_a_node_that_is_away_and_one_that_was_parted_are_each_named_with_what_to_do(
    whole: Nodes,
) -> None:
    first, _, victim = whole.all
    with Management(whole.management_url) as management:

        def says(*words: str) -> bool:
            return all(word in "\n".join(findings(management, "v")) for word in words)

        first.ctl("eval", f'rabbit_quorum_queue:delete_member(<<"v">>, <<"a">>, \'{victim.nodename}\').')
        eventually(
            lambda: says("quorum queue a with fewer than 3 members", "rabbitmq-queues grow"), "members"
        )
        whole.cut_off(victim)
        eventually(lambda: says(f"node {victim.nodename} is down or cannot be reached"), "away")
        whole._let(victim, "erlang:get_cookie()")
        victim.ctl("eval", f"net_adm:ping('{first.nodename}').")
        eventually(lambda: says("has been parted from", "pause_minority"), "parted")
