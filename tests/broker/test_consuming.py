"""A subscription outlives everything under it, and settles what it took exactly once."""

from __future__ import annotations

import asyncio

import pytest

from bus.broker.link import Link
from bus.broker.messages import Closed, Incoming
from bus.broker.subscription import Subscription
from tests.broker.samples import depth_becomes, message, until
from tests.fixtures.broker import Vhost


async def _bodies(subscription: Subscription, count: int) -> list[bytes]:
    """Take and acknowledge so many messages."""
    bodies: list[bytes] = []
    async with asyncio.timeout(20):
        while len(bodies) < count:
            taken = await subscription.take(count - len(bodies))
            subscription.ack_all(taken)
            bodies += [each.body for each in taken]
    return bodies


async def _fill(link: Link, queue: str, count: int) -> list[bytes]:
    bodies = [str(number).encode() for number in range(count)]
    await asyncio.gather(*(link.publish(message(queue, body=body)) for body in bodies))
    return bodies


async def test_what_was_published_arrives_as_it_was(vhost: Vhost) -> None:
    vhost.declare("q")
    sent = message(
        "q", body=b"\x00\xff", headers={"traceparent": "00-ab", "consignment": 7}, user_id="tester"
    )
    async with Link(vhost.url(), name="test") as link:
        await link.publish(sent)
        (got,) = await link.subscribe("q", prefetch=1).take(10)
    assert (got.body, got.message_id, got.type, got.user_id) == (
        b"\x00\xff",
        sent.message_id,
        "letter",
        "tester",
    )
    assert got.headers == {"traceparent": "00-ab", "consignment": 7}
    assert not got.redelivered


async def test_order_is_kept_and_the_limit_of_a_take_too(vhost: Vhost) -> None:
    vhost.declare("q")
    async with Link(vhost.url(), name="test") as link:
        bodies = await _fill(link, "q", 50)
        subscription = link.subscribe("q", prefetch=10)
        first = await subscription.take(3)
        assert 1 <= len(first) <= 3
        subscription.ack_all(first)
        assert [each.body for each in first] + await _bodies(subscription, 50 - len(first)) == bodies
        assert (await depth_becomes(link, "q", 0)).consumers == 1


async def test_no_more_than_the_prefetch_is_out_at_once(vhost: Vhost) -> None:
    vhost.declare("q")
    async with Link(vhost.url(), name="test") as link:
        await _fill(link, "q", 20)
        subscription = link.subscribe("q", prefetch=4)
        await subscription.take(1)
        await depth_becomes(link, "q", 16)


@pytest.mark.parametrize("acknowledged", [(0, 1, 2, 3, 4), (4, 1, 0), (2, 3), (1, 3, 4), (4,)])
async def test_only_what_was_acknowledged_is_gone(vhost: Vhost, acknowledged: tuple[int, ...]) -> None:
    vhost.declare("q")
    async with Link(vhost.url(), name="test") as link:
        bodies = await _fill(link, "q", 6)
        subscription = link.subscribe("q", prefetch=6)
        taken: list[Incoming] = []
        while len(taken) < 6:
            taken += await subscription.take(6)
        subscription.ack_all(taken[index] for index in acknowledged)
        subscription.ack_all(taken[index] for index in acknowledged)  # twice is once
        await subscription.pause()
        left = [body for index, body in enumerate(bodies) if index not in acknowledged]
        await depth_becomes(link, "q", len(left))
        await subscription.resume()
        assert sorted(await _bodies(subscription, len(left))) == left


async def test_what_was_delivered_before_is_taken_alone_and_everything_else_after_it(vhost: Vhost) -> None:
    for queue in ("p", "q"):
        vhost.declare(queue)
    async with Link(vhost.url(), name="first") as first:
        await _fill(first, "p", 6)
        await _fill(first, "q", 6)
        before = first.subscribe("q", prefetch=3)
        taken: list[Incoming] = []
        while len(taken) < 3:
            taken += await before.take(3)
    async with Link(vhost.url(), name="second") as second:
        subscription = second.subscribe("p", "q", prefetch=20, careful=True)
        alone = [await _one_in_hand(subscription) for _ in range(1 + 3 + 1)]
        assert [each.routing_key for each in alone] == ["p", "q", "q", "q", "q"]
        assert [each.redelivered for each in alone] == [False, True, True, True, False]
        rest = await _bodies(subscription, 5 + 2)
        assert len(rest) == 7


async def _one_in_hand(subscription: Subscription) -> Incoming:
    (taken,) = await subscription.take(20)
    assert subscription.unsettled == 1
    subscription.ack(taken)
    return taken


async def test_a_queue_that_is_not_there_keeps_nobody_from_the_others_and_is_taken_up_later(
    vhost: Vhost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bus.broker.subscription._TRY_AGAIN_AFTER", 0.0)
    vhost.declare("q")
    async with Link(vhost.url(), name="test") as link:
        bodies = await _fill(link, "q", 3)
        subscription = link.subscribe("missing", "q", prefetch=20, careful=True)
        assert sorted(await _bodies(subscription, 3)) == bodies
        await until(lambda: subscription.missing == 1)
        (generation,) = {subscription._channel.generation} if subscription._channel else {0}
        vhost.declare("missing")
        vhost.declare("new")
        await subscription.cover(["missing", "new"])
        await _fill(link, "missing", 2)
        await _fill(link, "new", 2)
        await _bodies(subscription, 4)
        await until(lambda: subscription.missing == 0)
        assert subscription._channel
        assert subscription._channel.generation == generation, "the others' consumers were left alone"


async def test_a_killed_connection_brings_back_what_was_not_acknowledged(vhost: Vhost) -> None:
    vhost.declare("q")
    async with Link(vhost.url(), name="test") as link:
        await link.publish(message("q"))
        subscription = link.subscribe("q", prefetch=10)
        (before,) = await subscription.take(1)
        vhost.cut()
        (again,) = await subscription.take(1)
        assert again.redelivered
        assert again.message_id == before.message_id
        assert again.generation > before.generation

        subscription.ack(before)  # of a channel that is gone: must do nothing, least of all to the new one
        await link.publish(message("q"))
        (other,) = await subscription.take(1)
        assert other.generation == again.generation
        subscription.ack_all([again, other])
        await subscription.pause()
        await depth_becomes(link, "q", 0)


async def test_a_broker_stopped_hard_has_what_it_confirmed_and_is_consumed_again(vhost: Vhost) -> None:
    vhost.declare("q")
    async with Link(vhost.url(), name="publish") as link, Link(vhost.url(), name="consume") as other:
        bodies = await _fill(link, "q", 100)
        subscription = other.subscribe("q", prefetch=5)
        held = await subscription.take(5)
        await asyncio.to_thread(vhost.node.settle_new_queues)
        await asyncio.to_thread(vhost.node.restart, hard=True)
        subscription.ack_all(held)
        await link.publish(message("q", body=b"after"))
        assert sorted(await _bodies(subscription, 101)) == sorted([*bodies, b"after"])


async def test_a_consumer_cancelled_by_the_broker_comes_back_with_its_queue(vhost: Vhost) -> None:
    vhost.declare("q")
    async with Link(vhost.url(), name="test") as link:
        subscription = link.subscribe("q", prefetch=10)
        await until(lambda: subscription.active)
        vhost.management.delete("queues", vhost.name, "q")
        await until(lambda: not subscription.active)
        vhost.declare("q")
        await link.publish(message("q", body=b"new"))
        assert await _bodies(subscription, 1) == [b"new"]


async def test_a_paused_subscription_holds_nothing_until_it_resumes(vhost: Vhost) -> None:
    vhost.declare("q")
    async with Link(vhost.url(), name="test") as link:
        await link.publish(message("q"))
        subscription = link.subscribe("q", prefetch=10)
        (held,) = await subscription.take(1)
        await subscription.pause()
        assert (await depth_becomes(link, "q", 1)).consumers == 0
        await subscription.resume()
        (again,) = await subscription.take(1)
        assert again.message_id == held.message_id


async def test_a_stopped_subscription_still_acknowledges_what_it_took(vhost: Vhost) -> None:
    vhost.declare("q")
    async with Link(vhost.url(), name="test") as link:
        await _fill(link, "q", 3)
        subscription = link.subscribe("q", prefetch=3)
        taken = await subscription.take(1)
        await depth_becomes(link, "q", 0)
        await subscription.stop()
        await link.publish(message("q"))
        subscription.ack_all(taken)
        left = 3 - len(taken)
        while left:
            drained = await subscription.take(1)
            subscription.ack_all(drained)
            left -= len(drained)
        with pytest.raises(Closed):
            await subscription.take(1)
        assert (await link.depth("q")).messages == 1


async def test_a_waiting_take_ends_when_the_link_closes(vhost: Vhost) -> None:
    vhost.declare("q")
    async with Link(vhost.url(), name="test") as link:
        subscription = link.subscribe("q", prefetch=3)
        waiting = asyncio.ensure_future(subscription.take(1))
        await until(lambda: subscription.active)
    with pytest.raises(Closed):
        await waiting


async def test_a_queue_that_is_widened_has_more_out_at_once_in_their_order(vhost: Vhost) -> None:
    vhost.declare("q")
    vhost.declare("other")
    async with Link(vhost.url(), name="test") as link:
        bodies = await _fill(link, "q", 60)
        subscription = link.subscribe("q", "other", prefetch=1)
        (first,) = await subscription.take(10)
        await depth_becomes(link, "q", 59)
        await subscription.widen("q", 20)
        await subscription.widen("q", 20)
        assert (await depth_becomes(link, "q", 39)).consumers == 2, "asked for twice, it is one more"
        subscription.ack(first)
        assert [first.body, *await _bodies(subscription, 59)] == bodies
        await subscription.stop()
        assert (await depth_becomes(link, "q", 0)).consumers == 0


async def test_few_queues_are_widened_and_none_that_is_in_use_gives_up_its_place(
    vhost: Vhost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bus.broker.subscription._WIDE_AT_ONCE", 1)
    vhost.declare("q")
    vhost.declare("other")
    async with Link(vhost.url(), name="test") as link:
        await asyncio.gather(_fill(link, "q", 30), _fill(link, "other", 30))
        subscription = link.subscribe("q", "other", prefetch=1)
        await depth_becomes(link, "q", 29)
        await depth_becomes(link, "other", 29)
        await subscription.widen("q", 10)
        await depth_becomes(link, "q", 19)
        await subscription.widen("other", 10)
        assert (await depth_becomes(link, "other", 29)).consumers == 1
        monkeypatch.setattr("bus.broker.subscription._WIDE_AT_LEAST", 0.0)
        await subscription.widen("other", 10)
        assert (await depth_becomes(link, "other", 19)).consumers == 2
        await depth_becomes(link, "q", 19)  # what was taken stays out
        taken: set[bytes] = set()
        while len(taken) < 30:
            some = await subscription.take(60)
            subscription.ack_all(some)
            taken |= {one.body for one in some if one.routing_key == "q"}
        assert (await depth_becomes(link, "q", 0)).consumers == 1


async def test_a_widened_queue_is_consumed_as_before_once_its_channel_was_lost(vhost: Vhost) -> None:
    vhost.declare("q")
    vhost.declare("other")
    async with Link(vhost.url(), name="test") as link:
        bodies = await _fill(link, "q", 12)
        subscription = link.subscribe("q", "other", prefetch=2)
        await depth_becomes(link, "q", 10)
        await subscription.widen("q", 5)
        await depth_becomes(link, "q", 5)
        await subscription.pause()
        await depth_becomes(link, "q", 12)
        await subscription.resume()
        assert (await depth_becomes(link, "q", 10)).consumers == 1
        await subscription.widen("q", 5)
        await depth_becomes(link, "q", 5)
        assert sorted(map(int, await _bodies(subscription, 12))) == sorted(map(int, bodies))
