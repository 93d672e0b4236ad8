"""The head of the ledger, signed every few seconds as long as anything is appended, and once more at the end."""

from __future__ import annotations

import asyncio

from bus import logs
from bus.errors import Transient
from bus.ledger.checkpoint import Signer, Tampered
from bus.ledger.halt import Halted
from bus.ledger.rows import Head
from bus.process import pause

_log = logs.get("checkpoints")


class Checkpoints:
    """Signs heads beside the appends; knows the newest one, for what goes out to the agencies."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self.newest: Head | None = None
        self.halted = False
        """Whether nothing may be appended, whoever found out that the ledger does not continue what was signed."""

    async def run(self, stop: asyncio.Event, *, interval: float) -> None:
        """Sign what is new, every `interval` seconds, until stopped."""
        while not stop.is_set():
            await self.sign()
            await pause(stop, interval)

    async def sign(self) -> None:
        """Sign the head if there is a new one. A ledger that was rewritten raises an alarm here and no error."""
        try:
            head = await asyncio.to_thread(self._signer.sign)
            # Another router may have signed it.
            self.newest = head or await asyncio.to_thread(self._signer.newest)
            self.halted = False
        except Tampered as found:
            self.halted = True
            _log.critical("ledger-rewritten", reason=found)
        except Halted as found:
            self.halted = True
            _log.error("ledger-halted", reason=found)
        except Transient as away:
            _log.warning("checkpoint-postponed", reason=away)
