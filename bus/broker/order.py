"""In which order what has arrived is taken."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from bus.broker.messages import Incoming


class Order(Protocol):
    """What has arrived and is not taken yet, and what of it is taken next."""

    def __len__(self) -> int: ...
    def add(self, incoming: Incoming) -> None: ...
    def take(self, limit: int) -> list[Incoming]: ...
    def clear(self) -> None: ...


class InOrderOfArrival:
    """First come, first taken."""

    def __init__(self) -> None:
        self._arrived: deque[Incoming] = deque()

    def __len__(self) -> int:
        return len(self._arrived)

    def add(self, incoming: Incoming) -> None:
        self._arrived.append(incoming)

    def take(self, limit: int) -> list[Incoming]:
        return [self._arrived.popleft() for _ in range(min(limit, len(self._arrived)))]

    def clear(self) -> None:
        self._arrived.clear()
