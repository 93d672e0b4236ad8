"""Who a request comes from: the cookie of a session, and the token that stands in each of its forms."""

from __future__ import annotations

import hmac
import ipaddress
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from bus.pages.asked import Language
from bus.pages.site import Site
from bus.pages.store import Session
from bus.settings.transport import is_this_machine

FORM_TOKEN: Final = "form_token"  # noqa: S105 - the name of a field
REFRESH_HEADER: Final = "Saraban-Refresh"
_YEAR: Final = 365 * 24 * 3600
_IN_ADDRESS: Final = "/?&=%:@!$'()*+,;~"


def cookie_name(site: Site) -> str:
    """Return the name of the session's cookie; the prefix has browsers refuse one that another host has set."""
    return f"__Host-{site.face.cookie}" if is_https(site) else f"{site.face.cookie}-session"


def secure_name(site: Site, what: str) -> str:
    """Return the name of another cookie of this site, with the same prefix over https."""
    return f"{'__Host-' if is_https(site) else ''}{site.face.cookie}-{what}"


def session_of(site: Site, request: Request) -> Session | None:
    """Return the session of a request; None for a stranger, and for one whose session or account is over."""
    token = request.cookies.get(cookie_name(site))
    if not token:
        return None
    itself, (idle, longest) = refreshes_itself(request), site.section.lasting
    found = site.store.session(token, idle=idle, longest=longest, by_itself=itself)
    if found and found.account is not None and not site.users.is_still(found.person, found.account):
        site.store.end(token, "changed", peer_of(site, request))
        return None
    return found


def refreshes_itself(request: Request) -> bool:
    """Whether a page asks for its newest figures without anybody having done anything."""
    return REFRESH_HEADER in request.headers


def give_cookie(site: Site, response: Response, token: str) -> None:
    """Have a browser keep the token of a session until it is closed."""
    response.set_cookie(
        cookie_name(site), token, secure=is_https(site), httponly=True, samesite="strict", path="/"
    )


def take_cookie(site: Site, response: Response) -> None:
    """Have a browser forget its session."""
    response.delete_cookie(
        cookie_name(site), secure=is_https(site), httponly=True, samesite="strict", path="/"
    )


def is_own_form(session: Session, request: Request, given: object) -> bool:
    """Whether a form was made by a page of this session, and sent from this site (Fetch Metadata, where it is told)."""
    told = request.headers.get("Sec-Fetch-Site", "same-origin")
    genuine = isinstance(given, str) and hmac.compare_digest(given.encode(), session.form_token.encode())
    return genuine and told == "same-origin"


def peer_of(site: Site, request: Request) -> str:
    """Return the address that a request comes from, for the records and for what is limited by address.

    Where people reach the pages by https that a proxy on this machine ends, that proxy says from where: the last
    hop of X-Forwarded-For is the one that it has written itself. Whoever else writes that header is not believed.
    """
    peer = request.client.host if request.client else ""
    if not is_this_machine(peer) or not is_https(site) or site.section.certificate is not None:
        return peer
    hop = ",".join(request.headers.getlist("X-Forwarded-For")).rpartition(",")[2].strip()
    try:
        return str(ipaddress.ip_address(hop))
    except ValueError:
        return peer


def inside(to: str | None) -> str:
    """Return where to go after the sign-in: a path of the site that a header can bear, never another site."""
    if not to or not to.startswith("/") or to.startswith("//"):
        return "/"
    if to.partition("?")[0] in ("/sign-in", "/sign-out") or to.startswith("/sign-in/"):
        return "/"
    # Browsers take a backslash for a stroke, and leave out tabs and line ends.
    return "/" if "\\" in to or not to.isprintable() else quote(to, safe=_IN_ADDRESS)


def language_of(site: Site, request: Request) -> Language:
    """Return the language of the address, else the one that was chosen last, else Thai."""
    chosen = request.query_params.get("lang") or request.cookies.get(_language_cookie(site))
    return "en" if chosen == "en" else "th"


def remember_language(site: Site, request: Request, response: Response) -> None:
    """Keep the language that the address names."""
    if (chosen := request.query_params.get("lang")) in ("th", "en"):
        response.set_cookie(
            _language_cookie(site),
            chosen,
            max_age=_YEAR,
            secure=is_https(site),
            httponly=True,
            samesite="strict",
        )


def _language_cookie(site: Site) -> str:
    return f"{site.face.cookie}-language"


def is_https(site: Site) -> bool:
    """Whether people reach the site by https."""
    return site.section.address.startswith("https://")
