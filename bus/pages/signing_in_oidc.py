"""Signing in by the OpenID Connect provider: the way there, the way back, and the choice between several roles."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Final

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from bus import logs
from bus.errors import Misconfigured, Transient
from bus.logs import in_words
from bus.operators import Operator
from bus.pages.entering import give_cookie, inside, is_https, secure_name
from bus.pages.entrance import Entrance, Said, unusable
from bus.pages.id_tokens import Unproven
from bus.pages.local_users import Found
from bus.pages.oidc import CALLBACK, Flow, Identity, Provider
from bus.pages.site import Site

_LASTS: Final = timedelta(minutes=10)
"""The time that a person has at the provider, and for choosing a role."""
_LONGEST_WAY: Final = 2000
_log = logs.get("pages")


def oidc_routes(site: Site, entrance: Entrance, provider: Provider) -> list[BaseRoute]:
    """Return the routes of the way to the provider and back."""
    handlers = _Handlers(site, entrance, provider)
    return [
        Route("/sign-in/oidc", entrance.guarded(handlers.start), methods=["GET"]),
        Route(CALLBACK, entrance.guarded(handlers.back), methods=["GET"]),
    ]


class _Handlers:
    def __init__(self, site: Site, entrance: Entrance, provider: Provider) -> None:
        self._site = site
        self._entrance = entrance
        self._provider = provider
        self._cookie = secure_name(site, "oidc")

    async def start(self, request: Request) -> Response:
        """Send a browser to the provider, with a cookie by which it is known when it comes back.

        That cookie is Lax, because it comes back from another site; it is good for nothing but this.
        """
        to = inside(request.query_params.get("to"))
        flow = Flow(secrets.token_urlsafe(32))
        try:
            address = await self._provider.start(flow)
        except (Transient, Unproven) as away:
            return self._away(request, to, away)
        response = RedirectResponse(address, 303)
        response.set_cookie(
            self._cookie,
            f"{flow.secret}.{_packed(to)}",
            max_age=int(_LASTS.total_seconds()),
            secure=is_https(self._site),
            httponly=True,
            samesite="lax",
            path="/",
        )
        return response

    async def back(self, request: Request) -> Response:
        """Take what the provider sends a browser back with, once."""
        response = await self._back(request)
        response.delete_cookie(
            self._cookie, secure=is_https(self._site), httponly=True, samesite="lax", path="/"
        )
        return response

    async def _back(self, request: Request) -> Response:
        secret, _, packed = request.cookies.get(self._cookie, "").partition(".")
        to, flow, query = _unpacked(packed), Flow(secret), request.query_params
        once = {name: values[0] for name in query if len(values := query.getlist(name)) == 1}
        if not secret or not hmac.compare_digest(once.get("state", "").encode(), flow.state.encode()):
            return await self._failed(request, "begun-elsewhere", "the state is not this browser's")
        if "error" in query or "code" not in once or len(once) != len(query):
            return await self._failed(request, "provider-refused", "the provider gave no code")
        try:
            identity = await self._provider.finish(flow, once["code"], once.get("iss"))
            people = [await run_sync(self._here, identity, role) for role in identity.roles]
        except Transient as away:
            return self._away(request, to, away)
        except Unproven as wrong:
            return await self._failed(request, "unproven", in_words(wrong))
        except Misconfigured as wrong:
            return self._entrance.page(request, to, Said(problem=unusable(wrong)), 503)
        problem = "no-role" if not people else "name-taken" if None in people else None
        if problem is not None:
            nobody, reason = Operator(identity.name, None, "oidc"), problem.replace("-", " ")
            return await self._entrance.failed(request, Said(problem=problem), nobody, reason, what="refused")
        return await self._known(request, [one for one in people if one is not None], to)

    def _here(self, identity: Identity, role: StrEnum) -> Found | None:
        return self._site.users.of_provider(identity.subject, identity.name, role, identity.shown)

    async def _known(self, request: Request, people: Sequence[Found], to: str) -> Response:
        if len(people) > 1:
            make = self._site.store.make_link
            choices = [
                (one.person.role, await run_sync(make, one.person, _LASTS, one.shown))
                for one in people
                if one.person.role is not None
            ]
            return self._entrance.page(request, to, Said(choices=choices))
        response = self._entrance.onward(request, to)
        give_cookie(self._site, response, await self._entrance.enter(request, people[0]))
        return response

    async def _failed(self, request: Request, problem: str, reason: str) -> Response:
        return await self._entrance.failed(request, Said(problem=problem), Operator("", None, "oidc"), reason)

    def _away(self, request: Request, to: str, away: Exception) -> Response:
        _log.warning("oidc-away", reason=in_words(away))
        return self._entrance.page(request, to, Said(problem="provider-away"), 503)


def _packed(to: str) -> str:
    way = to if len(to) <= _LONGEST_WAY else "/"
    return base64.urlsafe_b64encode(way.encode()).decode().rstrip("=")


def _unpacked(packed: str) -> str:
    try:
        return inside(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)).decode())
    except (binascii.Error, ValueError):
        return "/"
