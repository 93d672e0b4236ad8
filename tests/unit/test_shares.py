"""Whose submissions are taken next, and who has had its share."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.broker.messages import Incoming
from bus.broker.topology import submit_exchange
from bus.router.shares import FairOrder, Share, Shares

A, B, C = "0100100000", "0100500000", "1100800000"
SHARE = Share(messages=10, bytes=1000, fruitless=5, window=60.0)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def from_(agency: str, body: bytes = b"x") -> Incoming:
    """A message that this agency has submitted."""
    return Incoming(
        body=body,
        exchange=submit_exchange(agency),
        routing_key="",
        user_id=None,
        message_id=None,
        type=None,
        headers={},
        redelivered=False,
        received_at=datetime.now(UTC),
        generation=1,
        tag=1,
    )


def order(shares: Shares, *agencies: str) -> FairOrder:
    """One message of each, in this order."""
    made = FairOrder(shares)
    for agency in agencies:
        made.add(from_(agency))
    return made


def taken(order: FairOrder, limit: int) -> str:
    """Whose messages are taken, as letters."""
    names = {submit_exchange(A): "A", submit_exchange(B): "B", submit_exchange(C): "C"}
    return "".join(names[each.exchange] for each in order.take(limit))


def only_exceeding(order: FairOrder) -> bool:
    """Asked by a function, for the answer changes."""
    return order.only_exceeding


def test_agencies_take_turns_and_each_keeps_its_own_order() -> None:
    found = order(Shares(Share()), A, A, A, A, B, C, C)
    assert len(found) == 7
    assert taken(found, 4) == "ABCA"
    assert taken(found, 10) == "CAA"
    assert len(found) == 0


def test_who_waited_for_its_turn_comes_first_in_the_next_batch() -> None:
    found = order(Shares(Share()), A, A, A, B, C)
    assert taken(found, 1) == "A"
    assert taken(found, 1) == "B"
    assert taken(found, 3) == "CAA"


@pytest.mark.parametrize(
    ("used", "size"), [({"messages": 11}, 1), ({"size": 1001}, 1), ({"fruitless": 6}, 1)]
)
def test_who_exceeds_its_share_is_taken_when_nobody_else_waits(used: dict[str, int], size: int) -> None:
    shares = Shares(SHARE)
    shares.use(A, **used)
    found = order(shares, A, A, B, C)
    assert not only_exceeding(found)
    assert taken(found, 10) == "BC"
    assert only_exceeding(found)
    assert taken(found, 10) == "AA"
    assert not only_exceeding(found)


def test_two_that_exceed_their_shares_are_fair_to_each_other() -> None:
    shares = Shares(SHARE)
    shares.use(A, messages=1_000)
    shares.use(B, messages=11)
    found = order(shares, A, A, A, A, B, B)
    assert taken(found, 12) == "ABAB", "and take no more than a part of a batch"
    assert taken(found, 12) == "AA"


def test_a_share_comes_back_with_time_and_one_window_after_the_worst_flood() -> None:
    clock = Clock()
    shares = Shares(SHARE, clock)
    shares.use(A, messages=1_000_000)
    clock.now += 59
    assert shares.exceeded(A)
    clock.now += 1.1
    assert not shares.exceeded(A)


def test_who_exceeds_is_told_once_in_a_window() -> None:
    clock = Clock()
    shares = Shares(SHARE, clock)
    assert not shares.to_be_informed(A)
    shares.use(A, fruitless=100)
    assert [shares.to_be_informed(A) for _ in range(3)] == [True, False, False]
    clock.now += 60.5
    assert not shares.to_be_informed(A)
    shares.use(A, fruitless=100)
    assert [shares.to_be_informed(A) for _ in range(3)] == [True, False, False]
    assert not shares.to_be_informed(B)


def test_large_submissions_do_not_make_a_large_batch() -> None:
    found = FairOrder(Shares(Share()))
    for _ in range(100):
        found.add(from_(A, bytes(1024**2)))
    assert len(found.take(100)) == 8


@given(st.lists(st.sampled_from([A, B, C]), max_size=60), st.integers(1, 10))
def test_nothing_is_lost_taken_twice_or_out_of_its_agencys_order(agencies: list[str], limit: int) -> None:
    shares = Shares(Share(messages=7))
    found = FairOrder(shares)
    for number, agency in enumerate(agencies):
        found.add(from_(agency, str(number).encode()))
    out: list[Incoming] = []
    while len(found):
        some = found.take(limit)
        assert 1 <= len(some) <= limit
        out += some
    assert sorted(int(each.body) for each in out) == list(range(len(agencies)))
    for agency in (A, B, C):
        mine = [int(each.body) for each in out if each.exchange == submit_exchange(agency)]
        assert mine == sorted(mine)
