"""The loop of an adapter's work: at once when something comes after a pause, together when much comes."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from adapters.agent.tuning import repeat

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
