"""The client of the ledger's public part: signed heads, and proofs that one continues another."""

from __future__ import annotations

import json
import ssl
from base64 import b64decode
from typing import Self

from adapters.http import Connections, Failed
from bus.errors import BusError, Transient
from bus.logs import in_words

_LARGEST = 4 * 1024 * 1024


class Shorter(BusError):
    """The log says that it has not so many entries as were asked about."""

    for_logs = True


class LogClient:
    """Asks where the depot is; an asynchronous context manager over its connections."""

    def __init__(self, url: str, *, tls: ssl.SSLContext | bool = True, timeout: float = 20.0) -> None:
        self._http = Connections(url, tls=tls, timeout=timeout)

    async def anchor(self) -> str | None:
        """Return the newest head that witnesses are asked for, None while there is none. Raises Transient."""
        found = await self._get("/log/anchor")
        return None if found is None else found.decode(errors="replace")

    async def consistency(self, old: int, new: int) -> list[bytes]:
        """Return the proof between two sizes. Raises Shorter when the log is shorter, Transient when it is away."""
        found = await self._get(f"/log/consistency/{old}/{new}")
        if found is None:
            raise Shorter(f"the log has no signed head of {new} entries or more")
        try:
            return [b64decode(one, validate=True) for one in json.loads(found)["hashes"]]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise Transient("the log's proof cannot be read") from error

    async def _get(self, path: str) -> bytes | None:
        """What is there, None if nothing is."""
        try:
            answer = await self._http.ask("GET", self._http.prefix + path, {"Accept-Encoding": "identity"})
            try:
                body = await answer.whole(_LARGEST)
            finally:
                await answer.close()
        except Failed as error:
            raise Transient(f"the log is away ({in_words(error)})") from error
        if answer.status not in (200, 404):
            raise Transient(f"the log answered {answer.status}")
        return body if answer.status == 200 else None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()
