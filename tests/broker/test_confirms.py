"""Which answer belongs to which publish, without a broker."""

from __future__ import annotations

import asyncio
import dataclasses
import weakref
from itertools import permutations
from math import inf
from typing import Any

import pytest

from bus.broker.confirms import Confirms, Publish
from bus.broker.messages import Nacked, Rejected, Returned, Unconfirmed
from tests.broker.samples import message

LATER = inf


async def test_an_answer_out_of_order_reaches_its_own_publish() -> None:
    confirms = Confirms()
    first, second, third = (confirms.expect(message("q"), LATER) for _ in range(3))
    confirms.acked(3, multiple=False)
    confirms.nacked(1, multiple=False)
    assert third.done()
    assert not second.done()
    with pytest.raises(Nacked):
        first.result()
    assert len(confirms) == 1


async def test_one_answer_for_many_ends_all_up_to_it_and_no_later_one() -> None:
    confirms = Confirms()
    answers = [confirms.expect(message("q"), LATER) for _ in range(5)]
    confirms.acked(2, multiple=False)
    confirms.acked(4, multiple=True)
    assert [answer.done() for answer in answers] == [True, True, True, True, False]


async def test_a_returned_message_fails_only_when_its_ack_comes() -> None:
    confirms = Confirms()
    lost, kept = message("nowhere"), message("q")
    answers = confirms.expect(lost, LATER), confirms.expect(kept, LATER)
    confirms.returned((lost.message_id, "", "nowhere"), "NO_ROUTE (312)")
    assert not answers[0].done()
    confirms.acked(2, multiple=True)
    with pytest.raises(Returned, match="NO_ROUTE"):
        answers[0].result()
    answers[1].result()


async def test_of_two_publishes_of_one_message_each_has_its_own_return() -> None:
    confirms = Confirms()
    twice = message("nowhere")
    first, second = confirms.expect(twice, LATER), confirms.expect(twice, LATER)
    confirms.returned((twice.message_id, "", "nowhere"), "NO_ROUTE")
    confirms.acked(1, multiple=False)
    confirms.acked(2, multiple=False)
    with pytest.raises(Returned):
        first.result()
    second.result()


async def test_a_lost_channel_leaves_every_open_publish_unknown() -> None:
    confirms = Confirms()
    answered, open_ = confirms.expect(message("q"), LATER), confirms.expect(message("q"), LATER)
    confirms.acked(1, multiple=False)
    confirms.lost("connection reset")
    answered.result()
    with pytest.raises(Unconfirmed, match="reset") as caught:
        open_.result()
    assert caught.value.sent


async def test_an_answer_after_the_deadline_changes_nothing() -> None:
    confirms = Confirms()
    answer = confirms.expect(message("q"), asyncio.get_running_loop().time())
    with pytest.raises(Unconfirmed):
        await answer
    confirms.acked(1, multiple=False)
    assert len(confirms) == 0


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_each_of_many_publishes_is_given_up_at_its_own_deadline_and_none_before(
    order: tuple[int, ...],
) -> None:
    confirms = Confirms()
    clock = asyncio.get_running_loop().time
    began = clock()
    untils = [began + 0.02 * (1 + place) for place in order]
    answers = [confirms.expect(message("q"), until) for until in untils]
    answered, never = confirms.expect(message("q"), began + 0.03), confirms.expect(message("q"), LATER)
    confirms.acked(4, multiple=False)
    ended: dict[asyncio.Future[None], float] = {}
    for answer in answers:
        answer.add_done_callback(lambda one: ended.update({one: clock()}))
    await asyncio.wait(answers)
    assert list(ended) == sorted(answers, key=lambda one: untils[answers.index(one)])
    assert all(ended[answer] >= until for answer, until in zip(answers, untils, strict=True))
    assert all(isinstance(answer.exception(), Unconfirmed) for answer in answers)
    assert answered.done()
    assert answered.exception() is None
    assert not never.done()


async def test_what_nobody_waits_for_any_more_is_not_kept_in_memory() -> None:
    class Headers(dict[str, str]):
        """Something that a weak reference can look at."""

    confirms = Confirms()
    sent = message("q", headers=Headers(a="b"))
    kept = weakref.ref(sent.headers)
    answer = confirms.expect(sent, asyncio.get_running_loop().time())
    del sent
    with pytest.raises(Unconfirmed):
        await answer
    assert kept() is None
    assert len(confirms) == 1


async def test_of_several_publishes_over_one_of_which_a_channel_was_closed_each_is_suspected_and_none_has_failed() -> (
    None
):
    suspected: list[Publish] = []
    confirms = Confirms(suspected=suspected.append)
    answers = [confirms.expect(message("q"), LATER) for _ in range(3)]
    confirms.lost("PRECONDITION_FAILED (406)", over_a_message=True)
    assert [one.answer for one in suspected] == answers
    assert not any(answer.done() for answer in answers)
    alone = confirms.expect(message("q"), LATER)
    confirms.lost("PRECONDITION_FAILED (406)", over_a_message=True)
    with pytest.raises(Rejected):
        alone.result()


async def test_settled_waits_for_the_last_answer() -> None:
    confirms = Confirms()
    answer = confirms.expect(message("q"), LATER)
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
