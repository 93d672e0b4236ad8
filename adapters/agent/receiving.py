"""From the broker to the inbox: commit, acknowledge, judge, fetch the files, sign the receipt; in this order.

A delivery is acknowledged once its bytes are durable, so a slow file holds up no delivery; the receipt is made once
everything that it attests is durable (P7). What comes twice has no second effect (P2).
"""

from __future__ import annotations

import asyncio
import time
from asyncio import to_thread
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from adapters.agent.tuning import Tuning, set_after
from adapters.agent.verifying import AT_ONCE, Verifier
from adapters.mailbox import Mailbox, Message, arrivals
from bus.broker.messages import Closed, Incoming
from bus.errors import Transient
from bus.failpoints import reached
from bus.logs import get

_LOG = get(__name__)
_BATCH = 200
_PAUSE = 1.0
_AWAITED = frozenset({arrivals.DIRECTORY, arrivals.RECIPIENTS, arrivals.COPY})
"""What others wait for, which are then to be verified."""
_AT_ONCE = _AWAITED | {arrivals.LETTER}


class Deliveries(Protocol):
    """Where deliveries come from; a subscription of the broker's link."""

    async def take(self, limit: int) -> list[Incoming]:
        """Wait for at least one; Closed when stopped."""

    def ack_all(self, incoming: Sequence[Incoming]) -> None:
        """Tell the broker to forget these."""


async def take_in(
    mailbox: Mailbox,
    deliveries: Deliveries,
    heed: Callable[[Collection[str]], None],
    stop: asyncio.Event,
    *,
    arrived: Callable[[], None] = lambda: None,
) -> None:
    """Commit each delivery, then acknowledge it, until the subscription is stopped and empty.

    `heed` is told of which types something has come.
    """
    while True:
        try:
            batch = await deliveries.take(_BATCH)
        except Closed:
            return
        arrived()
        messages = [
            Message(type=each.type or "", body=each.body, headers=dict(each.headers)) for each in batch
        ]
        if not await _stored(mailbox, messages, stop):
            return
        reached("adapter.after-store")
        deliveries.ack_all(batch)
        reached("adapter.after-ack")
        heed({message.type for message in messages})


async def _stored(mailbox: Mailbox, messages: Sequence[Message], stop: asyncio.Event) -> bool:
    """Commit, however long the disk refuses: unacknowledged, the deliveries are still the broker's.

    False if it still refuses when the process is told to stop.
    """
    while True:
        try:
            await to_thread(mailbox.arrivals.store, messages)
        except Transient as exc:
            _LOG.error("deliveries-not-stored", count=len(messages), reason=exc)
            if stop.is_set():
                return False
            await asyncio.sleep(_PAUSE)
        else:
            return True


class Verifying:
    """Judges what arrived, in the order of its arrival; then there may be files to fetch."""

    def __init__(
        self,
        mailbox: Mailbox,
        verifier: Verifier,
        tuning: Tuning,
        *,
        letters: asyncio.Event,
        directories: Sequence[asyncio.Event],
    ) -> None:
        """What to set after letters, and after directories. What there is to send, the mailbox itself tells."""
        self._mailbox = mailbox
        self._verifier = verifier
        self._tuning = tuning
        self._soon: asyncio.TimerHandle | None = None
        self._letters = letters
        self._directories = directories
        self.wake = asyncio.Event()

    def heed(self, types: Collection[str]) -> None:
        """Verify what has come: letters and what others wait for at once, all else soon, and together."""
        if _AT_ONCE.isdisjoint(types):
            self._soon = set_after(self._tuning.verify_after, self.wake, self._soon)
        else:
            self.wake.set()

    async def work(self) -> float | None:
        """Verify a batch; give the seconds until more is to be judged."""
        types, due = await to_thread(self._round)
        if arrivals.LETTER in types:
            self._letters.set()
        if arrivals.DIRECTORY in types:
            for event in self._directories:
                event.set()
        if len(types) == AT_ONCE or not _AWAITED.isdisjoint(types):
            return 0.0
        return None if due is None else max(due - time.time(), _PAUSE / 10)

    def _round(self) -> tuple[list[str], float | None]:
        return self._verifier.work(), self._mailbox.arrivals.next_due()
