"""What offices have in common that ask their door by HTTP: they ask again for what it cannot do yet."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any

import httpx

from bus.errors import BusError
from bus.identifiers import AgencyCode
from compose.demo.offices.office import Held, News

_NOT_NOW = frozenset({429, 503})


class NotNow(BusError):
    """The door cannot do it yet; the same request later may be answered."""


class Wrong(BusError):
    """The door refused; the message has its words."""


class AskingOffice:
    """An office at an address: what it wants done is kept in order, each until the door has answered it."""

    every = 0.25
    """Seconds between two looks: as often as a door's own bounds permit for long."""

    def __init__(self, code: AgencyCode, name: str, http: httpx.Client) -> None:
        self.code, self.name = code, name
        self.held: list[Held] = []
        self.failed: list[str] = []
        self._http = http
        self._news: list[News] = []
        self._wanted: deque[Callable[[], object]] = deque()
        self._next = 0.0

    def look(self) -> list[News]:
        """Do what is wanted, take what has come, and return what is new."""
        if monotonic() < self._next:
            return []
        self._next = monotonic() + self.every
        try:
            while self._wanted:
                self._do(self._wanted[0])
                self._wanted.popleft()
            self._do(self._take)
        except (NotNow, httpx.TransportError):
            pass  # its adapter is not there, or not that far: the next look asks again
        news, self._news = self._news, []
        return news

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _want(self, act: Callable[[], object]) -> None:
        self._wanted.append(act)

    def _do(self, act: Callable[[], object]) -> None:
        try:
            act()
        except Wrong as exc:
            self.failed.append(str(exc))

    def _take(self) -> None:
        """Take what has come, and add to the news."""
        raise NotImplementedError

    def _ask(self, method: str, path: str, **how: Any) -> httpx.Response:
        """Return an answer that is none of trouble. Raises NotNow, Wrong, TransportError."""
        answer = self._http.request(method, path, **how)
        if answer.status_code in _NOT_NOW:
            raise NotNow(f"{method} {path}: {answer.status_code}")
        if answer.is_error:
            raise Wrong(f"{self.name} {method} {path}: {answer.status_code} {answer.text[:300]}")
        return answer
