"""What every way of signing in has in common: its page, the token of its forms, and the session that is begun."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from anyio.to_thread import run_sync
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from bus import logs
from bus.errors import Transient
from bus.logs import in_words
from bus.operators import Operator
from bus.pages.answers import Shown
from bus.pages.entering import (
    FORM_TOKEN,
    cookie_name,
    give_cookie,
    inside,
    is_https,
    language_of,
    peer_of,
    remember_language,
    secure_name,
)
from bus.pages.rendering import public_html
from bus.pages.site import Site

_MOST_FIELDS: Final = 10
_log = logs.get("pages")

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a page of sign-in says besides its forms."""

    problem: str | None = None
    """Why nobody was signed in: the word of `sign-in.problem.…`."""
    notice: str | None = None
    """What has happened before: the word of `sign-in.notice.…`."""
    until: str | None = None
    """The time from which it may be tried again, ISO."""
    name: str = ""
    """The name that was given, to be mended."""
    link: str = ""
    """The token of a one-time link."""
    choices: Sequence[tuple[StrEnum, str]] = ()
    """Roles to choose from, each with the token of a link."""
    leave: str | None = None
    """The address at which a person signs out at the provider too."""


class Entrance:
    """The way in."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def guarded(self, endpoint: Endpoint) -> Endpoint:
        """Return an endpoint that says in words when a database is away, and that keeps the language."""

        async def answered(request: Request) -> Response:
            try:
                response = await endpoint(request)
            except Transient as away:
                _log.warning("page-waits", page=request.url.path, reason=away)
                response = self.page(request, "/", Said(problem="away"), 503)
            remember_language(self._site, request, response)
            return response

        return answered

    def page(self, request: Request, to: str, said: Said, status: int = 200) -> Response:
        """Return the page of sign-in; its forms bear a token that belongs to a cookie of this browser alone."""
        secret = request.cookies.get(self._form_cookie) or secrets.token_urlsafe(32)
        value: dict[str, Any] = {
            "to": to,
            "said": said,
            "oidc": self._site.section.oidc_issuer is not None,
        }
        address = (
            _address(request) if request.method == "GET" and request.url.path == "/sign-in" else "/sign-in"
        )
        response = self._html(request, Shown("sign_in.html", value), address, _form_token(secret), status)
        response.set_cookie(self._form_cookie, secret, **self._cookie("strict"))
        return response

    def onward(self, request: Request, to: str) -> Response:
        """Return a page that leads on to another of ours.

        A browser that comes from another site sends no Strict cookie on its way here, however often it is redirected;
        it does from a page of ours.
        """
        response = self._html(request, Shown("onward.html", {"to": to}), "/", "", 200)
        response.headers["Refresh"] = f"0; url={to}"
        return response

    async def form(self, request: Request) -> FormData | None:
        """Return the form that was sent; None if it is not one of this browser's own."""
        form = await request.form(max_files=0, max_fields=_MOST_FIELDS)
        secret, given = request.cookies.get(self._form_cookie), form.get(FORM_TOKEN)
        if not secret or not isinstance(given, str):
            return None
        genuine = hmac.compare_digest(given.encode(), _form_token(secret).encode())
        return (
            form
            if genuine and request.headers.get("Sec-Fetch-Site", "same-origin") == "same-origin"
            else None
        )

    async def enter(self, request: Request, person: Operator, account: str | None) -> str:
        """Begin a session, and end the one that this browser had; return its token."""
        before, address = request.cookies.get(cookie_name(self._site)), peer_of(self._site, request)

        def begun() -> str:
            if before:
                self._site.store.end(before)
            self._site.store.note_sign_in("in", person, address)
            return self._site.store.begin(person, account)

        token = await run_sync(begun)
        _log.info("signed-in", name=person.name, role=person.role, method=person.method, address=address)
        return token

    async def entered(self, request: Request, person: Operator, account: str | None, to: str) -> Response:
        """Begin a session after a form of ours, and go where the person wanted to."""
        response = RedirectResponse(inside(to), 303)
        give_cookie(self._site, response, await self.enter(request, person, account))
        return response

    def note(self, what: str, person: Operator, address: str, reason: str) -> None:
        """Record a sign-in that `failed` or was `refused`; a log has no name of who was not signed in."""
        self._site.store.note_sign_in(what, person, address)
        _log.warning("sign-in-failed", outcome=what, method=person.method, address=address, reason=reason)

    async def failed(
        self, request: Request, said: Said, person: Operator, reason: str, *, what: str = "failed"
    ) -> Response:
        """Record it, and say that nobody was signed in."""
        await run_sync(self.note, what, person, peer_of(self._site, request), reason)
        return self.page(request, "/", said, 403)

    @property
    def _form_cookie(self) -> str:
        return secure_name(self._site, "form")

    def _cookie(self, same_site: str) -> dict[str, Any]:
        return {"secure": is_https(self._site), "httponly": True, "samesite": same_site, "path": "/"}

    def _html(self, request: Request, shown: Shown, address: str, token: str, status: int) -> Response:
        return HTMLResponse(
            public_html(self._site, language_of(self._site, request), shown, address, token), status
        )


def unusable(wrong: Exception) -> str:
    """Log that the people's file cannot be used, and return the word for it."""
    _log.error("people-unusable", reason=in_words(wrong))
    return "unusable"


def _form_token(secret: str) -> str:
    return hashlib.sha256(f"form:{secret}".encode()).hexdigest()


def _address(request: Request) -> str:
    query = request.url.query
    return f"{request.url.path}?{query}" if query else request.url.path
