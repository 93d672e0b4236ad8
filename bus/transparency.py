"""The ledger's head and tree over HTTP, for everybody: hashes only, never an entry (C2SP tlog-tiles).

| Request | Answer |
|---|---|
| GET /log/checkpoint | the newest signed head, with the cosignatures that it has; not to be cached |
| GET /log/anchor | the newest head that witnesses are asked to cosign; not to be cached |
| GET /log/tile/L/N, /log/tile/L/N.p/W | a tile of the tree: 256 hashes, or the first W of a partial one |
| GET /log/consistency/OLD/NEW | {"hashes": […]}: the proof that the tree of OLD entries begins the one of NEW |

Nothing is told that no signed head covers.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from bus import logs
from bus.errors import Transient
from bus.ledger.checkpoint import published
from bus.ledger.reading import Reader
from bus.ledger.rows import Head
from bus.ledger.store import Ledger
from bus.ledger.tiles import HEIGHT, WIDTH

_PLACE = re.compile(r"(?:x\d{3}/)*\d{3}(?:\.p/([1-9]\d{0,2}))?", re.ASCII)
_MOST_LEVELS = 8
_FRESH = {"Cache-Control": "no-cache"}
_LASTING = {"Cache-Control": "public, max-age=31536000, immutable"}
_log = logs.get("transparency")


def log_routes(ledger: Ledger) -> list[BaseRoute]:
    """Return the routes below /log."""
    handlers = _Handlers(ledger)
    return [
        Route("/log/checkpoint", handlers.checkpoint),
        Route("/log/anchor", handlers.anchor),
        Route("/log/tile/{level:int}/{place:path}", handlers.tile),
        Route("/log/consistency/{old:int}/{new:int}", handlers.consistency),
    ]


class _Handlers:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def checkpoint(self, _request: Request) -> Response:
        """The newest head."""
        return await self._asked(lambda reader: _head(reader, reader.heads.newest()))

    async def anchor(self, _request: Request) -> Response:
        """The newest anchor."""

        def answer(reader: Reader) -> Response:
            anchor = reader.heads.newest_anchor()
            return _head(reader, anchor[0] if anchor else None)

        return await self._asked(answer)

    async def tile(self, request: Request) -> Response:
        """A tile."""
        level, place = request.path_params["level"], request.path_params["place"]
        match = _PLACE.fullmatch(place)
        if match is None or level >= _MOST_LEVELS:
            return _nothing()
        number = int(re.sub(r"[x/]", "", place.partition(".")[0]))
        width = int(match[1]) if match[1] else WIDTH

        def answer(reader: Reader) -> Response:
            there = (_size(reader) >> (HEIGHT * level)) - number * WIDTH
            if not 0 < width <= min(there, WIDTH):
                return _nothing()
            data = reader.tree().tile(level, number, width)
            return Response(data, headers=_LASTING, media_type="application/octet-stream")

        return await self._asked(answer)

    async def consistency(self, request: Request) -> Response:
        """A proof between two sizes."""
        old, new = request.path_params["old"], request.path_params["new"]

        def answer(reader: Reader) -> Response:
            if not 0 <= old <= new <= _size(reader):
                return _nothing()
            hashes = [b64encode(one).decode() for one in reader.tree().consistency_proof(old, new)]
            return JSONResponse({"old": old, "new": new, "hashes": hashes}, headers=_LASTING)

        return await self._asked(answer)

    async def _asked(self, answer: Callable[[Reader], Response]) -> Response:
        def ask() -> Response:
            with self._ledger.read() as reader:
                return answer(reader)

        try:
            return await run_sync(ask)
        except Transient as away:
            _log.warning("ledger-away", reason=away)
            return PlainTextResponse("not now\n", 503)


def _head(reader: Reader, head: Head | None) -> Response:
    if head is None:
        return _nothing()
    lines = [line for _, line in reader.heads.cosignatures(head.size)]
    return PlainTextResponse(published(head, lines), headers=_FRESH)


def _size(reader: Reader) -> int:
    newest = reader.heads.newest()
    return newest.size if newest else 0


def _nothing() -> Response:
    return PlainTextResponse("not in any signed head\n", 404)
