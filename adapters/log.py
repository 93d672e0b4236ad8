"""The client of the ledger's public part: signed heads, and proofs that one continues another."""

from __future__ import annotations

import ssl
from base64 import b64decode
from typing import Self

import httpx

from bus.errors import BusError, Transient

_LARGEST = 4 * 1024 * 1024


class Shorter(BusError):
    """The log says that it has not so many entries as were asked about."""

    for_logs = True


class LogClient:
    """Asks where the depot is; an asynchronous context manager over its connections."""

    def __init__(self, url: str, *, tls: ssl.SSLContext | bool = True, timeout: float = 20.0) -> None:
        self._http = httpx.AsyncClient(base_url=url, verify=tls, timeout=timeout, trust_env=False)

    async def anchor(self) -> str | None:
        """Return the newest head that witnesses are asked for, None while there is none. Raises Transient."""
        response = await self._get("/log/anchor")
        return None if response.status_code == 404 else response.text

    async def consistency(self, old: int, new: int) -> list[bytes]:
        """Return the proof between two sizes. Raises Shorter when the log is shorter, Transient when it is away."""
        response = await self._get(f"/log/consistency/{old}/{new}")
        if response.status_code == 404:
            raise Shorter(f"the log has no signed head of {new} entries or more")
        try:
            return [b64decode(one, validate=True) for one in response.json()["hashes"]]
        except (ValueError, KeyError, TypeError) as error:
            raise Transient("the log's proof cannot be read") from error

    async def _get(self, path: str) -> httpx.Response:
        try:
            response = await self._http.get(path)
        except httpx.HTTPError as error:
            raise Transient(f"the log is away ({type(error).__name__})") from error
        if response.status_code not in (200, 404) or len(response.content) > _LARGEST:
            raise Transient(f"the log answered {response.status_code}")
        return response

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()
