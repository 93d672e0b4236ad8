"""A recipient's queue is full, because its adapter is away."""

from __future__ import annotations

from collections.abc import Callable

from bus.ledger.entry import Kind
from tests.faults.evidence import gather
from tests.faults.promises import promises_hold
from tests.faults.scene import DGA, OPM, SOC, Scene
from tests.faults.waiting import eventually

ROOM = 3


def test_p11_a_full_inbox_delays_nobody_else(stage: Callable[..., Scene]) -> None:
    town = stage(inbox_max_length=ROOM).start(OPM, SOC)
    keys = town.send(OPM, DGA, SOC, count=ROOM * 3)
    # A queue finds out that it is full after it has taken what came at once: then comes one more.
    eventually(lambda: {*keys} <= town.received(SOC), "the queue is full")
    keys += town.send(OPM, DGA, SOC)
    eventually(lambda: town.entries(Kind.CONSIGNMENT_FAILED), "the queue refused one")
    (failure, *_) = town.entries(Kind.CONSIGNMENT_FAILED)
    assert (failure.body["agency"], failure.body["reason"]) == (DGA, "Nacked")
    eventually(lambda: {*keys} <= town.received(SOC), "the others have it")
    evidence = promises_hold(town)
    assert {code for code, _ in evidence.pending} == {DGA}
    assert evidence.depths[DGA] >= ROOM

    town.adapter(DGA)
    promises_hold(town)
    assert {*keys} <= town.received(DGA)
    assert not gather(town).pending
