"""The broker's hosts, in the order in which a process tries them.

A URL may name several hosts: `amqps://user@host1:5671,host2:5671/vhost`. Each process begins at another, so that a
cluster's connections spread; the links of one process share the order, and what one of them found out.
"""

from __future__ import annotations

import random
from collections import Counter
from urllib.parse import unquote, urlsplit

from bus.settings.transport import each_host

_SAY_EVERY = 60.0
"""Seconds between two lines about hosts that cannot be reached, whichever link of the process finds it."""


class Hosts:
    """The hosts of a URL with user and password: secrets, of which only the host's name and port may be logged."""

    def __init__(self, url: str) -> None:
        self._urls = each_host(url)
        self._order = random.sample(list(self._urls), len(self._urls))
        self.given_up: Counter[str] = Counter()
        """How often each was left, though a connection to it was open."""
        self.away: dict[str, str] = {}
        """Why each could not be reached that was tried in vain last."""
        self._said_at: float | None = None

    def __len__(self) -> int:
        return len(self._order)

    @property
    def first(self) -> str:
        """Whom to try next."""
        return self._order[0]

    @property
    def user(self) -> str:
        """As whom they are connected to."""
        return unquote(urlsplit(self._urls[self.first]).username or "")

    def to_be_said(self, at: float) -> bool:
        """Whether it is time for a line about those that are away (monotonic seconds), which then counts as said."""
        if not self.away or (self._said_at is not None and at - self._said_at < _SAY_EVERY):
            return False
        self._said_at = at
        return True

    def url(self, host: str) -> str:
        """The URL of one host."""
        return self._urls[host]

    def put_last(self, host: str) -> None:
        """Try all the others before this one."""
        self._order.remove(host)
        self._order.append(host)

    def give_up(self, host: str) -> None:
        """The same, and have every link of the process that is connected to it leave it."""
        self.given_up[host] += 1
        self.put_last(host)
