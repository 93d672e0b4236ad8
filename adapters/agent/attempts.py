"""What is on its way to the bus, and what came of it, until that is written down: several at a time, for one commit.

Until it is written down a document counts as under way and is not sent again; after a crash the same bytes go at once.
"""

from __future__ import annotations

import asyncio
import time
from asyncio import to_thread
from functools import partial

from adapters.agent.tuning import Tuning, note_failure, set_after
from adapters.mailbox.entries import Attempt
from adapters.mailbox.outbox import Outbox

_TOGETHER = 8
"""Attempts that are written down without waiting for more."""


class Attempts:
    """The documents that are on their way, by their rows."""

    def __init__(self, outbox: Outbox, tuning: Tuning, wake: asyncio.Event) -> None:
        """`wake` is set when more can be sent."""
        self._outbox = outbox
        self._tuning = tuning
        self._wake = wake
        self._under_way: dict[int, asyncio.Task[None]] = {}
        self._came: dict[int, Attempt] = {}
        self._soon: asyncio.TimerHandle | None = None
        self._again: asyncio.TimerHandle | None = None
        self.full = False
        """Whether something may be due that has no place."""
        self.ended = asyncio.Event()

    @property
    def rows(self) -> list[int]:
        """What is under way."""
        return list(self._under_way)

    @property
    def free(self) -> int:
        """How many more may be."""
        return max(self._tuning.sending - len(self._under_way), 0)

    def begin(self, row: int, task: asyncio.Task[None]) -> None:
        """Note that this task sends it."""
        self._under_way[row] = task
        task.add_done_callback(partial(self._finished, row))

    def came_of(self, attempt: Attempt) -> None:
        """Note what came of one; its task ends now."""
        self._came[attempt.row.id] = attempt

    async def record(self) -> float | None:
        """Store what came of those that have ended, all at once."""
        attempts = list(self._came.values())
        if attempts:
            is_due = await to_thread(self._outbox.attempted, attempts)
            for each in attempts:
                del self._came[each.row.id]
                self._under_way.pop(each.row.id, None)
            if self.full or is_due:
                self._wake.set()
            due = min(each.next_attempt_at for each in attempts)
            self._again = set_after(due - time.time(), self._wake, self._again)
        return self._tuning.record_after if self._came else None

    async def finish(self, grace: float) -> None:
        """Let what is under way come to an end, and stop what does not within `grace` seconds: it stays due."""
        if tasks := set(self._under_way.values()):
            _, late = await asyncio.wait(tasks, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self.record()

    def _finished(self, row: int, task: asyncio.Task[None]) -> None:
        note_failure(task)
        if row not in self._came:
            self._under_way.pop(row, None)
            self._wake.set()
        elif self.full or len(self._came) >= _TOGETHER or self._came[row].error is not None:
            self.ended.set()
        else:
            self._soon = set_after(self._tuning.record_after, self.ended, self._soon)
