"""Short signatures in JOSE's compact form: the token of one request to the depot, and signed JSON.

What must hold before a request counts as its agency's, in the order in which `open_request_token` checks it:

1. the token is a compact JWS of at most 6 KiB, and its header has `alg`, `kid` and `typ`, perhaps `x5c`, and nothing
   that would have it read in another way; what else stands there is passed over, and no key is ever taken from it;
2. `typ` is this token's own, so that no other thing signed with the key can pass for it (RFC 8725, 3.11);
3. `kid` is the fingerprint of exactly one certificate that is pinned for the agency that `iss` names, or of the one in
   `x5c` if a public authority pinned for that agency vouches for it (bus/directory/vouching.py);
4. that certificate is in force, not revoked, fit to sign, and its key is no weak one;
5. the signature verifies with the one algorithm with which the pinned key signs here (RFC 8725, 3.1);
6. it is meant for the depot (`aud`), for this method (`htm`) and for this path (`htu`, after RFC 9449, 4.2);
7. it lives at most sixty seconds, and is alive.

Whether its `jti` was seen before is for whoever keeps that memory: see `bus.depot.replay`.
"""

from __future__ import annotations

import json
import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from jwt import PyJWS
from jwt.exceptions import PyJWTError

from bus.directory import PinnedCertificate, Vouched
from bus.directory.certificates import objection
from bus.directory.vouching import objection_by_authorities
from bus.documents.seal import Seal, fingerprint_of
from bus.errors import BusError
from bus.identifiers import AgencyCode
from bus.methods import SealPublicKey, method_for, weakness_of

AUDIENCE = "saraban-depot"
MAX_LIFETIME = 60
"""Seconds from `iat` to `exp`."""
LEEWAY = 60
"""Seconds by which two clocks may differ: a used token is remembered as much longer (`bus.depot.replay`)."""

_REQUEST_TYPE = "saraban-request+jwt"
JSON_TYPE = "saraban-json+jws"
_MAX_TOKEN = 6144
"""Characters; web servers take a header of 8 KiB."""
_HEADER = frozenset({"alg", "kid", "typ"})
_CERTIFICATE = "x5c"
"""One certificate (RFC 7515, 4.1.6): that of a seal which others do not have pinned."""
_READ_OTHERWISE = frozenset({"crit", "zip", "b64", "enc"})
"""Members with which a JWS is to be read in another way (RFC 7515, RFC 7516, RFC 7797)."""
_ISSUER = re.compile(r"\d{10}|bus", re.ASCII)
_TOKEN_ID = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)

_T = TypeVar("_T")

_jws = PyJWS()


class Doubt(StrEnum):
    """Why a token is not believed; stable names."""

    MALFORMED = "token.malformed"
    KEY = "token.key"
    SIGNATURE = "token.signature"
    OTHER_REQUEST = "token.other-request"
    TIME = "token.time"
    REPLAYED = "token.replayed"


class Denied(BusError):
    """A token proves nothing; `detail` says why in words for a log and quotes nothing of the token."""

    for_logs = True

    def __init__(self, doubt: Doubt, detail: str) -> None:
        super().__init__(f"{doubt}: {detail}")
        self.doubt = doubt
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestClaims:
    """What a verified token says: who asks, and until when its id must be remembered."""

    issuer: AgencyCode
    """Ten digits of an agency, or `bus`."""
    token_id: str
    dead_after: int
    """Seconds since 1970 from which on the token is refused for its age alone."""


def request_token(
    seal: Seal,
    issuer: str,
    method: str,
    path: str,
    *,
    lifetime: int = MAX_LIFETIME,
    at: datetime | None = None,
) -> str:
    """Make the token of one request; `path` is the path alone, without host and query."""
    issued = int((at or datetime.now(UTC)).timestamp())
    claims = {
        "iss": issuer,
        "aud": AUDIENCE,
        "htm": method,
        "htu": path,
        "iat": issued,
        "exp": issued + lifetime,
        "jti": secrets.token_urlsafe(18),
    }
    payload = json.dumps(claims, separators=(",", ":")).encode()
    return _sign(payload, seal, _REQUEST_TYPE, bringing=_issued(seal))


def open_request_token(
    token: str,
    pins_of: Callable[[AgencyCode], Sequence[PinnedCertificate]],
    method: str,
    path: str,
    at: datetime,
    vouched_of: Callable[[AgencyCode], Sequence[Vouched]] = lambda code: (),
) -> RequestClaims:
    """Return what a token of this very request says; raises Denied at the first of the checks that fails.

    `pins_of` and `vouched_of` know an agency's pinned certificates and organizations.
    """
    if len(token) > _MAX_TOKEN:
        raise Denied(Doubt.MALFORMED, "longer than a token can be")
    header, payload = _unverified(token, _REQUEST_TYPE)
    claims = _claims(payload)
    issuer = AgencyCode(_matching(claims, "iss", _ISSUER))
    pins = pins_of(issuer)
    brought = _vouched_for(header, pins, vouched_of(issuer), at)
    pin = _exactly_one(
        header["kid"], [*pins, *map(PinnedCertificate.of, brought)], lambda one: one.fingerprint
    )
    _require_in_force(pin, at)
    _verify(token, pin.certificate)
    if (claims.get("aud"), claims.get("htm"), claims.get("htu")) != (AUDIENCE, method, path):
        raise Denied(Doubt.OTHER_REQUEST, "made for another request")
    return RequestClaims(
        issuer=issuer, token_id=_matching(claims, "jti", _TOKEN_ID), dead_after=_dead_after(claims, at)
    )


def signed_json(payload: bytes, seal: Seal, kind: str = JSON_TYPE, *, of_agency: bool = False) -> str:
    """Sign canonical JSON as a document of this type; the octets travel inside and come back unchanged.

    `of_agency` brings the certificate along where an authority has issued it.
    """
    return _sign(payload, seal, kind, bringing=of_agency and _issued(seal))


def open_agency_json(
    token: str, pins: Sequence[PinnedCertificate], vouched: Sequence[Vouched], at: datetime
) -> bytes:
    """Return the octets that an agency signed, as of a time; raises Denied."""
    header, _ = _unverified(token, JSON_TYPE)
    good = [pin.certificate for pin in pins if not objection(pin.certificate, pins, at)]
    return open_signed_json(token, [*good, *_vouched_for(header, pins, vouched, at)])


def open_signed_json(token: str, certificates: Iterable[x509.Certificate], kind: str = JSON_TYPE) -> bytes:
    """Return the octets that one of these certificates' keys signed; raises Denied."""
    header, payload = _unverified(token, kind)
    _verify(token, _exactly_one(header["kid"], certificates, fingerprint_of))
    return payload


def unverified_json(token: str, kind: str) -> bytes:
    """Return the octets of a document that brings its own certificate, to be verified with that; raises Denied."""
    return _unverified(token, kind)[1]


def _issued(seal: Seal) -> bool:
    return seal.certificate.issuer != seal.certificate.subject


def _sign(payload: bytes, seal: Seal, kind: str, *, bringing: bool = False) -> str:
    headers: dict[str, Any] = {"typ": kind, "kid": seal.fingerprint}
    if bringing:
        headers[_CERTIFICATE] = [b64encode(seal.certificate.public_bytes(Encoding.DER)).decode()]
    return _jws.encode(payload, seal.private_key, method_for(seal.private_key).jose, headers)


def _unverified(token: str, kind: str) -> tuple[dict[str, Any], bytes]:
    try:
        parts = _jws.decode_complete(token, options={"verify_signature": False})
    except (PyJWTError, ValueError, RecursionError) as exc:
        raise Denied(Doubt.MALFORMED, "no compact JWS") from exc
    header: dict[str, Any] = parts["header"]
    if not all(isinstance(header.get(name), str) for name in _HEADER) or header.keys() & _READ_OTHERWISE:
        raise Denied(Doubt.MALFORMED, "a header without alg, kid and typ, or to be read in another way")
    if header["typ"] != kind:
        raise Denied(Doubt.MALFORMED, f"not of type {kind}")
    return header, bytes(parts["payload"])


def _claims(payload: bytes) -> dict[str, Any]:
    try:
        claims = json.loads(payload)
    except (ValueError, RecursionError) as exc:
        raise Denied(Doubt.MALFORMED, "claims are no JSON") from exc
    if not isinstance(claims, dict):
        raise Denied(Doubt.MALFORMED, "claims are no JSON object")
    return claims


def _matching(claims: dict[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    value = claims.get(name)
    if isinstance(value, str) and pattern.fullmatch(value):
        return value
    raise Denied(Doubt.MALFORMED, f"{name} is missing or out of bounds")


def _exactly_one(key_id: str, candidates: Iterable[_T], fingerprint: Callable[[_T], str]) -> _T:
    found = [one for one in candidates if fingerprint(one) == key_id]
    if len(found) != 1:
        raise Denied(Doubt.KEY, f"{len(found)} pinned certificates have the key id, not one")
    return found[0]


def _vouched_for(
    header: dict[str, Any], pins: Sequence[PinnedCertificate], vouched: Sequence[Vouched], at: datetime
) -> list[x509.Certificate]:
    """The certificate that a header brings, if it is not pinned itself and an authority vouches for it; or none."""
    if not vouched or _CERTIFICATE not in header or any(pin.fingerprint == header["kid"] for pin in pins):
        return []
    try:
        (text,) = header[_CERTIFICATE]
        certificate = x509.load_der_x509_certificate(b64decode(text, validate=True))
    except (ValueError, TypeError, x509.InvalidVersion) as exc:
        raise Denied(Doubt.MALFORMED, "x5c is not one certificate") from exc
    if found := objection_by_authorities(certificate, vouched, at):
        raise Denied(Doubt.KEY, found.detail)
    return [certificate]


def _require_in_force(pin: PinnedCertificate, at: datetime) -> None:
    if found := objection(pin.certificate, (pin,), at):
        raise Denied(Doubt.KEY, f"the pinned certificate: {found.detail}")


def _verify(token: str, certificate: x509.Certificate) -> None:
    key = certificate.public_key()
    weakness = weakness_of(key)
    if weakness is not None or not isinstance(key, SealPublicKey):
        raise Denied(Doubt.KEY, f"the pinned certificate has {weakness}")
    try:
        _jws.decode(token, key, algorithms=[method_for(key).jose])
    except (PyJWTError, ValueError) as exc:
        raise Denied(Doubt.SIGNATURE, "does not verify with the pinned key") from exc


def _dead_after(claims: dict[str, Any], at: datetime) -> int:
    issued, expires, now = claims.get("iat"), claims.get("exp"), at.timestamp()
    # bool is an int to isinstance, hence the comparison of types.
    if type(issued) is not int or type(expires) is not int or not 0 < expires - issued <= MAX_LIFETIME:
        raise Denied(Doubt.TIME, f"lives longer than {MAX_LIFETIME} seconds, or not at all")
    if not issued - LEEWAY <= now < expires + LEEWAY:
        raise Denied(Doubt.TIME, "not alive; compare the two clocks")
    return expires + LEEWAY
