"""The rounds of a connector: in and out, side by side."""

from __future__ import annotations

import asyncio
from threading import Event

from adapters.connectors.base import serve


class Office:
    """An office system that takes its news only once it has been collected from twice."""

    name = "office"

    def __init__(self) -> None:
        self.collected = 0
        self.told = 0
        self.once, self.twice, self.free = Event(), Event(), Event()

    def import_new(self) -> int:
        self.collected += 1
        if self.collected == 2:
            self.twice.set()
        if self.collected > 2:
            raise RuntimeError("a round that fails")
        return 0

    def export_news(self) -> int:
        self.told += self.twice.wait(10)
        self.once.set()
        if self.told == 2:
            self.free.set()
        return 0


async def test_what_the_office_sends_does_not_wait_for_what_it_is_told() -> None:
    office, stop = Office(), asyncio.Event()
    serving = asyncio.create_task(serve(office, stop, interval=0.001))
    assert await asyncio.to_thread(office.free.wait, 20)
    stop.set()
    await serving
    assert office.told >= 2


async def test_a_stop_ends_both_rounds_at_once() -> None:
    office, stop = Office(), asyncio.Event()
    office.twice.set()
    serving = asyncio.create_task(serve(office, stop, interval=3600))
    assert await asyncio.to_thread(office.once.wait, 20)
    stop.set()
    async with asyncio.timeout(5):
        await serving


async def test_a_round_that_never_ends_does_not_hold_up_a_stop() -> None:
    class Hangs(Office):
        def import_new(self) -> int:
            self.once.set()
            return int(self.free.wait(60))

    office, stop = Hangs(), asyncio.Event()
    office.twice.set()
    serving = asyncio.create_task(serve(office, stop, interval=3600, grace=0.05))
    assert await asyncio.to_thread(office.once.wait, 20)
    stop.set()
    async with asyncio.timeout(5):
        await serving
    office.free.set()
