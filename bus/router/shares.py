"""Fairness between agencies: whose submissions are taken next, and who has had its share.

What an agency submits waits in a queue of its own. Of what has arrived, one submission of each agency is taken in
turn. An agency that has used more than its share lately (messages, bytes, or submissions that came to nothing) is
taken only when nobody else waits; what it sent stays where it is, in the broker, and nothing of it is lost.

Each quantity is a leaky bucket: it drains by a whole share per window and holds at most two, so that who stops
flooding is served like all others one window later.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from bus.broker import topology
from bus.broker.messages import Incoming

_MOST_BYTES = 8 * 1024**2
"""In one batch: large submissions wait for one another, not for everybody."""
_EXCEEDING = 3
"""By how much smaller a batch is that has only submissions from beyond a share."""
_HOLDS = 2.0


@dataclass(frozen=True, slots=True)
class Share:
    """What each agency may use in a window before others go first."""

    messages: int = 3_000
    bytes: int = 64 * 1024**2
    fruitless: int = 100
    """Submissions that were refused, or answered before."""
    window: float = 60.0
    """Seconds."""


@dataclass(slots=True)
class _Used:
    """What one agency has used, each as a part of its share, at a time of the clock."""

    parts: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    at: float = 0.0
    informed_at: float | None = None
    flagged: bool = True
    """Whether an answer has told the agency since."""


class Shares:
    """What every agency has used of its share."""

    def __init__(self, share: Share, clock: Callable[[], float] = time.monotonic) -> None:
        self._share = share
        self._clock = clock
        self._used: dict[str, _Used] = {}

    def use(self, agency: str, *, messages: int = 0, size: int = 0, fruitless: int = 0) -> None:
        """Count what an agency has used."""
        share, used = self._share, self._drained(agency)
        spent = (messages / share.messages, size / share.bytes, fruitless / share.fruitless)
        used.parts = [min(_HOLDS, part + more) for part, more in zip(used.parts, spent, strict=True)]

    def exceeded(self, agency: str) -> bool:
        """Whether an agency has used more than its share."""
        return agency in self._used and max(self._drained(agency).parts) > 1.0

    def used(self, agency: str) -> dict[str, int]:
        """Return what an agency has used, in percent of its share; twice the share is as much as is remembered."""
        parts = self._drained(agency).parts
        return {
            name: round(part * 100)
            for name, part in zip(("messages", "bytes", "fruitless"), parts, strict=True)
        }

    @property
    def exceeding(self) -> int:
        """How many agencies exceed their share now."""
        return sum(map(self.exceeded, list(self._used)))

    def to_be_informed(self, agency: str) -> bool:
        """Whether an agency exceeds its share and nobody was told so in this window; it counts as told then."""
        if not self.exceeded(agency):
            return False
        used = self._used[agency]
        if used.informed_at is not None and used.at - used.informed_at < self._share.window:
            return False
        used.informed_at, used.flagged = used.at, False
        return True

    def to_be_flagged(self, agency: str) -> bool:
        """Whether an answer is to tell the agency what others have been told already; it counts as flagged then."""
        used = self._used.get(agency)
        if used is None or used.flagged:
            return False
        used.flagged = True
        return True

    def _drained(self, agency: str) -> _Used:
        now, used = self._clock(), self._used.setdefault(agency, _Used())
        gone = (now - used.at) / self._share.window
        used.parts = [max(0.0, part - gone) for part in used.parts]
        used.at = now
        return used


class FairOrder:
    """What has arrived for a router, in the order in which agencies take turns.

    The submit exchange says whose a message is: nobody else can write there.
    """

    def __init__(self, shares: Shares, most: int = 128) -> None:
        """`most`: in one batch, however quick they are."""
        self._shares = shares
        self._most = most
        self._waiting: dict[str, deque[Incoming]] = {}
        """By submit exchange, in the order of their turns."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def only_exceeding(self) -> bool:
        """Whether something waits, and only from agencies that have exceeded their share."""
        return self._count > 0 and all(map(self._exceeded, self._waiting))

    def add(self, incoming: Incoming) -> None:
        self._waiting.setdefault(incoming.exchange, deque()).append(incoming)
        self._count += 1

    def take(self, limit: int) -> list[Incoming]:
        """Take at most `limit`, one of each agency in turn; of those beyond their share only if nobody else waits."""
        turns = deque(key for key in self._waiting if not self._exceeded(key))
        if not turns:
            # Whoever comes next should not wait long for those that have had their share.
            turns, limit = deque(self._waiting), max(1, limit // _EXCEEDING)
        limit = min(limit, self._most)
        taken: list[Incoming] = []
        size = 0
        while turns and len(taken) < limit and size < _MOST_BYTES:
            exchange = turns.popleft()
            # To the end: in the next batch those come first whose turn did not come in this one.
            queue = self._waiting[exchange] = self._waiting.pop(exchange)
            incoming = queue.popleft()
            self._count -= 1
            taken.append(incoming)
            size += len(incoming.body)
            self._shares.use(_agency(exchange), messages=1, size=len(incoming.body))
            if queue:
                turns.append(exchange)
            else:
                del self._waiting[exchange]
        return taken

    def clear(self) -> None:
        self._waiting.clear()
        self._count = 0

    def _exceeded(self, exchange: str) -> bool:
        return self._shares.exceeded(_agency(exchange))


def _agency(exchange: str) -> str:
    return topology.agency_of_exchange(exchange) or exchange
