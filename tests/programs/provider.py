"""An OpenID Connect provider of its own: `python -m tests.programs.provider PORT` prints a line when it is ready.

It does what the standard asks of one (discovery, authorization code with PKCE, client secret, RS256 and ES256 keys),
and does it wrongly where `POST /misbehave` says so. Its issuer is `http://localhost:PORT`, which to a browser is
another site than 127.0.0.1. Its people are samples.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import html
import json
import secrets
import sys
import time
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote, urlencode

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from bus.web import serving

CLIENT: Final = "saraban-console"
SECRET: Final = "sample secret: with/marks%"
USERS: Final[dict[str, dict[str, Any]]] = {
    "steward": {"preferred_username": "ตัวอย่าง-ผู้ดูแล", "roles": ["bus-stewards", "unknown"]},
    "namesake": {"preferred_username": "ตัวอย่าง-ผู้ดูแล", "name": "\u05e9 (ตัวอย่าง)", "roles": ["bus-stewards"]},
    "several": {"preferred_username": "ตัวอย่าง-หลายบทบาท", "roles": ["bus-operators", "bus-auditors"]},
    "nobody": {"preferred_username": "ตัวอย่าง-ไม่มีบทบาท", "roles": ["something-else"]},
    "bare": {"roles": "bus-operators"},
    "unseen": {"preferred_username": "ตัวอย่าง\u202e", "roles": ["bus-operators"]},
}


@dataclass
class Provider:
    """Its keys, the codes that it gave, and what it does wrongly just now."""

    port: int
    wrong: str = ""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    keys: list[RSAKey | ECKey] = field(default_factory=list)
    key_sets: int = 0

    def __post_init__(self) -> None:
        self.renew()

    @property
    def issuer(self) -> str:
        return f"http://localhost:{self.port}"

    def renew(self) -> None:
        """Have other keys."""
        self.keys = [
            RSAKey.generate_key(2048, {"kid": secrets.token_hex(4), "use": "sig"}),
            ECKey.generate_key("P-256", {"kid": secrets.token_hex(4), "use": "sig", "alg": "ES256"}),
        ]

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self.about),
                Route("/jwks", self.jwks),
                Route("/authorize", self.authorize, methods=["GET", "POST"]),
                Route("/token", self.token, methods=["POST"]),
                Route("/leave", self.leave),
                Route("/misbehave", self.misbehave, methods=["POST"]),
            ]
        )

    async def about(self, _: Request) -> Response:
        return JSONResponse(
            {
                "issuer": "http://other.example" if self.wrong == "other discovery" else self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
                "end_session_endpoint": f"{self.issuer}/leave",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256", "ES256"],
                "authorization_response_iss_parameter_supported": True,
            }
        )

    async def jwks(self, _: Request) -> Response:
        self.key_sets += 1
        return JSONResponse({"keys": [key.as_dict(private=False) for key in self.keys]})

    async def authorize(self, request: Request) -> Response:
        """Show whom one can be; with a choice, send the browser back."""
        query = request.query_params
        if (
            query["client_id"] != CLIENT
            or query["response_type"] != "code"
            or "openid" not in query["scope"].split()
        ):
            return Response("not this client's", 400)
        if query["code_challenge_method"] != "S256" or not query["redirect_uri"].endswith(
            "/sign-in/oidc/callback"
        ):
            return Response("not so", 400)
        if request.method == "GET":
            buttons = "".join(f'<p><button name="user" value="{user}">{user}</button></p>' for user in USERS)
            action = html.escape(f"/authorize?{query}")
            return HTMLResponse(
                f'<h1>Sample provider</h1><form method="post" action="{action}">{buttons}</form>'
            )
        user = str((await request.form())["user"])
        issuer = "http://other.example" if self.wrong == "other issuer in the answer" else self.issuer
        if self.wrong == "denied":
            back = {"error": "access_denied", "state": query["state"], "iss": issuer}
        else:
            code = secrets.token_urlsafe(16)
            self.codes[code] = {**query, "user": user}
            back = {"code": code, "state": query["state"], "iss": issuer}
        return RedirectResponse(f"{query['redirect_uri']}?{urlencode(back)}", 303)

    async def token(self, request: Request) -> Response:
        """Give an identity token for a code, once, to the client that shows its secret and the verifier."""
        if self.wrong == "away":
            return Response(status_code=503)
        name, _, secret = (
            base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode().partition(":")
        )
        if (unquote(name), unquote(secret)) != (CLIENT, SECRET):
            return JSONResponse({"error": "invalid_client"}, 401)
        form = await request.form()
        given = self.codes.pop(str(form["code"]), None)
        challenge = _encoded(hashlib.sha256(str(form["code_verifier"]).encode()).digest())
        if (
            given is None
            or challenge != given["code_challenge"]
            or form["redirect_uri"] != given["redirect_uri"]
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        answer = {"access_token": secrets.token_urlsafe(16), "token_type": "Bearer"}
        if self.wrong != "no token":
            answer["id_token"] = self._signed(self._claims(given))
        return JSONResponse(answer)

    def _claims(self, given: dict[str, str]) -> dict[str, Any]:
        at = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": f"sample-{given['user']}",
            "iat": at,
            "exp": at + 300,
            "nonce": given["nonce"],
            **USERS[given["user"]],
        }
        wrong: dict[str, dict[str, Any]] = {
            "wrong nonce": {"nonce": "another"},
            "no nonce": {"nonce": None},
            "wrong aud": {"aud": "another-client"},
            "another azp": {"aud": [CLIENT, "another"], "azp": "another"},
            "several aud": {"aud": [CLIENT, "another"]},
            "expired": {"iat": at - 600, "exp": at - 300},
            "not yet": {"iat": at + 600},
            "other issuer": {"iss": "http://other.example"},
        }
        claims |= wrong.get(self.wrong, {})
        return {name: value for name, value in claims.items() if value is not None}

    def _signed(self, claims: dict[str, Any]) -> str:
        rsa, ec = self.keys
        kid = str(rsa.kid)
        if self.wrong == "alg none":
            return f"{_json({'alg': 'none', 'kid': kid})}.{_json(claims)}."
        if self.wrong == "HS256 by the public key":
            head = f"{_json({'alg': 'HS256', 'kid': kid})}.{_json(claims)}"
            return f"{head}.{_encoded(hmac.digest(rsa.as_pem(private=False), head.encode(), 'sha256'))}"
        if self.wrong == "ES256":
            return jwt.encode({"alg": "ES256", "kid": str(ec.kid)}, claims, ec)
        if self.wrong == "unknown key":
            stranger = RSAKey.generate_key(2048)
            return jwt.encode({"alg": "RS256", "kid": "unknown"}, claims, stranger)
        if self.wrong == "another's signature":
            return jwt.encode({"alg": "RS256", "kid": kid}, claims, RSAKey.generate_key(2048))
        if self.wrong == "no kid":
            return jwt.encode({"alg": "RS256"}, claims, rsa)
        token = jwt.encode({"alg": "RS256", "kid": kid}, claims, rsa)
        if self.wrong == "changed claims":
            head, _, signature = token.split(".")
            return f"{head}.{_json({**claims, 'roles': ['bus-auditors']})}.{signature}"
        return token

    async def leave(self, request: Request) -> Response:
        back = html.escape(request.query_params["post_logout_redirect_uri"])
        return HTMLResponse(f'<h1>Signed out of the sample provider</h1><a href="{back}">back</a>')

    async def misbehave(self, request: Request) -> Response:
        """Do something wrongly from now on, or nothing."""
        self.wrong = str((await request.form()).get("what", ""))
        if self.wrong == "new keys":
            self.renew()
        return JSONResponse({"keySets": self.key_sets})


def _encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def _json(value: dict[str, Any]) -> str:
    return _encoded(json.dumps(value).encode())


async def main(port: int) -> None:
    """Serve until the standard input ends: a provider does not outlive the test that began it."""
    async with serving(Provider(port).app(), "127.0.0.1", port, setting="port"):
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
