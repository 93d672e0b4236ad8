"""How fast an adapter works and how patient it is, and the loop that all its work runs in."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bus.errors import Transient
from bus.logs import get

_LOG = get(__name__)
_LONGEST_IDLE = 30.0
_AFTER_TROUBLE = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """Seconds and counts; the defaults suit an agency."""

    resend_after: float = 60.0
    """Until what was confirmed but not answered is sent again; doubled each time."""
    retry_after: float = 2.0
    """Until what failed for now is tried again; doubled each time."""
    longest_pause: float = 900.0
    round_every: float = 0.025
    """From the beginning of a round of work to the next: what comes meanwhile is done together."""
    record_after: float = 0.25
    """Until it is written down that something was sent, together with what else was by then."""
    verify_after: float = 0.1
    """Until an answer or a notice that has come is verified, together with what else has by then: letters go first."""
    watch_every: float = 0.25
    """How often other processes' rows are looked for."""
    sending: int = 32
    """Documents on their way at a time."""
    uploads: int = 2
    downloads: int = 4
    """Letters whose files are fetched at a time; one slow file holds only its own place."""
    prefetch: int = 200
    quiet: float = 3.0
    """Without a delivery, until the broker's queue counts as empty and what is missing is asked for."""
    look_every: float = 5.0
    """How often it is looked whether something is missing."""
    gap_after: float = 300.0
    """Until a gap among what has come is asked about; doubled each time, up to a day."""
    refusals: int = 5
    """After how many refusals of a file by the depot it is given up."""

    def retry_at(self, attempts: int) -> float:
        """When to try again after so many attempts that failed (Unix time)."""
        return time.time() + self._pause(self.retry_after, attempts)

    def resend_at(self, attempts: int) -> float:
        """When to send again what is not answered after so many attempts (Unix time)."""
        return time.time() + self._pause(self.resend_after, attempts)

    def pause_after(self, failures: int) -> float:
        """How long to wait before something is tried again that has failed so often, in seconds."""
        return self._pause(self.retry_after, failures)

    def _pause(self, first: float, attempts: int) -> float:
        bound = min(first * 2 ** min(attempts, 20), self.longest_pause)
        return random.uniform(0.8 * bound, bound)


class Clock:
    """Notices when the time of day is put back, which what is put off by it would have to wait for."""

    def __init__(
        self, time_of_day: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._time_of_day = time_of_day
        self._steady = steady
        self._ahead = time_of_day() - steady()

    def put_back(self) -> bool:
        """Whether it was put back by more than a second since this was asked before."""
        before, self._ahead = self._ahead, self._time_of_day() - self._steady()
        return self._ahead < before - 1.0


async def repeat(
    name: str,
    work: Callable[[], Awaitable[float | None]],
    wake: asyncio.Event,
    stop: asyncio.Event,
    *,
    every: float = 0.0,
) -> None:
    """Do the work again and again until `stop`: when woken, or when it said it wants to go on (seconds).

    Rounds begin at least `every` seconds apart. The first thing that comes is taken up at once; under load a round
    takes up several, for the price of one transaction.
    """
    stopped = asyncio.ensure_future(stop.wait())
    stopped.add_done_callback(lambda _: wake.set())  # one thing to wait for, and no task for each wait
    clock = asyncio.get_running_loop().time
    try:
        while not stop.is_set():
            began = clock()
            wake.clear()
            try:
                pause = await work()
            except Transient as exc:
                _LOG.warning("work-postponed", work=name, reason=exc)
                pause = _AFTER_TROUBLE
            except Exception:
                _LOG.exception("work-failed", work=name)
                pause = _AFTER_TROUBLE
            if stop.is_set():
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(_LONGEST_IDLE if pause is None else min(pause, _LONGEST_IDLE)):
                    await wake.wait()
            if (early := began + every - clock()) > 0:
                await asyncio.wait({stopped}, timeout=early)
    finally:
        stopped.cancel()


def note_failure(task: asyncio.Task[Any]) -> None:
    """Log what ended a task; what it worked on is still due, and comes again."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _LOG.error("task-ended", task=task.get_name(), exc_info=error)


def set_after(seconds: float, event: asyncio.Event, known: asyncio.TimerHandle | None) -> asyncio.TimerHandle:
    """Have the event set after so many seconds, unless `known` sets it before that."""
    loop = asyncio.get_running_loop()
    at = loop.time() + max(seconds, 0.0)
    if known is not None and loop.time() < known.when() <= at:
        return known
    return loop.call_at(at, event.set)
