"""How the depot answers: stored, refused with a code, or a file block by block."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import BinaryIO

from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from bus import logs
from bus.depot.refusals import WORDS, Refusal
from bus.documents.tokens import Doubt
from bus.identifiers import RawDigest

_log = logs.get(__name__)


class Cut(Exception):
    """A file cannot be sent to its end, and its beginning is on its way; `why` is no foreign text."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class FileResponse(StreamingResponse):
    """An opened file, closed whatever becomes of the request; one that cannot be read to its end is cut off."""

    def __init__(
        self, file: BinaryIO, blocks: AsyncIterator[bytes], status: int, headers: Mapping[str, str]
    ) -> None:
        super().__init__(blocks, status, headers, media_type="application/octet-stream")
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._file:
            try:
                await super().__call__(scope, receive, send)
            except Cut as cut:
                # The connection ends before the stated length, so that the client knows and fetches the rest.
                _log.warning("download-cut-off", reason=cut.why)
            except ClientDisconnect:
                _log.info("download-abandoned")


def stored(sha256: RawDigest, size: int, *, new: bool) -> Response:
    """The file is held; 201 where it was not before."""
    return JSONResponse({"sha256": sha256, "size": size}, 201 if new else 200)


def refusal(
    code: Refusal | Doubt,
    *,
    offset: int | None = None,
    headers: Mapping[str, str] | None = None,
    reasons: Sequence[str] = (),
) -> Response:
    """A code and its sentences, with the status that belongs to it."""
    words = WORDS[code]
    all_headers = {"Saraban-Code": code.value, **(headers or {})}
    if words.status == 401:
        all_headers["WWW-Authenticate"] = "Bearer"
    if offset is not None:
        all_headers["Upload-Offset"] = str(offset)
    value = {"code": code.value, "th": words.th, "en": words.en} | ({"reasons": reasons} if reasons else {})
    return JSONResponse(value, words.status, all_headers)
