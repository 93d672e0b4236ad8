"""What a request to the depot says in its path, its headers and its body."""

from __future__ import annotations

import re
from typing import Final

from starlette.requests import ClientDisconnect, Request

from bus.depot.presence import SHA256
from bus.depot.refusals import Refusal, RequestRefused
from bus.identifiers import RawDigest

_NUMBER: Final = re.compile(r"\d{1,18}", re.ASCII)
_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_MOST_JSON: Final = 1024 * 1024


def sha256_of(request: Request) -> RawDigest:
    """The digest in the path. Raises RequestRefused (file.unknown) where it is none."""
    sha256: str = request.path_params["sha256"]
    if not SHA256.fullmatch(sha256):
        raise RequestRefused(Refusal.FILE_UNKNOWN)
    return RawDigest(sha256)


def number_of(request: Request, *names: str) -> int | None:
    """The number in the first of these headers that is there. Raises RequestRefused where it is none."""
    for name in names:
        value = request.headers.get(name)
        if value is not None:
            if not _NUMBER.fullmatch(value):
                raise RequestRefused(Refusal.MALFORMED)
            return int(value)
    return None


def range_of(header: str, size: int) -> tuple[int, int, int]:
    """First byte, the byte after the last, and the status; what is no single range is no range (RFC 9110, 14.2)."""
    match = _RANGE.fullmatch(header)
    if match is None or header == "bytes=-":
        return 0, size, 200
    first, last = match.groups()
    start = int(first) if first else max(0, size - int(last))
    stop = min(int(last) + 1, size) if first and last else size
    if first and last and int(last) < int(first):
        return 0, size, 200
    return (start, stop, 206) if start < stop else (0, 0, 416)


async def short_body(request: Request) -> bytes:
    """The body, of 1 MiB at most. Raises RequestRefused."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MOST_JSON:
                raise RequestRefused(Refusal.MALFORMED)
    except ClientDisconnect as exc:
        raise RequestRefused(Refusal.STALLED) from exc
    return bytes(body)
