"""RabbitMQ's HTTP API. httpx meets it here only."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, unquote, urlsplit

from bus.errors import Misconfigured, Problem, Transient
from bus.platform.sparing import without_colours

with without_colours():
    import httpx


class Management:
    """RabbitMQ's HTTP API as an administrator; a context manager. `url` carries user and password."""

    def __init__(self, url: str, *, timeout: float = 120.0, tls: ssl.SSLContext | bool = True) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or parts.hostname is None or parts.username is None:
            raise Misconfigured(
                Problem(
                    "management URL", "url", "not a URL with a user", "Write http://user:password@host:15672"
                )
            )
        self.user = unquote(parts.username)
        self._client = httpx.Client(
            base_url=f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/api",
            auth=(self.user, unquote(parts.password or "")),
            timeout=timeout,
            verify=tls,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def get(self, *path: str, **query: str) -> Any:
        """The JSON at this path of names."""
        return self._request("GET", path, query=query).json()

    def clock(self) -> datetime | None:
        """What time it is where the management runs, to the second; None where it does not tell."""
        said = self._request("GET", ("whoami",)).headers.get("Date")
        return parsedate_to_datetime(said) if said else None

    def find(self, *path: str) -> Any | None:
        """The same; None where there is nothing."""
        response = self._request("GET", path, missing_is_well=True)
        return None if response.status_code == httpx.codes.NOT_FOUND else response.json()

    def put(self, *path: str, body: object = None) -> None:
        self._request("PUT", path, body or {})

    def post(self, *path: str, body: object) -> Any:
        """Have something done; give what is answered, None where that is nothing."""
        answer = self._request("POST", path, body)
        return answer.json() if answer.content else None

    def delete(self, *path: str) -> None:
        self._request("DELETE", path)

    def _request(
        self,
        method: str,
        path: Iterable[str],
        body: object = None,
        query: Mapping[str, str] | None = None,
        *,
        missing_is_well: bool = False,
    ) -> httpx.Response:
        address = "/" + "/".join(quote(name, safe="") for name in path)
        try:
            response = self._client.request(method, address, json=body, params=query or None)
        except httpx.HTTPError as exc:
            raise Transient(f"the broker's management does not answer ({type(exc).__name__})") from exc
        if response.status_code in (401, 403):
            raise Misconfigured(
                Problem(
                    "management URL",
                    self.user,
                    f"refused ({response.status_code}) at {address}",
                    "Use its present password; `topology` needs the administrator tag, `agencies` the monitoring tag",
                )
            )
        missing = response.status_code == httpx.codes.NOT_FOUND
        if response.is_error and not (missing and missing_is_well):
            raise Transient(f"the broker's management answered {response.status_code} to {method} {address}")
        return response
