"""The REST door as an application: its requests, its problems, its log and its page."""

from __future__ import annotations

import time
from typing import Any, Final
from uuid import uuid4

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.connectors.rest import looking_up, receiving, sending
from adapters.connectors.rest.access import Shared
from adapters.connectors.rest.page import page_of
from adapters.connectors.rest.problems import MEDIA_TYPE, Problem, problem_of
from adapters.connectors.rest.shapes import PROBLEMS, ProblemShape
from adapters.mailbox.mistakes import Mistake
from bus.errors import BusError
from bus.logs import get

_LOG = get(__name__)
_MOST_BODY: Final = 1_048_576
"""Bytes of a request that is no file; as of a manifest."""
_DESCRIPTION = (
    "ส่งและรับหนังสือราชการผ่านโปรแกรมเชื่อมต่อของหน่วยงาน · An office's system sends and receives official letters"
    " through its agency's adapter. Every request bears a key: `Authorization: Bearer sbk_…`."
)


def create_app(shared: Shared) -> FastAPI:
    """Return the application that serves one door."""
    app = FastAPI(
        title="Saraban Bus: the REST door",
        version="1.0",
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        responses=PROBLEMS,
        redirect_slashes=False,
    )
    app.state.shared = shared
    for each in (sending.router, receiving.router, looking_up.router):
        app.include_router(each)
    app.add_exception_handler(RequestValidationError, _misformed)
    app.add_exception_handler(HTTPException, _of_http)
    for kind in (Problem, BusError, RecursionError):
        app.add_exception_handler(kind, _failed)

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(
            page_of(app.openapi()),
            headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"},
        )

    original = app.openapi

    def openapi() -> dict[str, Any]:
        document = original()
        problem = ProblemShape.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas |= problem.pop("$defs", {}) | {"ProblemShape": problem}
        return document

    app.openapi = openapi  # type: ignore[method-assign]
    app.add_middleware(_Watched)
    return app


def _answer(request: Request, problem: Problem) -> JSONResponse:
    headers = {"Retry-After": str(problem.retry_after)} if problem.retry_after is not None else {}
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    request.state.code = problem.code
    view = problem.view(request.url.path)
    return JSONResponse(view, problem.status, headers, media_type=MEDIA_TYPE)


async def _misformed(request: Request, error: Exception) -> JSONResponse:
    """A request that has not the form of the document; what it held is not said again."""
    found = error.errors() if isinstance(error, RequestValidationError) else ()
    mistakes = [
        Mistake(".".join(map(str, each["loc"])), "รูปแบบไม่ถูกต้อง", str(each["type"]).replace("_", " "))
        for each in found
    ]
    return _answer(request, Problem("request.mistaken", mistakes=mistakes))


async def _of_http(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 400
    code = {404: "address.unknown", 405: "request.method", 413: "request.too-large"}.get(status)
    answer = _answer(request, Problem(code or "request.invalid"))
    if isinstance(error, HTTPException):
        answer.headers.update(error.headers or {})
    return answer


async def _failed(request: Request, error: Exception) -> JSONResponse:
    return _answer(request, problem_of(error))


class _Watched:
    """Bounds what is read of a request, and logs every one: by its address' form, never by what it says."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, number, status, read = time.monotonic(), uuid4().hex[:16], 500, 0
        is_file = scope["method"] == "PUT"
        started = False
        scope.setdefault("state", {})

        async def bounded() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if not is_file and read > _MOST_BODY:
                raise HTTPException(413)
            return message

        async def noted(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                started, status = True, message["status"]
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", number.encode()),
                    (b"cache-control", b"no-store"),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        try:
            await self._app(scope, bounded, noted)
        except ClientDisconnect:
            scope["state"]["code"] = "request.cut-short"
        except Exception:
            _LOG.exception("rest-failed", request=number)
            if not started:
                await _answer(Request(scope), Problem("fault.internal"))(scope, receive, noted)
        finally:
            route, state = scope.get("route"), scope["state"]
            _LOG.info(
                "rest-answered",
                request=number,
                method=scope["method"] if scope["method"].isalpha() else "?",
                route=getattr(route, "path", "unknown"),
                key=state.get("key", "none"),
                status=status,
                code=state.get("code", "none"),
                received=read,
                seconds=round(time.monotonic() - began, 3),
            )
