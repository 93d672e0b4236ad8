"""What may be read of a request before anything is known of it: as much as a form without files can have."""

from __future__ import annotations

from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_FORM: Final = 1024 * 1024
"""Bytes of a body that is no multipart one; those go to disk as they come, and the server bounds them."""


class Bounded:
    """An ASGI application around another, which gets no more of a body than this."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _has_parts(Request(scope)):
            await self._app(scope, receive, send)
            return
        read = 0

        async def bounded() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > MOST_FORM:
                raise HTTPException(413)
            return message

        await self._app(scope, bounded, send)


def _has_parts(request: Request) -> bool:
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower() == "multipart/form-data"
