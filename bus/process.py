"""How a long-running process of the bus or of an adapter begins and ends."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from bus.platform.process import notify, on_end, watchdog_seconds

_SWITCH_EVERY = 0.001
"""Seconds after which a busy thread hands the interpreter on. Heartbeats and confirms run in the event loop beside
threads that compute; with Python's own 5 ms each step of a message on its way would wait for them that long."""

_COLLECT_EVERY = (20_000, 20, 20)
"""Objects made before garbage is looked for, and how much more rarely among the older ones. A document is thousands of
short-lived objects, and the default is for programs of a few hundred."""


_HEAPS = {-8: 1, -3: 64 * 1024, -1: 128 * 1024}
"""Settings of glibc's malloc.h: M_ARENA_MAX; M_MMAP_THRESHOLD and M_TRIM_THRESHOLD in bytes. Where these two are not
set, malloc raises them with each large block that is freed, up to 32 and 64 MiB."""
_WAY = 10
"""How much nicer than the rest: about a tenth of a processor is left to it while everything else is busy."""
_BEATS = 10
"""Signs of life within the time in which the service manager wants one."""
PRIVATE = 0o077
"""The umask of each program of ours: what it writes is its owner's alone, unless a mode of its own says more."""


def keep_private() -> None:
    """Let nobody else read what this program writes from now on, whatever umask it was started with.

    On Windows the umask says nothing of others: there the folders' access control lists do.
    """
    os.umask(PRIVATE)


def run_until_stopped(work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run `work` in an event loop of its own; when told to end, set its event, and return when it has finished.

    The loop is one that watches sockets, which the broker's client needs; on Windows it is not Python's own choice.
    """
    sys.setswitchinterval(_SWITCH_EVERY)
    collect_rarely()
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(_until_stopped(work))


def collect_rarely() -> None:
    """Look for garbage as befits a process that reads a great many documents or entries."""
    gc.freeze()  # what was imported stays for good, and need not be looked through again and again
    gc.set_threshold(*_COLLECT_EVERY)


def share_heap() -> None:
    """Have all threads take their memory from one heap that gives large blocks back at once (glibc).

    With a heap for each thread, what a large answer needed once stays taken in every thread that ever made one.
    """
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        for setting, value in _HEAPS.items():
            library.mallopt(setting, value)


def give_back_memory(*, whole: bool = True) -> None:
    """Let go of what nobody holds any more, and give the system the pages that it leaves free (glibc).

    For a process that now and then makes something large: what it took for it would otherwise stay its own. What is
    left is set aside, and looked through again when this is asked for the whole: with the values of thousands of
    agencies in memory, that takes a quarter of a second, in which no other thread goes on.
    """
    if whole:
        gc.unfreeze()
    gc.collect()
    gc.freeze()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def give_way() -> None:
    """Let the other programs of this machine have the processor first, as befits one that carries no letter."""
    with suppress(OSError, AttributeError):  # not on Windows
        os.nice(_WAY)
        # Linux may weigh sessions against each other before their processes (sched(7), "The autogroup feature"); what
        # systemd starts is weighed by its units (bus/units.py).
        Path("/proc/self/autogroup").write_text(str(_WAY), encoding="ascii")


async def _until_stopped(work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()

    def end() -> None:
        stop.set()
        notify("STOPPING=1")

    on_end(end)
    await work(stop)


def ready() -> None:
    """Let the service manager know that everything is there, and goes on by itself from here."""
    notify("READY=1")


def alive() -> None:
    """Let the service manager know that work goes on, where it asks for that."""
    if watchdog_seconds() is not None:
        notify("WATCHDOG=1")


async def beat(stop: asyncio.Event, turn: Callable[[], Awaitable[object]]) -> None:
    """Say so after each turn, until stopped; `turn` returns once the real work has come round."""
    seconds = watchdog_seconds()
    if seconds is None:
        await stop.wait()
        return
    while not stop.is_set():
        await _until_stopped_or(stop, turn)
        if not stop.is_set():
            alive()
        await pause(stop, seconds / _BEATS)


async def _until_stopped_or(stop: asyncio.Event, act: Callable[[], Awaitable[object]]) -> None:
    stopped, done = asyncio.create_task(stop.wait()), asyncio.ensure_future(act())
    try:
        await asyncio.wait({stopped, done}, return_when=asyncio.FIRST_COMPLETED)
        if done.done():
            done.result()
    finally:
        stopped.cancel()
        done.cancel()


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait so many seconds, or until stopped."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


async def when(stop: asyncio.Event, act: Callable[[], Awaitable[None]]) -> None:
    """Do something once stopped."""
    await stop.wait()
    await act()


async def either(*events: asyncio.Event, timeout: float) -> None:
    """Return when one of the events is set, or after `timeout` seconds."""
    waits: Sequence[asyncio.Task[Any]] = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
