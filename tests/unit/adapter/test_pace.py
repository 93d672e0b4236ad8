"""The loop of an adapter's work: at once when something comes after a pause, together when much comes."""

from __future__ import annotations

import asyncio
import threading
from itertools import pairwise

import pytest

from adapters.agent.receiving import Verifying
from adapters.agent.tuning import Tuning, repeat
from adapters.agent.verifying import Verifier
from bus.documents.notice import BUS
from tests.assets.factory import seal
from tests.unit.adapter.network import Office

EVERY = 0.2


async def test_work_that_comes_while_a_round_is_young_is_done_in_one_round() -> None:
    wake, stop, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
    clock = asyncio.get_running_loop().time
    waiting, rounds = 0, []

    async def work() -> None:
        nonlocal waiting
        rounds.append((clock(), waiting))
        waiting = 0
        if len(rounds) == 3:
            ended.set()

    task = asyncio.create_task(repeat("count", work, wake, stop, every=EVERY))
    while len(rounds) < 2:
        waiting += 1
        wake.set()
        await asyncio.sleep(0.001)
    waiting += 1
    wake.set()
    await ended.wait()
    stop.set()
    await task
    assert rounds[1][1] > 1
    assert all(later - earlier >= EVERY for (earlier, _), (later, _) in pairwise(rounds))


async def test_a_stop_does_not_wait_for_the_next_round() -> None:
    wake, stop = asyncio.Event(), asyncio.Event()

    async def work() -> float:
        stop.set()
        return 0.0

    async with asyncio.timeout(5):
        await repeat("once", work, wake, stop, every=3600)


@pytest.mark.parametrize("kind", ["verdict", "notice", "entry", "of-no-known-type"])
@pytest.mark.parametrize("first", ["letter", "directory", "recipients", "copy"])
async def test_what_is_only_said_waits_for_more_to_be_verified_together_and_the_rest_does_not(
    recipient: Office, kind: str, first: str
) -> None:
    verifier = Verifier(recipient.mailbox, seal(BUS).certificate, Tuning())
    verifying = Verifying(
        recipient.mailbox, verifier, Tuning(verify_after=3600), letters=asyncio.Event(), directories=()
    )
    verifying.heed({kind})
    await asyncio.sleep(0)
    assert not verifying.wake.is_set()
    verifying.heed({kind, first})
    assert verifying.wake.is_set()
    soon = Verifying(
        recipient.mailbox, verifier, Tuning(verify_after=0.001), letters=asyncio.Event(), directories=()
    )
    soon.heed({kind})
    await asyncio.wait_for(soon.wake.wait(), 60)


async def test_an_adapter_comes_round_unless_one_of_its_works_is_stuck(
    recipient: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, stuck, goes_on = recipient.agent(), threading.Event(), threading.Event()
    stop, started = asyncio.Event(), asyncio.Event()

    async def companion(_: asyncio.Event) -> None:
        started.set()

    working = asyncio.create_task(agent.run(stop, beside=[companion]))
    await started.wait()
    await asyncio.wait_for(agent.come_round(), 60)

    def stand_still(_: Verifier) -> list[str]:
        stuck.set()
        goes_on.wait()
        return []

    monkeypatch.setattr(Verifier, "work", stand_still)
    waking = asyncio.create_task(agent.come_round())  # a round that was under way may still end for it
    try:
        assert await asyncio.to_thread(stuck.wait, 60)
        coming = asyncio.create_task(agent.come_round())
        await asyncio.to_thread(recipient.mailbox.conditions.all)  # the rest of the adapter is well
        assert not coming.done()
    finally:
        goes_on.set()
    await asyncio.wait_for(asyncio.gather(waking, coming), 60)
    stop.set()
    await working
