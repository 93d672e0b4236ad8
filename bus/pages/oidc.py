"""The OpenID Connect provider by which people sign in: authorization code with PKCE; Authlib ends here.

What must hold of a provider's answer before it says who somebody is (OpenID Connect Core 1.0, 3.1.2; RFC 9700):

1. It comes back to the browser that was sent there: its `state` is that browser's (the caller compares it).
2. Where it names its issuer (RFC 9207), that is the configured one.
3. The token endpoint, asked with the client's secret and the PKCE verifier, gives an identity token for the code.
4. The token is verified (`id_tokens`) by the provider's keys, which are fetched anew, once, for one that is not known.
5. It has a name that can be shown, and a subject (`sub`): with the issuer, who it is, whatever the name becomes.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from bus.errors import Transient
from bus.pages.id_tokens import Expected, Keys, Unproven, has_key, keys_in, verified
from bus.people import account_at
from bus.settings.pages import Pages
from bus.settings.tls import trusting
from bus.settings.transport import is_this_machine

CALLBACK: Final = "/sign-in/oidc/callback"
_WITHIN: Final = 10.0
_KEPT: Final = 600.0
"""Seconds for which what the provider says of itself is kept."""
_MOST: Final = 1_000_000
_LONGEST_NAME: Final = 200
_LONGEST_SUBJECT: Final = 255


@dataclass(frozen=True, slots=True)
class Flow:
    """One way to the provider and back; everything of it comes from the one secret in the browser's cookie."""

    secret: str

    @property
    def state(self) -> str:
        """By which the browser is known again."""
        return self._derived("state")

    @property
    def nonce(self) -> str:
        """What binds the identity token to the browser."""
        return self._derived("nonce")

    @property
    def verifier(self) -> str:
        """What shows the token endpoint that who brings the code began the flow (RFC 7636)."""
        return self._derived("verifier")

    def _derived(self, what: str) -> str:
        digest = hashlib.sha256(f"{what}:{self.secret}".encode()).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is by the provider, and the roles here that it gives."""

    name: str
    roles: tuple[StrEnum, ...]
    subject: str
    """Issuer and subject, which stay when the name changes."""
    shown: str = ""
    """How pages may call the person; empty where nothing was said that can be shown."""


class Provider:
    """The provider of the settings."""

    def __init__(self, section: Pages, issuer: str) -> None:
        self._section = section
        self._issuer = issuer
        self._client_id = section.oidc_client_id
        self._secret = section.client_secret_text()
        self._back = section.address + CALLBACK
        self._tls = trusting(None, f"{section.table}.oidc_issuer")
        self._about: tuple[float, Mapping[str, Any]] | None = None
        self._keys: Keys = ()

    async def start(self, flow: Flow) -> str:
        """Return the address at the provider to which a browser is sent. Raises Transient when it is away."""
        async with self._http() as http:
            about = await self._discovered(http)
        return str(
            prepare_grant_uri(
                _endpoint(about, "authorization_endpoint"),
                self._client_id,
                "code",
                redirect_uri=self._back,
                scope="openid profile",
                state=flow.state,
                nonce=flow.nonce,
                code_challenge=create_s256_code_challenge(flow.verifier),
                code_challenge_method="S256",
            )
        )

    async def finish(self, flow: Flow, code: str, issuer: str | None) -> Identity:
        """Return who somebody is, by the code that the browser brought; `issuer` is whom it says that it comes from.

        Raises Unproven when one of the conditions above does not hold, Transient when the provider is away.
        """
        async with self._http() as http:
            about = await self._discovered(http)
            wanted = about.get("authorization_response_iss_parameter_supported") is True
            if issuer != about["issuer"] and (issuer is not None or wanted):
                raise Unproven("the answer is not from the issuer of the settings")
            token = await self._token(http, about, flow, code)
            if not has_key(token, self._keys):
                self._keys = keys_in(await _asked(http, _endpoint(about, "jwks_uri")))
            claims = verified(token, self._keys, Expected(about["issuer"], self._client_id, flow.nonce))
        subject = account_at(self._issuer, _subject(claims))
        return Identity(_name(claims), self.roles(claims), subject, _shown(claims))

    async def leaving(self, back: str) -> str | None:
        """Return where a person signs out at the provider too; None where it has no such place, or is away."""
        try:
            async with self._http() as http:
                about = await self._discovered(http)
            if "end_session_endpoint" not in about:
                return None
            address = _endpoint(about, "end_session_endpoint")
        except (Transient, Unproven):
            return None
        query = f"client_id={quote(self._client_id, safe='')}&post_logout_redirect_uri={quote(back, safe='')}"
        return f"{address}{'&' if '?' in address else '?'}{query}"

    def _http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(verify=self._tls, timeout=_WITHIN, trust_env=False, follow_redirects=False)

    async def _discovered(self, http: httpx.AsyncClient) -> Mapping[str, Any]:
        if self._about is not None and time.monotonic() - self._about[0] < _KEPT:
            return self._about[1]
        about = await _asked(http, self._issuer + "/.well-known/openid-configuration")
        # Settings know no stroke at an address's end; some issuers have one, and it counts in their tokens.
        if about.get("issuer") not in (self._issuer, self._issuer + "/"):
            raise Unproven("the provider calls itself by another issuer than the settings")
        self._about = (time.monotonic(), about)
        return about

    async def _token(self, http: httpx.AsyncClient, about: Mapping[str, Any], flow: Flow, code: str) -> str:
        given = {"redirect_uri": self._back, "code": code, "code_verifier": flow.verifier}
        auth: httpx.BasicAuth | None = None
        methods = about.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if self._secret is None:
            given["client_id"] = self._client_id
        elif "client_secret_basic" in methods or "client_secret_post" not in methods:
            auth = httpx.BasicAuth(quote(self._client_id, safe=""), quote(self._secret, safe=""))
        else:
            given |= {"client_id": self._client_id, "client_secret": self._secret}
        answer = await _sent(
            http,
            http.build_request(
                "POST",
                _endpoint(about, "token_endpoint"),
                content=prepare_token_request("authorization_code", **given),
                headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
            ),
            auth,
        )
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise Unproven("the provider gave no identity token for the code")
        return token

    def roles(self, claims: Mapping[str, Any]) -> tuple[StrEnum, ...]:
        """Return the roles that these claims give here; none for what the settings do not know."""
        value = _claim(claims, self._section.oidc_role_claim)
        given = value if isinstance(value, list) else [value]
        known = self._section.oidc_roles
        return tuple(sorted({known[one] for one in given if isinstance(one, str) and one in known}))


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, or by a way into one: `realm_access.roles`."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _name(claims: Mapping[str, Any]) -> str:
    name = claims.get("preferred_username") or claims["sub"]
    if not isinstance(name, str) or not 0 < len(name.strip()) <= _LONGEST_NAME or not name.isprintable():
        raise Unproven("the identity token has no name that can be shown")
    return name.strip()


def _subject(claims: Mapping[str, Any]) -> str:
    subject = claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT or not subject.isprintable():
        raise Unproven("the identity token has no subject that can be kept")
    return subject


def _shown(claims: Mapping[str, Any]) -> str:
    shown = claims.get("name")
    fit = isinstance(shown, str) and len(shown) <= _LONGEST_NAME and shown.isprintable()
    return str(shown).strip() if fit else ""


def _endpoint(about: Mapping[str, Any], name: str) -> str:
    """An address that the provider gives; unencrypted ones are for a provider on this machine only."""
    address = about.get(name)
    if isinstance(address, str):
        parts = urlsplit(address)
        if parts.hostname and (
            parts.scheme == "https" or (parts.scheme == "http" and is_this_machine(parts.hostname))
        ):
            return address
    raise Unproven(f"the provider has no {name} that can be used")


async def _asked(http: httpx.AsyncClient, address: str) -> Mapping[str, Any]:
    return await _sent(http, http.build_request("GET", address, headers={"Accept": "application/json"}), None)


async def _sent(
    http: httpx.AsyncClient, request: httpx.Request, auth: httpx.BasicAuth | None
) -> Mapping[str, Any]:
    """The JSON object that is answered. Raises Transient for no answer or one of a fault, Unproven for a refusal."""
    try:
        response = await http.send(request, auth=auth)
    except httpx.HTTPError as away:
        raise Transient(f"the OpenID provider is away ({type(away).__name__})") from away
    if response.status_code >= 500 or response.status_code == 429:
        raise Transient(f"the OpenID provider answered {response.status_code}")
    if response.status_code != 200 or len(response.content) > _MOST:
        raise Unproven(f"the OpenID provider answered {response.status_code}")
    try:
        value = response.json()
    except ValueError as unread:
        raise Unproven("the OpenID provider's answer is no JSON") from unread
    if not isinstance(value, dict):
        raise Unproven("the OpenID provider's answer is no JSON object")
    return value
