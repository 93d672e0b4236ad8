"""Signing in and out: by a one-time link."""

from __future__ import annotations

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from bus.console.answers import Shown
from bus.console.entering import give_cookie, language_of, remember_language
from bus.console.rendering import public_html
from bus.console.site import Site


def sign_in_routes(site: Site) -> list[BaseRoute]:
    """Return the routes that anybody may ask for."""
    desk = _Desk(site)
    return [
        Route("/sign-in", desk.form, methods=["GET"]),
        Route("/sign-in/link", desk.link, methods=["POST"]),
    ]


class _Desk:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def form(self, request: Request) -> Response:
        """The page of sign-in; with a link's token, the one button that uses it."""
        value = {"link": request.query_params.get("link", ""), "to": _inside(request.query_params.get("to"))}
        response: Response = HTMLResponse(self._page(request, value))
        remember_language(self._site, request, response)
        return response

    async def link(self, request: Request) -> Response:
        """Sign in by a one-time link."""
        form = await request.form(max_files=0, max_fields=10)
        person = await run_sync(self._site.store.use_link, str(form.get("link", "")))
        if person is None:
            return HTMLResponse(self._page(request, {"link": "", "to": "/"}), 403)
        token = await run_sync(self._site.store.begin, person)
        response = RedirectResponse(_inside(str(form.get("to", "/"))), 303)
        give_cookie(self._site, response, token)
        return response

    def _page(self, request: Request, value: dict[str, str]) -> str:
        shown = Shown("sign_in.html", value)
        return public_html(language_of(request), shown, self._site.settings.console, "/sign-in")


def _inside(to: str | None) -> str:
    """Return where to go after the sign-in: a path of the console, never another site."""
    return to if to and to.startswith("/") and not to.startswith(("//", "/\\")) else "/"
