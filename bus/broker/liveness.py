"""Whether an open connection is of any use: two rules, by which a link leaves a host that only keeps it waiting.

| Left when | Of | Such a node is |
|---|---|---|
| for `SILENT_FOR` seconds no byte came, though asked each second | every connection | frozen, or cut off from us |
| for `patience` seconds no queue took what was published | one of several hosts | cut off from its cluster |

A broker that blocks publishers (an alarm) is alive, and neither rule counts. What comes back as unroutable passed no
queue and proves nothing of queues. One queue that takes nothing is not the node's fault: any other that takes something
ends the counting, so a link with many queues publishes to `topology.PROBE` all the time. A link with one queue cannot
tell, and is more patient each time.

Seconds are counted in looks, one a second: a process that was itself stopped must not blame the broker for it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

LOOK_EVERY = 1.0
SILENT_FOR = 7
"""Looks. With the next handshake (link.py) it has to stay well below the quarter of a minute that is promised."""
MOST_PATIENCE = 240
_WORTH_SAYING = 3


@dataclass(slots=True)
class Evidence:
    """What became of the publishes of one connection."""

    taken: int = 0
    """How many a queue has taken."""
    untaken: int = 0
    """How many were sent after the last of these and were not handed back: unanswered or refused."""

    def sent(self) -> None:
        self.untaken += 1

    def returned(self) -> None:
        self.untaken = max(0, self.untaken - 1)

    def confirmed(self) -> None:
        self.taken += 1
        self.untaken = 0


class Watched(Protocol):
    """What is asked of a connection; connection.py has the real one."""

    unblocked: asyncio.Event
    evidence: Evidence

    @property
    def bytes_received(self) -> int: ...

    def ask(self) -> None:
        """Have the broker answer something."""


class Liveness:
    """Looks at one connection; `patience` in looks, None where there is no other host to go to."""

    def __init__(self, connection: Watched, *, patience: int | None) -> None:
        self._connection = connection
        self._patience = patience
        self._bytes = connection.bytes_received
        self._taken = 0
        self._silent = 0
        self._untaken = 0
        self.looks = 0

    def look(self) -> None:
        """Count another second."""
        connection, evidence = self._connection, self._connection.evidence
        self.looks += 1
        if not connection.unblocked.is_set():
            evidence.untaken = self._silent = self._untaken = 0
            return
        self._silent = self._silent + 1 if connection.bytes_received == self._bytes else 0
        self._untaken = self._untaken + 1 if evidence.untaken and evidence.taken == self._taken else 0
        self._bytes, self._taken = connection.bytes_received, evidence.taken
        connection.ask()

    @property
    def silent(self) -> bool:
        """Whether to leave, for nothing comes from there."""
        return self._silent >= SILENT_FOR

    @property
    def useless(self) -> bool:
        """Whether to leave, for no queue is reached there."""
        return self._patience is not None and self._untaken >= self._patience

    @property
    def trouble(self) -> str | None:
        """What is wrong, in words, as soon as it is worth saying."""
        if self._silent >= _WORTH_SAYING:
            return f"has said nothing for {self._silent} s"
        if self._untaken >= _WORTH_SAYING:
            return f"has confirmed nothing for {self._untaken} s"
        return None
