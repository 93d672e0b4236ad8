"""Enrolment over HTTP, at the address of the depot.

| Request | Who | Answer |
|---|---|---|
| POST /enrolments, {"secret", "request"} | who has an invitation | 202 {"request": its SHA-256} |
| PUT /renewals/{sha256}, the request | an agency, with a token by the key that it has | 202 {"request": its SHA-256} |
| GET /enrolments/{sha256} | who knows the request | 200 and the signed answer, 202 while there is none, 404 |

A renewal's token is for this one address, and so for this one request. Errors are JSON, as those of the depot.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from anyio.to_thread import run_sync
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from bus import logs
from bus.depot.refusals import WORDS as DEPOT_WORDS
from bus.depot.refusals import Words
from bus.directory import PinnedCertificate
from bus.documents.enrolment import MOST_BYTES, request_digest
from bus.documents.tokens import Denied, open_request_token
from bus.enrolment.receiving import Policy, answer_to, take_renewal, take_request
from bus.enrolment.refusals import WORDS, EnrolmentRefused, Refusal
from bus.errors import Transient
from bus.identifiers import AgencyCode, RawDigest
from bus.ledger.store import Ledger

_DIGEST = re.compile("[0-9a-f]{64}", re.ASCII)
_FRESH = {"Cache-Control": "no-store"}
_log = logs.get("enrolment")

Pins = Callable[[AgencyCode], Sequence[PinnedCertificate]]
Endpoint = Callable[[Request], Awaitable[Response]]


def enrolment_routes(ledger: Ledger, pins_of: Pins, policy: Policy) -> list[BaseRoute]:
    """Return the routes; `pins_of` knows agencies by their keys, `policy` is what becomes of renewals."""
    handlers = _Handlers(ledger, pins_of, policy)
    return [
        Route("/enrolments", handlers.answered(handlers.enrol), methods=["POST"]),
        Route("/enrolments/{sha256}", handlers.answered(handlers.look), methods=["GET"]),
        Route("/renewals/{sha256}", handlers.answered(handlers.renew), methods=["PUT"]),
    ]


class _Handlers:
    def __init__(self, ledger: Ledger, pins_of: Pins, policy: Policy) -> None:
        self._ledger = ledger
        self._pins_of = pins_of
        self._policy = policy

    def answered(self, endpoint: Endpoint) -> Endpoint:
        """Answer in place of every expected error."""

        async def answer(request: Request) -> Response:
            try:
                return await endpoint(request)
            except EnrolmentRefused as refused:
                _log.warning("enrolment-refused", code=refused.refusal, detail=refused.detail)
                return _refusal(refused.refusal, WORDS[refused.refusal])
            except Denied as denied:
                _log.warning("enrolment-refused", code=denied.doubt, detail=denied.detail)
                said = _refusal(denied.doubt, DEPOT_WORDS[denied.doubt])
                said.headers["WWW-Authenticate"] = "Bearer"
                return said
            except Transient as away:
                _log.warning("ledger-away", reason=away)
                return PlainTextResponse("not now\n", 503)

        return answer

    async def enrol(self, request: Request) -> Response:
        """POST of an invited agency's request."""
        secret, signed = _secret_and_request(await _body(request))
        return _taken(await run_sync(take_request, self._ledger, secret, signed))

    async def renew(self, request: Request) -> Response:
        """PUT of a request by an agency that is in the directory."""
        _, _, token = request.headers.get("Authorization", "").partition(" ")
        path, at = request.scope["path"], datetime.now(UTC)
        agency = open_request_token(token, self._pins_of, request.method, path, at).issuer
        signed = (await _body(request)).decode("ascii", "replace")
        if request_digest(signed) != request.path_params["sha256"]:
            raise EnrolmentRefused(Refusal.UNREADABLE, "it is not the one of its address")
        return _taken(await run_sync(take_renewal, self._ledger, agency, signed, self._policy))

    async def look(self, request: Request) -> Response:
        """GET of the answer."""
        name = request.path_params["sha256"]
        if not _DIGEST.fullmatch(name):
            raise EnrolmentRefused(Refusal.NO_REQUEST)

        def ask() -> str | None:
            with self._ledger.read() as reader:
                return answer_to(reader, RawDigest(name))

        signed = await run_sync(ask)
        if signed is None:
            return JSONResponse({"request": name}, 202, _FRESH)
        return PlainTextResponse(signed, headers=_FRESH)


async def _body(request: Request) -> bytes:
    raw = b""
    try:
        async for chunk in request.stream():
            raw += chunk
            if len(raw) > 2 * MOST_BYTES:
                raise EnrolmentRefused(Refusal.UNREADABLE, "too large")
    except ClientDisconnect as gone:
        raise EnrolmentRefused(Refusal.UNREADABLE, "cut off") from gone
    return raw


def _secret_and_request(raw: bytes) -> tuple[str, str]:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as wrong:
        raise EnrolmentRefused(Refusal.UNREADABLE, "no JSON") from wrong
    found = [body.get(name) for name in ("secret", "request")] if isinstance(body, dict) else []
    secret, signed = found if len(found) == 2 else (None, None)
    if not (isinstance(secret, str) and secret.isascii() and isinstance(signed, str) and signed.isascii()):
        raise EnrolmentRefused(Refusal.UNREADABLE, "no secret and request")
    return secret, signed


def _taken(name: RawDigest) -> Response:
    return JSONResponse({"request": name}, 202, _FRESH)


def _refusal(code: str, words: Words) -> Response:
    value = {"code": code, "th": words.th, "en": words.en}
    return JSONResponse(value, words.status, {"Saraban-Code": code})
