"""When a link leaves a broker host to which its connection is open, and when it does not, on a real broker.

One node under two names stands for two hosts: what is asked here is when a host is left, not what the next one is like.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from bus.broker import keeping
from bus.broker.hosts import Hosts
from bus.broker.link import Link
from bus.broker.liveness import SILENT_FOR
from bus.broker.messages import Away, Nacked, Unconfirmed
from tests.broker.samples import message, until
from tests.fixtures.broker import Vhost


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three looks a second, and not ten: under load a broker is silent for most of a second by itself."""
    monkeypatch.setattr(keeping, "LOOK_EVERY", 0.3)


@pytest.fixture
def in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts are tried in the order in which they are written."""
    monkeypatch.setattr(random, "sample", lambda found, count: list(found)[:count])


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and says nothing, as a frozen node does."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def twice(vhost: Vhost) -> str:
    """The node's URL with two names for it."""
    port = vhost.node.ports.amqp
    return vhost.url().replace(f"127.0.0.1:{port}", f"127.0.0.1:{port},localhost:{port}")


async def looks(link: Link, count: int) -> None:
    """Wait until the present connection has been looked at so many times more."""
    liveness = link._kept._liveness
    assert liveness is not None
    wanted = liveness.looks + count
    await until(lambda: liveness.looks >= wanted or link._kept._liveness is not liveness)


async def test_a_host_that_takes_connections_and_says_nothing_is_passed_over(
    vhost: Vhost, silent_port: int, in_order: None
) -> None:
    vhost.declare("q")
    url = vhost.url().replace("@127.0.0.1:", f"@127.0.0.1:{silent_port},127.0.0.1:")
    loop = asyncio.get_running_loop()
    started = loop.time()
    async with Link(url, name="test") as link:
        await link.publish(message("q"))
        assert loop.time() - started < 10
        assert link.host == f"127.0.0.1:{vhost.node.ports.amqp}"
        assert link.hosts.first == link.host
        assert link.hosts.given_up.total() == 0


async def test_after_a_loss_the_host_that_was_lost_is_tried_last(vhost: Vhost) -> None:
    async with Link(twice(vhost), name="test") as link:
        await link.wait_connected()
        seen = [link.host]
        for number in (2, 3):
            await until(lambda: bool(vhost.management.get("connections", "username", "tester")))
            vhost.cut()
            await until(lambda: link.connections == number)  # noqa: B023
            seen.append(link.host)
    assert seen[0] != seen[1] != seen[2] == seen[0]


async def test_a_frozen_host_is_noticed_by_a_link_that_only_consumes_and_is_taken_again_when_it_thaws(
    vhost: Vhost,
) -> None:
    vhost.declare("q")
    async with Link(vhost.url(), name="test") as link:
        subscription = link.subscribe("q", prefetch=1)
        await until(lambda: subscription.active)
        with vhost.node.frozen():
            await until(lambda: not link.connected)
            assert "said nothing" in (link.why or "")
            assert f"127.0.0.1:{vhost.node.ports.amqp} was tried last" in (link.trouble or "")
        await link.publish(message("q"))
        assert len(await subscription.take(1)) == 1
        assert link.trouble is None


async def test_what_no_queue_takes_has_the_link_go_on_to_the_next_host_and_its_neighbour_with_it(
    vhost: Vhost,
) -> None:
    vhost.declare("stuck")
    hosts = Hosts(twice(vhost))
    async with Link(hosts, name="publish") as link, Link(hosts, name="consume") as other:
        await link.publish(message("stuck"))
        await other.wait_connected()
        left = link.host
        assert left == other.host
        vhost.node.suspend_queue(vhost.name, "stuck")
        outstanding = asyncio.ensure_future(link.publish(message("stuck"), deadline=20))
        await until(lambda: "has confirmed nothing for" in (link.trouble or ""))
        with pytest.raises(Unconfirmed, match="StreamLostError"):
            await outstanding
        await until(lambda: link.connected and other.connected and left not in {link.host, other.host})
        assert hosts.given_up == {left: 1}
        vhost.node.resume_queue(vhost.name, "stuck")
        await link.publish(message("stuck"))


async def test_refused_again_and_again_counts_as_taking_nothing(vhost: Vhost) -> None:
    vhost.declare("full", policy={"max-length": 1, "overflow": "reject-publish"})
    async with Link(twice(vhost), name="test") as link:
        while link.connections < 2:
            with suppress(Nacked, Unconfirmed):
                await link.publish(message("full"))
                continue
            await asyncio.sleep(0.02)
        assert link.hosts.given_up.total() == 1


async def test_one_queue_that_answers_nobody_does_not_make_the_link_leave_a_good_host(vhost: Vhost) -> None:
    for queue in ("stuck", "fine"):
        vhost.declare(queue)
    async with Link(twice(vhost), name="test") as link:
        await link.publish(message("stuck"), lane="slow")
        vhost.node.suspend_queue(vhost.name, "stuck")
        held_up = [
            asyncio.ensure_future(link.publish(message("stuck"), lane=f"slow {number}"))
            for number in range(3)
        ]
        for _ in range(4 * SILENT_FOR):
            await link.publish(message("fine"), lane="quick")
            await looks(link, 1)
        assert link.connections == 1
        # With no more confirms of the other queue, the same trouble has the host left.
        held_up.append(asyncio.ensure_future(link.publish(message("stuck"), lane="slow")))
        await until(lambda: link.connections == 2)
        await asyncio.gather(*held_up, return_exceptions=True)
        vhost.node.resume_queue(vhost.name, "stuck")


async def test_a_link_that_knows_one_host_stays_whatever_its_queues_do(vhost: Vhost) -> None:
    vhost.declare("stuck")
    async with Link(vhost.url(), name="test") as link:
        await link.publish(message("stuck"))
        vhost.node.suspend_queue(vhost.name, "stuck")
        outstanding = asyncio.ensure_future(link.publish(message("stuck")))
        await looks(link, 3 * SILENT_FOR)
        assert "has confirmed nothing for" in (link.trouble or "")
        assert (link.connections, link.connected) == (1, True)
        vhost.node.resume_queue(vhost.name, "stuck")
        await outstanding
        await looks(link, 2)
        assert link.trouble is None


async def test_what_comes_back_as_unroutable_proves_nothing_of_queues(vhost: Vhost) -> None:
    async with Link(twice(vhost), name="test") as link:
        await link.wait_connected()
        for _ in range(2 * SILENT_FOR):
            await link.probe("", "no-such-queue", deadline=5)
            await looks(link, 1)
        assert (link.connections, link.trouble) == (1, None)


async def test_a_broker_with_an_alarm_is_not_left(vhost: Vhost) -> None:
    vhost.declare("q")
    async with Link(twice(vhost), name="test") as link:
        await link.publish(message("q"))
        await asyncio.to_thread(vhost.node.set_memory_alarm, True)
        while not link.blocked:
            with suppress(Unconfirmed):
                await link.publish(message("q"), deadline=0.2)
        await looks(link, 4 * SILENT_FOR)
        assert (link.connections, link.blocked) == (1, True)
        await asyncio.to_thread(vhost.node.set_memory_alarm, False)
        await link.publish(message("q"))
        assert link.connections == 1


async def test_a_link_is_more_patient_each_time_that_leaving_did_not_help(vhost: Vhost) -> None:
    vhost.declare("stuck")
    async with Link(twice(vhost), name="test") as link:
        await link.publish(message("stuck"))
        vhost.node.suspend_queue(vhost.name, "stuck")
        for number in (2, 3):
            with suppress(Unconfirmed, Away):
                await link.publish(message("stuck"), deadline=20)
            await until(lambda: link.connections == number)  # noqa: B023
        assert link._kept._patience == 4 * SILENT_FOR
        vhost.node.resume_queue(vhost.name, "stuck")
