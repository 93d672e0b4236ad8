"""Identity tokens of an OpenID Connect provider: what they say, once it is shown to be true; joserfc ends here.

What must hold of one (OpenID Connect Core 1.0, 3.1.3.7):

1. Its algorithm is one of `ALGORITHMS`: neither `none` nor one in which the provider's public key could sign.
2. Exactly one key of the provider's key set has its key id and fits its algorithm.
3. The signature is that key's.
4. `iss` is the configured issuer; `aud` has this client, and `azp`, which there must be beside other clients, is it.
5. `exp` is not past and `iat` not to come; a minute of skew is allowed.
6. `nonce` is the one that the browser was sent with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from bus.errors import BusError

ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"}
)
_KEYS: Final[Mapping[str, type[RSAKey | ECKey]]] = {"RSA": RSAKey, "EC": ECKey}
_FAMILY: Final = {"RS": "RSA", "PS": "RSA", "ES": "EC"}
_SKEW: Final = 60

Keys = Sequence[Mapping[str, Any]]
"""The keys of a provider's key set (RFC 7517), as it gives them."""


class Unproven(BusError):
    """What a provider answered does not say who somebody is; the sentence is ours and quotes nothing of it."""

    for_logs = True


@dataclass(frozen=True, slots=True)
class Expected:
    """What an identity token must say."""

    issuer: str
    client: str
    nonce: str


def keys_in(key_set: Mapping[str, Any]) -> Keys:
    """Return the keys of a key set."""
    keys = key_set.get("keys")
    return [one for one in keys if isinstance(one, dict)] if isinstance(keys, list) else []


def has_key(token: str, keys: Keys) -> bool:
    """Whether a key of the set may have signed a token. Raises Unproven for what is no token, or none of ours."""
    return bool(_fitting(keys, *_head(token)))


def verified(token: str, keys: Keys, expected: Expected) -> Mapping[str, Any]:
    """Return the claims of a token. Raises Unproven when one of the conditions above does not hold."""
    kid, algorithm = _head(token)
    found = _fitting(keys, kid, algorithm)
    if len(found) != 1:
        raise Unproven("the identity token is not signed by exactly one key of the provider")
    (values,) = found
    try:
        key = _KEYS[values["kty"]].import_key(dict(values))
        claims = jwt.decode(token, key, algorithms=[algorithm]).claims
        _registry(expected).validate(claims)
    except (JoseError, ValueError) as wrong:
        raise Unproven(f"the identity token does not hold ({_reason(wrong)})") from wrong
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if claims.get("azp", None if several else expected.client) != expected.client:
        raise Unproven("the identity token is another client's")
    return claims


def _head(token: str) -> tuple[object, str]:
    try:
        header = jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError) as wrong:
        raise Unproven("the identity token is none") from wrong
    if (algorithm := header.get("alg")) not in ALGORITHMS:
        raise Unproven("the identity token is signed in a way that is not allowed")
    return header.get("kid"), str(algorithm)


def _fitting(keys: Keys, kid: object, algorithm: str) -> Keys:
    """The keys that a token's key id and algorithm mean; without an id, every one of that algorithm."""
    return [
        one
        for one in keys
        if (kid is None or one.get("kid") == kid)
        and one.get("kty") == _FAMILY[algorithm[:2]]
        and one.get("use", "sig") == "sig"
        and one.get("alg", algorithm) == algorithm
    ]


def _registry(expected: Expected) -> jwt.JWTClaimsRegistry:
    return jwt.JWTClaimsRegistry(
        leeway=_SKEW,
        iss={"essential": True, "value": expected.issuer},
        aud={"essential": True, "value": expected.client},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
        nonce={"essential": True, "value": expected.nonce},
    )


def _reason(wrong: Exception) -> str:
    claim = getattr(wrong, "claim", None)
    return f"{type(wrong).__name__}: {claim}" if isinstance(claim, str) else type(wrong).__name__
