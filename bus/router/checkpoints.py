"""The head of the ledger, signed every few seconds as long as anything is appended, and once more at the end."""

from __future__ import annotations

import asyncio
from time import monotonic

from bus.errors import Transient
from bus.ledger.checkpoint import Signer, Tampered
from bus.ledger.halt import Halted
from bus.ledger.rows import Head
from bus.logs import in_words
from bus.process import pause
from bus.router.alarms import Alarms

_ANSWERS_WITHIN = 10.0
"""Seconds; an append that takes longer is none that only waits for others."""


class Checkpoints:
    """Signs heads beside the appends; knows the newest one, for what goes out to the agencies.

    Who tries to append every few seconds also knows best whether that can be done.
    """

    def __init__(self, signer: Signer, alarms: Alarms) -> None:
        self._signer = signer
        self._alarms = alarms
        self._asked_at: float | None = None
        self._away: str | None = "the ledger has not been asked yet"
        self.newest: Head | None = None
        self.halt: str | None = None
        """Why nothing may be appended, whoever found out that the ledger does not continue what was signed."""

    @property
    def away(self) -> str | None:
        """Why the ledger's database cannot be written to now, None while it can."""
        if self._asked_at is not None and (waited := monotonic() - self._asked_at) > _ANSWERS_WITHIN:
            return f"the ledger's database has not answered for {waited:.0f} s"
        return self._away

    async def run(self, stop: asyncio.Event, *, interval: float) -> None:
        """Sign what is new, every `interval` seconds, until stopped."""
        while not stop.is_set():
            await self.sign()
            await pause(stop, interval)

    async def sign(self) -> None:
        """Sign the head if there is a new one. A ledger that was rewritten raises an alarm here and no error."""
        self._asked_at = monotonic()
        try:
            head = await asyncio.to_thread(self._signer.sign)
            # Another router may have signed it.
            self.newest = head or await asyncio.to_thread(self._signer.newest)
            self.halt = self._away = None
        except Tampered as found:
            self.halt = in_words(found)
            self._alarms.ring("ledger-rewritten", reason=found)
        except Halted as found:
            self.halt, self._away = in_words(found), None
        except Transient as away:
            self._away = in_words(away)
        finally:
            self._asked_at = None
