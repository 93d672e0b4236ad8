"""Signing in by name and password or by a one-time link, and signing out."""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import unicodedata
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from bus import logs
from bus.errors import Misconfigured
from bus.operators import Operator
from bus.pages.entering import FORM_TOKEN, inside, is_own_form, peer_of, session_of, take_cookie
from bus.pages.entering import cookie_name as session_cookie
from bus.pages.entrance import Entrance, Said, unusable
from bus.pages.local_users import Found
from bus.pages.site import Site
from bus.thai import now

if TYPE_CHECKING:
    from bus.pages.oidc import Provider

WITHIN: Final = timedelta(minutes=15)
"""The time in which failed sign-ins count."""
_AT_ONCE: Final = 2
"""Passwords that are looked at together: each takes 64 MiB, and a processor for some hundredths of a second."""
_MOST_WAITING: Final = 50
_log = logs.get("pages")


def sign_in_routes(site: Site) -> list[BaseRoute]:
    """Return the routes that anybody may ask for."""
    entrance, section = Entrance(site), site.section
    provider, others = None, list[BaseRoute]()
    if section.oidc_issuer:
        from bus.pages.oidc import Provider  # with libraries that nobody else needs
        from bus.pages.signing_in_oidc import oidc_routes

        provider = Provider(section, section.oidc_issuer)
        others = list(oidc_routes(site, entrance, provider))
    handlers = _Handlers(site, entrance, provider)
    return [
        Route("/sign-in", entrance.guarded(handlers.form), methods=["GET"]),
        Route("/sign-in", entrance.guarded(handlers.password), methods=["POST"]),
        Route("/sign-in/link", entrance.guarded(handlers.link), methods=["POST"]),
        Route("/sign-out", entrance.guarded(handlers.leave), methods=["POST"]),
        *others,
    ]


class _Handlers:
    def __init__(self, site: Site, entrance: Entrance, provider: Provider | None) -> None:
        self._site = site
        self._entrance = entrance
        self._provider = provider
        self._hashing = CapacityLimiter(_AT_ONCE)
        self._unknown = secrets.token_bytes(32)

    async def form(self, request: Request) -> Response:
        """The page of sign-in; with a link's token, the one button that uses it."""
        query = request.query_params
        notice = "left" if query.get("left") else "ended" if query.get("ended") else None
        leave = None
        if query.get("left") == "oidc" and self._provider:
            leave = await self._provider.leaving(f"{self._site.section.address}/sign-in")
        said = Said(notice=notice, leave=leave, link=query.get("link", ""))
        return self._entrance.page(request, inside(query.get("to")), said)

    async def password(self, request: Request) -> Response:
        """Sign in by name and password; what failed is said in one way, whether the name is known or not."""
        form = await self._entrance.form(request)
        if form is None:
            return self._entrance.page(request, "/", Said(problem="foreign-form"), 403)
        name = unicodedata.normalize("NFC", str(form.get("name", "")).strip())
        to = inside(str(form.get("to", "/")))
        if self._hashing.statistics().tasks_waiting >= _MOST_WAITING:
            busy = self._entrance.page(request, to, Said(problem="busy", name=name), 503)
            busy.headers["Retry-After"] = "10"
            return busy
        peer, given = peer_of(self._site, request), str(form.get("password", ""))
        try:
            found = await run_sync(self._tried, name, given, peer, limiter=self._hashing)
        except Misconfigured as wrong:
            return self._entrance.page(request, to, Said(problem=unusable(wrong), name=name), 503)
        if isinstance(found, Found):
            return await self._entrance.entered(request, found, to)
        if found is None:
            return self._entrance.page(request, to, Said(problem="wrong", name=name), 403)
        said = Said(problem="barred", until=found.isoformat(), name=name)
        response = self._entrance.page(request, to, said, 429)
        response.headers["Retry-After"] = str(max(1, math.ceil((found - now()).total_seconds())))
        return response

    def _tried(self, name: str, password: str, peer: str) -> Found | datetime | None:
        """Return whom the password shows, or from when on it is looked at; recorded before the next has its turn."""
        noted = Operator(self._recorded(name), None, "local")
        most = self._site.section.sign_in_attempts
        if until := self._site.store.barred_until(noted.name, peer, most=most, within=WITHIN):
            self._entrance.note("refused", noted, peer, "too many failed")
            return until
        found = self._site.users.verified(name, password)
        if found is None:
            self._entrance.note("failed", noted, peer, "name or password")
        return found

    def _recorded(self, name: str) -> str:
        """The name for the records: of who is nobody here only a digest, as somebody may have typed a password."""
        if self._site.users.account_of(name) is not None:
            return name
        digest = hmac.new(self._unknown, name.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return f"unknown, {digest.hexdigest()[:16]}"

    async def link(self, request: Request) -> Response:
        """Sign in by a one-time link, or in the role that was chosen."""
        form = await self._entrance.form(request)
        if form is None:
            return self._entrance.page(request, "/", Said(problem="foreign-form"), 403)
        try:
            found = await run_sync(self._used, str(form.get("link", "")))
        except Misconfigured as wrong:
            return self._entrance.page(request, "/", Said(problem=unusable(wrong)), 503)
        if found is None:
            said, nobody = Said(problem="link-used"), Operator("", None, "local")
            return await self._entrance.failed(request, said, nobody, "link used or too old", what="refused")
        return await self._entrance.entered(request, found, str(form.get("to", "/")))

    def _used(self, token: str) -> Found | None:
        """Whom a link signs in: as the file has that person now, or as the provider has said."""
        used = self._site.store.use_link(token)
        return self._site.users.admitted(*used) if used else None

    async def leave(self, request: Request) -> Response:
        """End the session of this browser."""
        session = await run_sync(session_of, self._site, request)
        if session is None:
            return RedirectResponse("/sign-in", 303)
        form = await request.form(max_files=0, max_fields=10)
        if not is_own_form(session, request, form.get(FORM_TOKEN)):
            return self._entrance.page(request, "/", Said(problem="foreign-form"), 403)
        token, address = request.cookies[session_cookie(self._site)], peer_of(self._site, request)
        await run_sync(self._site.store.end, token, "out", address)
        _log.info("signed-out", name=session.person.name, method=session.person.method, address=address)
        response = RedirectResponse(f"/sign-in?left={session.person.method}", 303)
        take_cookie(self._site, response)
        return response
