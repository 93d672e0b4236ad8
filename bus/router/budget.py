"""How many bytes of consignments a router has in memory and on their way, whoever made them.

A circular, a new version of the directory and what an agency asks for again go the same way: published from one copy of
their body, while what is on the way, which the broker's client copies, stays below one limit.
"""

from __future__ import annotations

from bus.identifiers import AgencyCode
from bus.router.couriers import Courier

MOST_IN_MEMORY = 64 * 1024 * 1024
"""Bytes of different bodies that wait in memory; what is beyond waits in the database."""
MOST_ON_THE_WAY = 16 * 1024 * 1024
"""Bytes that are published and not confirmed; a consignment larger than this goes alone."""


class Bodies:
    """The bodies of consignments that wait in memory; one that many share counts once."""

    def __init__(self) -> None:
        self._shared: dict[int, int] = {}
        self.size = 0

    def add(self, body: bytes) -> None:
        """Count a consignment's body."""
        count = self._shared.get(id(body), 0)
        self._shared[id(body)] = count + 1
        self.size += 0 if count else len(body)

    def remove(self, body: bytes) -> None:
        """Count it no more."""
        count = self._shared.pop(id(body))
        if count > 1:
            self._shared[id(body)] = count - 1
        else:
            self.size -= len(body)


class OnTheWay:
    """The bytes that are published and not confirmed, and the couriers that wait for some of them to be."""

    def __init__(self) -> None:
        self._size = 0
        self._held_up: dict[AgencyCode, Courier] = {}
        """In the order in which they came; a circular may hold up thousands."""

    def take(self, courier: Courier, size: int) -> bool:
        """Take so many bytes for a publish; False if they are too many now, and the courier's turn will come."""
        if self._size and self._size + size > MOST_ON_THE_WAY:
            self._held_up.setdefault(courier.agency, courier)
            return False
        self._size += size
        return True

    def give_back(self, size: int) -> Courier | None:
        """Give a publish's bytes back; return the courier whose turn it is, if any was held up."""
        self._size -= size
        return self._held_up.pop(next(iter(self._held_up))) if self._held_up else None
