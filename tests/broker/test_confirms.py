"""Which answer belongs to which publish, without a broker."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest

from bus.broker.confirms import Confirms, expire
from bus.broker.messages import Nacked, Returned, Unconfirmed
from tests.broker.samples import message


async def test_an_answer_out_of_order_reaches_its_own_publish() -> None:
    confirms = Confirms()
    first, second, third = (confirms.expect(message("q")) for _ in range(3))
    confirms.acked(3, multiple=False)
    confirms.nacked(1, multiple=False)
    assert third.done()
    assert not second.done()
    with pytest.raises(Nacked):
        first.result()
    assert len(confirms) == 1


async def test_one_answer_for_many_ends_all_up_to_it_and_no_later_one() -> None:
    confirms = Confirms()
    answers = [confirms.expect(message("q")) for _ in range(5)]
    confirms.acked(2, multiple=False)
    confirms.acked(4, multiple=True)
    assert [answer.done() for answer in answers] == [True, True, True, True, False]


async def test_a_returned_message_fails_only_when_its_ack_comes() -> None:
    confirms = Confirms()
    lost, kept = message("nowhere"), message("q")
    answers = confirms.expect(lost), confirms.expect(kept)
    confirms.returned((lost.message_id, "", "nowhere"), "NO_ROUTE (312)")
    assert not answers[0].done()
    confirms.acked(2, multiple=True)
    with pytest.raises(Returned, match="NO_ROUTE"):
        answers[0].result()
    answers[1].result()


async def test_of_two_publishes_of_one_message_each_has_its_own_return() -> None:
    confirms = Confirms()
    twice = message("nowhere")
    first, second = confirms.expect(twice), confirms.expect(twice)
    confirms.returned((twice.message_id, "", "nowhere"), "NO_ROUTE")
    confirms.acked(1, multiple=False)
    confirms.acked(2, multiple=False)
    with pytest.raises(Returned):
        first.result()
    second.result()


async def test_a_lost_channel_leaves_every_open_publish_unknown() -> None:
    confirms = Confirms()
    answered, open_ = confirms.expect(message("q")), confirms.expect(message("q"))
    confirms.acked(1, multiple=False)
    confirms.lost("connection reset")
    answered.result()
    with pytest.raises(Unconfirmed, match="reset") as caught:
        open_.result()
    assert caught.value.sent


async def test_an_answer_after_the_deadline_changes_nothing() -> None:
    confirms = Confirms()
    answer = confirms.expect(message("q"))
    expire(answer, 0.0)
    with pytest.raises(Unconfirmed):
        await answer
    confirms.acked(1, multiple=False)
    assert len(confirms) == 0


async def test_settled_waits_for_the_last_answer() -> None:
    confirms = Confirms()
    answer = confirms.expect(message("q"))
    settled = asyncio.ensure_future(confirms.settled())
    await asyncio.sleep(0)
    assert not settled.done()
    confirms.acked(1, multiple=False)
    await settled
    answer.result()


@pytest.mark.parametrize("name", ["exchange", "routing_key", "message_id", "type", "user_id"])
def test_a_name_too_long_for_amqp_is_refused_where_it_is_made(name: str) -> None:
    overlong: dict[str, Any] = {name: "ก" * 86}
    with pytest.raises(ValueError, match=name):
        dataclasses.replace(message("q"), **overlong)
