"""The HTTP application of a site: each page with its twins, for those who may have it, whatever goes wrong in words."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from bus import logs
from bus.errors import BusError, NotUnderstood, Transient
from bus.pages.answers import Answer, Elsewhere, NoSuchPage, NotAllowed, Page, Sent, Shown
from bus.pages.asked import Asked, Upload
from bus.pages.bounded import Bounded
from bus.pages.entering import (
    FORM_TOKEN,
    cookie_name,
    inside,
    is_own_form,
    language_of,
    refreshes_itself,
    remember_language,
    session_of,
    take_cookie,
)
from bus.pages.entrance import Entrance, Said
from bus.pages.headers import VIEWED, Headers, policy
from bus.pages.rendering import csv_twin, html, json_twin, public_html
from bus.pages.sentences import Sentence
from bus.pages.signing_in import sign_in_routes
from bus.pages.site import Site
from bus.pages.store import Session

_STATIC = Path(__file__).parent / "static"
_MOST_FIELDS = 200
_FILES_AT_ONCE = _LARGE_AT_ONCE = 1
"""CSV files, and large pages, that are made at once: each holds ten thousand rows in memory."""
_LOGOS = {".png": "image/png", ".svg": "image/svg+xml"}
_log = logs.get("pages")


def build_app(
    site: Site,
    pages: Iterable[Page],
    asking: type[Asked],
    *,
    routes: Sequence[BaseRoute] = (),
    answered: Callable[[str, int], object] = lambda _page, _status: None,
) -> Starlette:
    """Return the application that shows these pages, each asked by `asking`, beside the sign-in and other `routes`.

    `answered` is told of each answer of a page: the page's path and the status.
    """
    handlers = _Handlers(site, asking, answered)
    https = site.section.address.startswith("https://")
    return Starlette(
        routes=[
            *routes,
            Route("/logo", handlers.logo),
            Mount("/static", _Static(directory=_STATIC)),
            *sign_in_routes(site),
            *(route for page in pages for route in handlers.routes(page)),
        ],
        middleware=[Middleware(Headers, https=https), Middleware(Bounded)],
        exception_handlers={HTTPException: handlers.no_such_route, Exception: handlers.fault},
    )


class _Static(StaticFiles):
    """Styles, scripts and fonts: they may be kept for a day."""

    def file_response(self, *args: Any, **given: Any) -> Response:
        response = super().file_response(*args, **given)
        response.headers["Cache-Control"] = "public, max-age=86400"
        return response


class _Handlers:
    def __init__(self, site: Site, asking: type[Asked], answered: Callable[[str, int], object]) -> None:
        self._site = site
        self._asking = asking
        self._answered = answered
        self._entrance = Entrance(site)
        self._files, self._large = CapacityLimiter(_FILES_AT_ONCE), CapacityLimiter(_LARGE_AT_ONCE)

    def routes(self, page: Page) -> Iterator[BaseRoute]:
        """Yield the routes of a page: its twins first, so that no variable place takes their ends for its own."""
        if page.act:
            yield Route(page.path, self._endpoint(page, "html"), methods=["POST"])
            return
        for twin, there in (("json", page.twin), ("csv", page.csv)):
            if there:
                yield Route(f"{page.path}.{twin}", self._endpoint(page, twin), methods=["GET"])
        yield Route(page.path, self._endpoint(page, "html"), methods=["GET"])

    def _endpoint(self, page: Page, form: str) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            session = await run_sync(session_of, self._site, request)
            if session is None:
                response = self._stranger(request, page, form)
            elif session.role not in page.roles:
                _log.warning("page-denied", page=page.path, role=session.role)
                response = self._wrong(request, session, form, 403, "error.not-yours")
            else:
                response = await self._answer(page, form, request, session)
            remember_language(self._site, request, response)
            self._answered(page.path, response.status_code)
            return response

        return endpoint

    async def _answer(self, page: Page, form: str, request: Request, session: Session) -> Response:
        fields: dict[str, str] = {}
        uploads: list[Upload] = []
        if page.act:
            given = await request.form(max_files=page.takes_files, max_fields=_MOST_FIELDS)
            fields = {name: value for name, value in given.items() if isinstance(value, str)}
            files = [each for each in given.getlist("file") if isinstance(each, UploadFile)]
            # A field in which no file was chosen comes as one without a name.
            uploads = [Upload(each.filename, each.size or 0, each.file) for each in files if each.filename]
            if not is_own_form(session, request, fields.pop(FORM_TOKEN, None)):
                return self._wrong(request, session, form, 403, "error.foreign-form")
        asked = self._asking(
            site=self._site,
            session=session,
            language=language_of(self._site, request),
            address=_address(request),
            path={name: str(value) for name, value in request.path_params.items()},
            query={name: request.query_params.getlist(name) for name in request.query_params},
            form=fields,
            uploads=uploads,
        )
        try:
            limiter = self._files if form == "csv" else self._large if page.large else None
            return await run_sync(self._made, page, form, asked, limiter=limiter)
        except NoSuchPage as nothing:
            return self._wrong(request, session, form, 404, "error.nothing", str(nothing))
        except NotUnderstood as wrong:
            return self._wrong(request, session, form, 400, "error.not-understood", str(wrong))
        except NotAllowed as why:
            return self._wrong(request, session, form, 409, "error.not-now", why.detail, why.said)
        except Transient as away:
            _log.warning("page-waits", page=page.path, reason=away)
            return self._wrong(request, session, form, 503, "error.away")
        except BusError as wrong:
            said = self._site.face.sentence_of(wrong)
            return self._wrong(request, session, form, 409, "error.not-now", str(wrong), said)
        except Exception as fault:
            return self._noted(request, session, form, page.path, fault)
        finally:
            await request.close()

    def _made(self, page: Page, form: str, asked: Asked) -> Response:
        return _response(asked, page.make(asked), form)

    def _noted(self, request: Request, session: Session, form: str, path: str, fault: Exception) -> Response:
        reference = secrets.token_hex(4)
        _log.error("page-failed", page=path, reference=reference, exc_info=fault)
        return self._wrong(request, session, form, 500, "error.fault", reference)

    def _stranger(self, request: Request, page: Page, form: str) -> Response:
        """Ask who it is; a form whose session is over has done nothing, and a link from elsewhere gets its cookie."""
        # A page that refreshes itself keeps what it shows; the sign-in is for who asks for a page.
        if form != "html" or refreshes_itself(request):
            return JSONResponse({"error": "sign in"}, 401)
        if page.act:
            return self._entrance.page(request, "/", Said(problem="ended-form"), 401)
        address, had_session = _address(request), cookie_name(self._site) in request.cookies
        # A Strict cookie is not sent with a link on another site, or in a mail; it is by a page of ours.
        if not had_session and request.headers.get("Sec-Fetch-Site", "none") in ("cross-site", "same-site"):
            return self._entrance.onward(request, inside(address))
        ended = "&ended=1" if had_session else ""
        response = RedirectResponse(f"/sign-in?to={quote(address, safe='')}{ended}", 303)
        take_cookie(self._site, response)
        return response

    def _wrong(
        self,
        request: Request,
        session: Session,
        form: str,
        status: int,
        key: str,
        detail: str = "",
        said: Sentence | None = None,
    ) -> Response:
        """Say what is wrong: `detail` as it is, and what its code means in both languages, where it is one's."""
        shown = _error(key, status, detail, said)
        if form != "html":
            means = {} if said is None else {"th": said[0], "en": said[1]}
            return JSONResponse({"error": key, "detail": detail, **means}, status)
        language, address = language_of(self._site, request), _address(request)
        asked = self._asking(site=self._site, session=session, language=language, address=address)
        return HTMLResponse(html(asked, shown), status)

    async def logo(self, request: Request) -> Response:
        """The deployment's own logo, where there is one."""
        file = self._site.section.logo
        if file is None or not file.is_file() or file.suffix not in _LOGOS:
            return await self.no_such_route(request, HTTPException(404))
        # An SVG file opened by itself is a document, which may hold scripts.
        headers = {"Cache-Control": "public, max-age=86400", "Content-Security-Policy": "default-src 'none'"}
        return FileResponse(file, media_type=_LOGOS[file.suffix], headers=headers)

    async def no_such_route(self, request: Request, error: Exception) -> Response:
        """Say that there is no such page."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        return self._to_anybody(request, _error("error.nothing", status))

    async def fault(self, request: Request, error: Exception) -> Response:
        """Say that something of ours failed, which is logged."""
        reference = secrets.token_hex(4)
        _log.error("page-failed", page=request.scope.get("path", ""), reference=reference, exc_info=error)
        return self._to_anybody(request, _error("error.fault", 500, reference))

    def _to_anybody(self, request: Request, shown: Shown) -> Response:
        language = language_of(self._site, request)
        # A path that begins with two strokes would lead to another site, as a link of ours.
        address = inside(_address(request))
        return HTMLResponse(public_html(self._site, language, shown, address), shown.status)


def _error(key: str, status: int, detail: str = "", said: Sentence | None = None) -> Shown:
    value = {"status": status, "detail": detail, "said": said}
    return Shown("error.html", value, {"key": key}, status=status)


def _response(asked: Asked, answer: Answer, form: str) -> Response:
    if isinstance(answer, Elsewhere):
        return RedirectResponse(answer.to, 303)
    if isinstance(answer, Sent):
        return _sent(answer)
    if form == "json":
        return Response(json_twin(answer), answer.status, media_type="application/json")
    if form == "csv":
        if answer.listed is None:
            raise NoSuchPage("csv")
        name = asked.address.partition("?")[0].strip("/").replace("/", "-").removesuffix(".csv")
        headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
        return Response(csv_twin(answer.listed), 200, headers, media_type="text/csv; charset=utf-8")
    return HTMLResponse(html(asked, answer), answer.status)


def _sent(answer: Sent) -> Response:
    headers = {"Content-Security-Policy": policy(answer.style_hashes)}
    if answer.name is not None:
        how = "inline" if answer.shown else "attachment"
        headers["Content-Disposition"] = f"{how}; filename*=UTF-8''{quote(answer.name, safe='')}"
        if answer.shown:
            headers["Content-Security-Policy"] = VIEWED
    if isinstance(answer.body, Path):
        return FileResponse(answer.body, media_type=answer.media_type, headers=headers)
    return Response(answer.body, 200, headers, media_type=answer.media_type)


def _address(request: Request) -> str:
    query = request.url.query
    return f"{request.url.path}?{query}" if query else request.url.path
