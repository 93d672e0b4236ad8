"""What the broker has confirmed becomes an entry: several confirmations share one, and none waits for a bad one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from bus.errors import Transient
from bus.ledger.group import GroupCommit
from bus.ledger.rows import Consignment
from bus.ledger.store import Writer
from bus.router.alarms import Alarms

_GATHER_FOR, _RECORD_EVERY = 0.05, 0.2
"""Seconds that the first confirmation waits for others, and between two records at the least: nobody waits for them,
and an append for a few costs as much as one for hundreds. A letter and the answer to its sender are confirmed one after
the other, and share one."""
_TRY_AGAIN_AFTER = 1.0


class Confirmations:
    """Collects what was confirmed and records it."""

    def __init__(
        self,
        appends: GroupCommit,
        alarms: Alarms,
        again: Callable[[], None],
        entered: Callable[[range], None] = lambda made: None,
    ) -> None:
        """`again` is called when some of it was asked for once more meanwhile, `entered` with the entries made."""
        self._appends = appends
        self._alarms = alarms
        self._again = again
        self._entered = entered
        self._waiting: list[Consignment] = []
        self._some = asyncio.Event()

    def add(self, consignment: Consignment) -> None:
        """Have a confirmed consignment recorded."""
        self._waiting.append(consignment)
        self._some.set()

    async def run(self) -> None:
        """Record again and again, until cancelled."""
        clock, recorded_at = asyncio.get_running_loop().time, 0.0
        while True:
            await self._some.wait()
            await asyncio.sleep(max(_GATHER_FOR, recorded_at + _RECORD_EVERY - clock()))
            recorded_at = clock()
            await self.record()

    async def record(self) -> None:
        """Record what there is."""
        self._some.clear()
        batch, self._waiting = self._waiting, []
        if batch:
            await self._record(batch)

    async def _record(self, batch: list[Consignment]) -> None:
        recording = self._appends.submit(partial(_confirm, batch), about="confirms")
        try:
            # Shielded: what is being recorded when the router stops is recorded all the same.
            again, made = await asyncio.shield(asyncio.wrap_future(recording))
        except Transient:
            # Unrecorded is not unpublished: they stay pending, are sent again and known by their numbers.
            self._waiting.extend(batch)
            await asyncio.sleep(_TRY_AGAIN_AFTER)
            self._some.set()
        except Exception as bug:
            if len(batch) > 1:
                for one in batch:
                    await self._record([one])
                return
            # It stays pending too, and is published again once its lease has expired; no other waits for it.
            self._alarms.ring(
                "background-failed", work="record consigned", agency=batch[0].agency, exc_info=bug
            )
        else:
            self._entered(made)
            if again:
                self._again()


def _confirm(batch: list[Consignment], writer: Writer) -> tuple[bool, range]:
    first = writer.next_seq
    again = writer.confirmed(batch)
    return again, range(first, writer.next_seq)
