"""What an agency's user can do on the broker, tried by that user."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from contextlib import AsyncExitStack
from typing import Any

import pytest
from structlog.testing import capture_logs

from bus.broker.link import Link
from bus.broker.messages import Nacked, Rejected, Unconfirmed
from bus.broker.topology import (
    DEAD,
    DELIVER,
    PARKED,
    ROUTER,
    Limits,
    inbox_queue,
    intake_queue,
    submit_exchange,
    user_of,
)
from tests.broker.samples import NEIGHBOUR, SENDER, depth_becomes, message, until
from tests.fixtures.broker import Vhost

INTAKE = intake_queue(SENDER)
FOREIGN = intake_queue(NEIGHBOUR)


@pytest.fixture
async def sender(vhost: Vhost) -> AsyncIterator[Link]:
    """A link as the sending agency's user, on the bus's topology."""
    vhost.apply([SENDER, NEIGHBOUR])
    async with Link(vhost.url(user_of(SENDER)), name="sender") as link:
        yield link


async def test_an_agency_submits_to_its_own_exchange_as_itself(vhost: Vhost, sender: Link) -> None:
    await sender.publish(message(exchange=submit_exchange(SENDER), user_id=user_of(SENDER)))
    async with Link(vhost.url(ROUTER), name="router") as router:
        (got,) = await router.subscribe(INTAKE, prefetch=1).take(1)
    assert (got.exchange, got.user_id) == (submit_exchange(SENDER), user_of(SENDER))


@pytest.mark.parametrize(
    ("exchange", "key"),
    [
        (submit_exchange(NEIGHBOUR), ""),
        (DELIVER, NEIGHBOUR),
        (DEAD, ""),
        ("", inbox_queue(NEIGHBOUR)),
        ("", INTAKE),
        ("", FOREIGN),
        ("", PARKED),
        ("amq.direct", ""),
    ],
)
async def test_an_agency_writes_nowhere_else(vhost: Vhost, sender: Link, exchange: str, key: str) -> None:
    with pytest.raises(Unconfirmed, match="ACCESS_REFUSED"):
        await sender.publish(message(key, exchange=exchange))
    await sender.publish(message(exchange=submit_exchange(SENDER)))
    async with Link(vhost.url(), name="test") as link:
        await link.wait_connected()
        depths = {
            queue: (await link.depth(queue)).messages
            for queue in (INTAKE, FOREIGN, PARKED, inbox_queue(NEIGHBOUR))
        }
    assert depths == {INTAKE: 1, FOREIGN: 0, PARKED: 0, inbox_queue(NEIGHBOUR): 0}


async def test_an_agency_cannot_speak_as_another(sender: Link) -> None:
    with pytest.raises(Rejected, match="PRECONDITION_FAILED"):
        await sender.publish(message(exchange=submit_exchange(SENDER), user_id=user_of(NEIGHBOUR)))


@pytest.mark.parametrize("header", ["CC", "BCC"])
async def test_a_copy_header_reaches_no_foreign_inbox(vhost: Vhost, sender: Link, header: str) -> None:
    forged: dict[str, Any] = {header: [NEIGHBOUR, inbox_queue(NEIGHBOUR), FOREIGN]}
    await sender.publish(message(exchange=submit_exchange(SENDER), headers=forged))
    async with Link(vhost.url(), name="test") as link:
        await link.wait_connected()
        assert (await link.depth(INTAKE)).messages == 1
        assert (await link.depth(inbox_queue(NEIGHBOUR))).messages == 0
        assert (await link.depth(FOREIGN)).messages == 0


@pytest.mark.parametrize("queue", [inbox_queue(NEIGHBOUR), INTAKE, FOREIGN, PARKED])
async def test_an_agency_reads_nothing_but_its_inbox(vhost: Vhost, sender: Link, queue: str) -> None:
    async with Link(vhost.url(), name="test") as link:
        await link.publish(message(queue))
        await link.publish(message(inbox_queue(SENDER)))
    with capture_logs() as lines:
        refused = sender.subscribe(queue, prefetch=1)
        own = sender.subscribe(inbox_queue(SENDER), prefetch=1)
        assert len(await own.take(1)) == 1
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(refused.take(1), 0.3)
    # It is tried again and again, so that "not active" holds only between two tries.
    assert {(line["event"], line["queue"]) for line in lines} == {("queue-not-consumed", queue)}
    assert all("ACCESS_REFUSED" in str(line["reason"]) for line in lines)
    assert (refused.waiting, refused.unsettled) == (0, 0)


async def test_the_router_delivers_and_nothing_else(vhost: Vhost) -> None:
    vhost.apply([SENDER])
    async with Link(vhost.url(ROUTER), name="router") as router:
        await router.publish(message(SENDER, exchange=DELIVER))
        for exchange, key in [(submit_exchange(SENDER), ""), (DEAD, ""), ("", inbox_queue(SENDER))]:
            with pytest.raises(Unconfirmed, match="ACCESS_REFUSED"):
                await router.publish(message(key, exchange=exchange))
        assert (await router.depth(inbox_queue(SENDER))).messages == 1


async def test_a_poisonous_submission_is_parked_alone(vhost: Vhost) -> None:
    """A router that dies of one letter: until it has got past what was delivered before, it has one in its hands."""
    vhost.apply([SENDER, NEIGHBOUR])
    neighbours = [str(number).encode() for number in range(60)]
    await _submit(vhost, SENDER, [*neighbours[:20], b"poison", *neighbours[20:40]])
    await _submit(vhost, NEIGHBOUR, neighbours[40:])
    handled: list[bytes] = []
    deaths: list[int] = []
    router = asyncio.create_task(_dying_router(vhost, handled, deaths))
    async with Link(vhost.url(ROUTER), name="test") as link:
        await link.wait_connected()
        await depth_becomes(link, PARKED, 1)
        await until(lambda: set(handled) == set(neighbours))
        router.cancel()
        await asyncio.wait({router})
        (found,) = await link.subscribe(PARKED, prefetch=10).take(10)
        assert (found.body, found.user_id) == (b"poison", user_of(SENDER))
        assert (await link.depth(PARKED)).messages == 0
        assert (await depth_becomes(link, INTAKE, 0)).messages == 0
    assert len(deaths) > 3
    assert max(deaths) > 1, "it must have died at least once with neighbours in its hands"


async def _submit(vhost: Vhost, code: str, bodies: list[bytes]) -> None:
    async with Link(vhost.url(user_of(code)), name="sender") as sender:
        for body in bodies:
            await sender.publish(message(exchange=submit_exchange(code), body=body, user_id=user_of(code)))


async def _dying_router(vhost: Vhost, handled: list[bytes], deaths: list[int]) -> None:
    """Live again and again; note of each death how many it had in its hands."""
    while True:
        async with Link(vhost.url(ROUTER), name="router") as link:
            subscription = link.subscribe(INTAKE, FOREIGN, prefetch=200, careful=True)
            while True:
                taken = await subscription.take(200)
                if any(each.body == b"poison" for each in taken):
                    break
                subscription.ack_all(taken)
                handled += [each.body for each in taken]
            deaths.append(subscription.unsettled)


async def test_a_rejected_submission_is_parked_and_stays_its_senders(vhost: Vhost) -> None:
    vhost.apply([SENDER])
    async with Link(vhost.url(user_of(SENDER)), name="sender") as sender:
        await sender.publish(message(exchange=submit_exchange(SENDER), body=b"odd", user_id=user_of(SENDER)))
    async with Link(vhost.url(ROUTER), name="router") as router:
        intake = router.subscribe(INTAKE, prefetch=10)
        (odd,) = await intake.take(1)
        intake.reject(odd)
        (parked,) = await router.subscribe(PARKED, prefetch=10).take(1)
    assert (parked.body, parked.user_id) == (b"odd", user_of(SENDER))


async def test_a_full_inbox_refuses_and_its_neighbour_goes_on(vhost: Vhost) -> None:
    vhost.apply([SENDER, NEIGHBOUR], inbox_max_length=2)
    async with Link(vhost.url(ROUTER), name="router") as router:
        with pytest.raises(Nacked):
            await _fill(router, SENDER)
        await router.publish(message(NEIGHBOUR, exchange=DELIVER))


@pytest.mark.parametrize("limits", [Limits(intake_messages=3), Limits(intake_bytes=3_000)])
async def test_p11_who_fills_its_intake_fills_nobody_elses(vhost: Vhost, limits: Limits) -> None:
    vhost.apply([SENDER, NEIGHBOUR], limits=limits)
    async with Link(vhost.url(user_of(SENDER)), name="flood") as flooding:
        with pytest.raises(Nacked):
            await _fill_intake(flooding)
    async with Link(vhost.url(user_of(NEIGHBOUR)), name="neighbour") as neighbour:
        await neighbour.publish(message(exchange=submit_exchange(NEIGHBOUR), body=bytes(1_000)))
    async with Link(vhost.url(ROUTER), name="router") as router:
        subscription = router.subscribe(INTAKE, FOREIGN, prefetch=100)
        taken: set[str] = set()
        while taken != {submit_exchange(SENDER), submit_exchange(NEIGHBOUR)}:
            taken |= {each.exchange for each in await subscription.take(100)}


async def _fill_intake(link: Link) -> None:
    for _ in range(30):
        await link.publish(message(exchange=submit_exchange(SENDER), body=bytes(1_000)))


async def test_an_agency_has_no_more_connections_than_its_limit(vhost: Vhost) -> None:
    vhost.apply([SENDER, NEIGHBOUR], limits=Limits(connections=2, channels=4))
    with capture_logs() as lines:
        await _one_connection_too_many(vhost, lines)


async def _one_connection_too_many(vhost: Vhost, lines: list[MutableMapping[str, Any]]) -> None:
    async with AsyncExitStack() as stack:

        async def connect(code: str, name: str) -> Link:
            return await stack.enter_async_context(Link(vhost.url(user_of(code)), name=name))

        # One after the other: RabbitMQ looks at the number, and then counts.
        for name in ("first", "second"):
            await asyncio.wait_for((await connect(SENDER, name)).wait_connected(), 20)
        third = await connect(SENDER, "third")
        await until(
            lambda: "NOT_ALLOWED, look at the virtual host and the limits of the user (530)" in str(lines)
        )
        await asyncio.wait_for((await connect(NEIGHBOUR, "neighbour")).wait_connected(), 20)
        assert not third.connected


async def test_an_agency_has_no_more_channels_than_its_limit(vhost: Vhost) -> None:
    vhost.apply([SENDER], limits=Limits(connections=2, channels=4))
    with capture_logs() as lines:
        await _one_channel_too_many(vhost)
    assert "NOT_ALLOWED, look at the virtual host and the limits of the user (530)" in str(lines)


async def _one_channel_too_many(vhost: Vhost) -> None:
    async with Link(vhost.url(user_of(SENDER)), name="many lanes") as link:
        for lane in range(3):  # and one by which the link asks whether the broker is alive
            await link.publish(message(exchange=submit_exchange(SENDER)), lane=f"lane {lane}")
        assert link.connected
        # The broker ends the whole connection; the link comes back, and its channels are new.
        await link.publish(message(exchange=submit_exchange(SENDER)), lane="one more")


async def _fill(router: Link, code: str) -> None:
    for _ in range(20):
        await router.publish(message(code, exchange=DELIVER))


async def test_a_wrong_password_is_named_by_the_link_as_what_keeps_it_away(vhost: Vhost) -> None:
    vhost.apply([SENDER])
    right = vhost.url(user_of(SENDER))
    password = right.split("@")[0].rsplit(":", 1)[1]
    async with Link(right.replace(f":{password}@", ":wrong@"), name="sender") as link:
        await until(lambda: "ACCESS_REFUSED" in (link.why or ""))
        assert not link.connected
    async with Link(right, name="sender") as link:
        await link.wait_connected()
        assert link.why is None
