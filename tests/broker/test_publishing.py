"""Every way in which a publish ends, on a real broker."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from bus.broker.link import Link
from bus.broker.messages import Closed, Nacked, Returned, Unconfirmed
from compose.local import free_port
from tests.broker.samples import message, until
from tests.fixtures.broker import Vhost


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


async def test_a_publish_returns_when_the_broker_has_the_message(vhost: Vhost) -> None:
    vhost.declare("q")
    async with Link(vhost.url(), name="test") as link:
        await link.publish(message("q"))
        assert (await link.depth("q")).messages == 1


async def test_a_message_that_no_queue_takes_comes_back_and_its_neighbours_do_not(vhost: Vhost) -> None:
    vhost.declare("q")
    async with Link(vhost.url(), name="test") as link:
        sent = [link.publish(message("nowhere" if number == 7 else "q")) for number in range(20)]
        ended = await asyncio.gather(*sent, return_exceptions=True)
    assert [number for number, end in enumerate(ended) if end is not None] == [7]
    assert isinstance(ended[7], Returned)


async def test_a_full_queue_refuses_instead_of_dropping(vhost: Vhost) -> None:
    vhost.declare("q", policy={"max-length": 1, "overflow": "reject-publish"})
    async with Link(vhost.url(), name="test") as link:
        ended = [
            end
            for _ in range(20)
            for end in await asyncio.gather(link.publish(message("q")), return_exceptions=True)
        ]
        taken = ended.count(None)
        assert 0 < taken < 20
        assert all(isinstance(end, Nacked) for end in ended if end is not None)
        assert (await link.depth("q")).messages == taken


async def test_thousands_may_await_their_confirms_at_once(vhost: Vhost) -> None:
    vhost.declare("q")
    async with Link(vhost.url(), name="test") as link:
        await asyncio.gather(*(link.publish(message("q", body=b"x" * 6000)) for _ in range(2000)))
        assert (await link.depth("q")).messages == 2000


async def test_publishes_over_an_open_lane_take_no_task_each(vhost: Vhost) -> None:
    vhost.declare("q")
    async with Link(vhost.url(), name="test") as link:
        await link.publish(message("q"))
        before = asyncio.all_tasks()
        answers = [link.begin(message("q")) for _ in range(100)]
        assert asyncio.all_tasks() == before
        await asyncio.gather(*answers)
        assert (await link.depth("q")).messages == 101


@pytest.mark.parametrize("size", [0, 1, 100, 20_000, 200_000])
async def test_what_is_published_in_one_turn_leaves_in_few_pieces_whole_and_in_order(
    vhost: Vhost, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    vhost.declare("q")
    pieces: list[int] = []
    async with Link(vhost.url(), name="test") as link:
        await link.publish(message("q", body=b"first"))
        connection = link._kept.connection
        assert connection is not None
        transport = connection.pika._transport
        write = transport.write

        def counted(data: bytes) -> None:
            pieces.append(len(data))
            write(data)

        monkeypatch.setattr(transport, "write", counted)
        bodies = [b"%06d" % number + bytes(size) for number in range(40)]
        await asyncio.gather(*(link.begin(message("q", body=body)) for body in bodies))
        subscription = link.subscribe("q", prefetch=100)
        taken: list[bytes] = []
        while len(taken) < 1 + len(bodies):
            taken += [one.body for one in await subscription.take(100)]
    assert taken == [b"first", *bodies]
    largest = 64 * 1024 + size + 100
    assert max(pieces) <= largest
    assert sum(piece > 200 for piece in pieces) <= 1 + 40 * (size + 300) // (64 * 1024)


async def test_a_frozen_broker_leaves_the_publish_unknown_and_is_found_again(vhost: Vhost) -> None:
    vhost.declare("q")
    async with Link(vhost.url(), name="test", heartbeat=1) as link:
        await link.publish(message("q"))
        with vhost.node.frozen():
            with pytest.raises(Unconfirmed) as caught:
                await link.publish(message("q"), deadline=0.3)
            assert caught.value.sent
            await until(lambda: not link.connected)
        await link.publish(message("q"))
        # The broker read the unconfirmed one when it awoke: it happened, or may yet.
        assert (await link.depth("q")).messages in (2, 3)


async def test_a_dropped_connection_leaves_what_is_outstanding_unknown(vhost: Vhost) -> None:
    vhost.declare("q")
    async with Link(vhost.url(), name="test") as link:
        await link.publish(message("q"))
        vhost.node.suspend_queue(vhost.name, "q")
        outstanding = asyncio.ensure_future(link.publish(message("q")))
        await asyncio.sleep(0)
        vhost.cut()
        with pytest.raises(Unconfirmed):
            await outstanding
        vhost.node.resume_queue(vhost.name, "q")
        await link.publish(message("q"))


async def test_an_unresponsive_queue_holds_up_its_own_lane_only(vhost: Vhost) -> None:
    vhost.declare("stuck")
    vhost.declare("fine")
    async with Link(vhost.url(), name="test") as link:
        await link.publish(message("fine"))
        vhost.node.suspend_queue(vhost.name, "stuck")
        held_up = asyncio.ensure_future(link.publish(message("stuck"), lane="slow", deadline=1.0))
        await asyncio.gather(*(link.publish(message("fine"), deadline=0.9) for _ in range(100)))
        assert not held_up.done()
        with pytest.raises(Unconfirmed):
            await held_up
        vhost.node.resume_queue(vhost.name, "stuck")


async def test_a_memory_alarm_makes_publishers_wait_until_it_ends_or_their_deadline(vhost: Vhost) -> None:
    vhost.declare("q")
    async with Link(vhost.url(), name="publish") as link, Link(vhost.url(), name="consume") as other:
        await link.publish(message("q"))
        await asyncio.to_thread(vhost.node.set_memory_alarm, True)
        # The command returns before the alarm is in force: until then the broker goes on confirming.
        with pytest.raises(Unconfirmed) as caught:
            await _publish_until_it_fails(link)
        assert caught.value.sent
        await until(lambda: link.blocked)
        with pytest.raises(Unconfirmed, match="blocks publishers") as caught:
            await link.publish(message("q"), deadline=0.3)
        assert not caught.value.sent

        taken = await other.subscribe("q", prefetch=10).take(1)
        assert len(taken) == 1
        waiting = asyncio.ensure_future(link.publish(message("q"), deadline=20.0))
        await asyncio.to_thread(vhost.node.set_memory_alarm, False)
        await waiting
        assert not link.blocked


async def _publish_until_it_fails(link: Link) -> None:
    async with asyncio.timeout(20):
        while True:
            await link.publish(message("q"), deadline=0.5)


async def test_without_a_broker_a_publish_waits_for_its_deadline_and_says_that_nothing_left() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = taken.getsockname()[1]
    async with Link(f"amqp://u:p@127.0.0.1:{nobody}/v", name="test") as link:
        with pytest.raises(Unconfirmed, match="no connection") as caught:
            await link.publish(message("q"), deadline=0.3)
        assert not caught.value.sent
        assert not link.connected


async def test_a_refused_publish_is_told_and_the_lane_opens_again(vhost: Vhost) -> None:
    vhost.declare("q")
    async with Link(vhost.url(), name="test") as link:
        with pytest.raises(Unconfirmed, match="NOT_FOUND"):
            await link.publish(message(exchange="no-such-exchange"))
        await link.publish(message("q"))


async def test_a_cancelled_publisher_disturbs_nobody(vhost: Vhost) -> None:
    vhost.declare("q")
    async with Link(vhost.url(), name="test") as link:
        await link.wait_connected()
        for _ in range(20):
            hasty = asyncio.ensure_future(link.publish(message("q")))
            await asyncio.sleep(0)
            hasty.cancel()
        await link.publish(message("q"))


async def test_closing_waits_for_outstanding_confirms_and_leaves_no_task(vhost: Vhost) -> None:
    vhost.declare("q")
    before = asyncio.all_tasks()
    async with Link(vhost.url(), name="test") as link:
        link.subscribe("q", prefetch=5)
        await link.publish(message("q"))
        sent = [asyncio.ensure_future(link.publish(message("q"))) for _ in range(300)]
        await asyncio.sleep(0)
    assert await asyncio.gather(*sent) == [None] * 300
    assert asyncio.all_tasks() == before
    with pytest.raises(Closed):
        await link.publish(message("q"))


async def test_closing_before_a_frozen_broker_is_bounded(vhost: Vhost) -> None:
    vhost.declare("q")
    loop = asyncio.get_running_loop()
    link = Link(vhost.url(), name="test")
    async with link:
        await link.publish(message("q"))
        with vhost.node.frozen():
            outstanding = asyncio.ensure_future(link.publish(message("q")))
            await asyncio.sleep(0)
            started = loop.time()
            await link.close(within=0.3)
            assert loop.time() - started < 2.0
            with pytest.raises(Unconfirmed):
                await outstanding


async def test_closing_while_connecting_is_bounded_and_leaves_no_task(silent_port: int) -> None:
    before = asyncio.all_tasks()
    loop = asyncio.get_running_loop()
    started = loop.time()
    async with Link(f"amqp://u:p@127.0.0.1:{silent_port}/v", name="test") as link:
        waiting = asyncio.ensure_future(link.publish(message("q")))
        await asyncio.sleep(0.1)
    with pytest.raises(Closed):
        await waiting
    assert loop.time() - started < 3.0
    assert asyncio.all_tasks() == before


async def test_a_broker_that_is_not_there_is_said_in_one_line_with_the_systems_word() -> None:
    with capture_logs() as lines:
        async with Link(f"amqp://user:s3cret@127.0.0.1:{free_port()}/v", name="test"):
            await until(lambda: bool(lines))
    assert (lines[0]["event"], lines[0]["user"]) == ("broker-away", "user")
    assert "ConnectionRefusedError: Connection refused" in str(lines[0]["reason"])
    assert "s3cret" not in str(lines)


async def test_a_password_that_the_broker_refuses_is_said_and_not_shown(vhost: Vhost) -> None:
    url = vhost.url()
    password = url.partition("://")[2].partition("@")[0].partition(":")[2]
    with capture_logs() as lines:
        async with Link(url.replace(password, "wr0ng-s3cret"), name="test"):
            await until(lambda: bool(lines))
    assert lines[0]["event"] == "broker-away"
    assert re.search("uthentication|ACCESS_REFUSED", str(lines[0]["reason"]))
    assert "s3cret" not in str(lines)
