"""The router's side of the depot: one question for all files of a batch."""

from __future__ import annotations

import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from bus.depot.presence import MOST_CHECKS, Check, Presence, read_results, write_checks
from bus.documents.notice import BUS
from bus.documents.seal import Seal
from bus.documents.tokens import request_token
from bus.errors import Transient
from bus.platform.sparing import without_colours

with without_colours():
    import httpx

_FREE = re.compile(r"^saraban_depot_disk_free_bytes ([0-9.e+]+)$", re.MULTILINE)


class PresenceClient:
    """Asks the depot, as the bus; an asynchronous context manager over its connections."""

    def __init__(
        self, url: str, seal: Seal, *, tls: ssl.SSLContext | bool = True, timeout: float = 30.0
    ) -> None:
        self._seal = seal
        self._http = httpx.AsyncClient(base_url=url, verify=tls, timeout=timeout, trust_env=False)

    async def hold(self, checks: Sequence[Check]) -> list[Presence]:
        """Answer each check, in order, and hold for seven days what is there; Transient when the depot is away.

        A depot that does not believe the router's token counts as away too: nothing may be refused to an agency
        for what is wrong between the parts of the bus.
        """
        presences: list[Presence] = []
        for start in range(0, len(checks), MOST_CHECKS):
            presences += await self._ask(checks[start : start + MOST_CHECKS])
        return presences

    async def ready(self) -> bool:
        """Whether the depot says that it can work."""
        try:
            return (await self._http.get("/readyz")).status_code == 200
        except httpx.HTTPError:
            return False

    async def _ask(self, checks: Sequence[Check]) -> list[Presence]:
        request = self._http.build_request("POST", "/presence", content=write_checks(checks))
        token = request_token(self._seal, BUS, request.method, request.url.path)
        request.headers["Authorization"] = f"Bearer {token}"
        try:
            response = await self._http.send(request)
        except httpx.HTTPError as exc:
            raise Transient(f"the depot is away ({type(exc).__name__})") from exc
        if response.status_code != 200:
            code = response.headers.get("Saraban-Code", "without a code")
            raise Transient(f"the depot answered {response.status_code} ({code})")
        try:
            return read_results(response.content, len(checks))
        except ValueError as exc:
            raise Transient("the depot's answer cannot be read") from exc

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()


async def reached(url: str, tls: ssl.SSLContext | bool, *, timeout: float = 10.0) -> int:
    """Return the status with which a depot says whether it can work. Raises Transient when it cannot be reached."""
    async with httpx.AsyncClient(base_url=url, verify=tls, timeout=timeout, trust_env=False) as client:
        try:
            return (await client.get("/readyz")).status_code
        except httpx.HTTPError as exc:
            raise Transient(f"the depot is away ({type(exc).__name__})") from exc


@dataclass(frozen=True, slots=True)
class DepotSeen:
    """What a depot says of itself."""

    ready: bool
    reasons: tuple[str, ...]
    """Why it is not ready, as it says it."""
    free_bytes: int | None
    """Bytes free on its disk; None where it does not tell."""


def look(url: str, tls: ssl.SSLContext | bool, *, timeout: float = 5.0) -> DepotSeen:
    """Ask a depot whether it can work, and for the room that it has. Raises Transient when it cannot be reached."""
    with httpx.Client(base_url=url, verify=tls, timeout=timeout, trust_env=False) as client:
        try:
            answer, metrics = client.get("/readyz"), client.get("/metrics")
        except httpx.HTTPError as exc:
            raise Transient(f"the depot is away ({type(exc).__name__})") from exc
    reasons = _reasons(answer)
    told = _FREE.search(metrics.text) if metrics.status_code == 200 else None
    return DepotSeen(answer.status_code == 200, reasons, int(float(told[1])) if told else None)


def _reasons(answer: httpx.Response) -> tuple[str, ...]:
    try:
        return tuple(map(str, answer.json().get("reasons", ())))
    except (ValueError, AttributeError):
        return ()
