"""The tokens of the depot's requests: what is believed, and every way of not being believed."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from bus.depot.refusals import WORDS, Refusal, RequestRefused
from bus.depot.replay import Replays
from bus.directory import PinnedCertificate
from bus.documents.seal import Seal
from bus.documents.tokens import (
    LEEWAY,
    MAX_LIFETIME,
    Denied,
    Doubt,
    RequestClaims,
    open_request_token,
    open_signed_json,
    request_token,
    signed_json,
)
from bus.identifiers import AgencyCode
from tests.assets import factory
from tests.assets.factory import OCS, OPM

NOW = datetime.now(UTC).replace(microsecond=0)
"""Within the life of the sample certificates, which are made anew for each run."""
PATH = "/files/" + "ab" * 32


def pins(*certificates: PinnedCertificate) -> Callable[[str], Sequence[PinnedCertificate]]:
    return lambda issuer: certificates if issuer == OPM else ()


def opened(token: str, *certificates: PinnedCertificate, at: datetime = NOW) -> RequestClaims:
    return open_request_token(token, pins(*(certificates or (factory.pin(),))), "PUT", PATH, at)


def made(seal: Seal | None = None, **changes: Any) -> str:
    return request_token(seal or factory.seal(), OPM, "PUT", PATH, **{"at": NOW, **changes})


def forged(
    claims: dict[str, Any] | None = None, header: dict[str, Any] | None = None, *, drop: str = ""
) -> str:
    """A token that its agency's own key signed, with other claims or another header."""
    now = int(NOW.timestamp())
    good = {
        "iss": OPM,
        "aud": "saraban-depot",
        "htm": "PUT",
        "htu": PATH,
        "iat": now,
        "exp": now + 60,
        "jti": "x" * 24,
    }
    body = {name: value for name, value in {**good, **(claims or {})}.items() if name != drop}
    headers = {"typ": "saraban-request+jwt", "kid": factory.seal().fingerprint, **(header or {})}
    return jwt.PyJWS().encode(json.dumps(body).encode(), factory.seal().private_key, "ES256", headers)


def _b64(header: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()


def doubt(token: str, *certificates: PinnedCertificate, at: datetime = NOW) -> Doubt:
    with pytest.raises(Denied) as caught:
        opened(token, *certificates, at=at)
    return caught.value.doubt


@pytest.mark.parametrize(
    "seal", [factory.seal, factory.rsa_seal, factory.p384_seal], ids=["P-256", "RSA-2048", "P-384"]
)
def test_a_token_opens_the_request_it_was_made_for(seal: Callable[[], Seal]) -> None:
    claims = opened(made(seal()), factory.pin(seal()))
    assert claims.issuer == OPM
    assert claims.dead_after == int(NOW.timestamp()) + MAX_LIFETIME + LEEWAY


def test_no_two_tokens_have_the_same_id() -> None:
    assert len({opened(made()).token_id for _ in range(50)}) == 50


def test_the_forgery_of_these_tests_is_good_but_for_its_changes() -> None:
    assert opened(forged()).issuer == OPM


@pytest.mark.parametrize(
    "claims",
    [{"aud": "another"}, {"aud": ["saraban-depot"]}, {"htm": "GET"}, {"htm": "put"}, {"htu": PATH + "/"}],
)
def test_a_token_for_another_request_is_denied(claims: dict[str, Any]) -> None:
    assert doubt(forged(claims)) is Doubt.OTHER_REQUEST


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        ("iss", Doubt.MALFORMED),
        ("jti", Doubt.MALFORMED),
        ("aud", Doubt.OTHER_REQUEST),
        ("htm", Doubt.OTHER_REQUEST),
        ("htu", Doubt.OTHER_REQUEST),
        ("iat", Doubt.TIME),
        ("exp", Doubt.TIME),
    ],
)
def test_a_token_without_one_of_its_claims_is_denied(claim: str, reason: Doubt) -> None:
    assert doubt(forged(drop=claim)) is reason


@pytest.mark.parametrize("seconds", [-LEEWAY - 1, MAX_LIFETIME + LEEWAY])
def test_a_token_is_denied_before_and_after_its_life(seconds: int) -> None:
    assert doubt(made(), at=NOW + timedelta(seconds=seconds)) is Doubt.TIME


@pytest.mark.parametrize("seconds", [-LEEWAY, 0, MAX_LIFETIME + LEEWAY - 1])
def test_a_token_lives_while_the_clocks_differ_a_little(seconds: int) -> None:
    assert opened(made(), at=NOW + timedelta(seconds=seconds)).issuer == OPM


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": int(NOW.timestamp()) + MAX_LIFETIME + 1},
        {"exp": int(NOW.timestamp())},
        {"exp": True},
        {"iat": "now"},
        {"iat": 1e9},
        {"exp": None},
    ],
)
def test_a_token_that_would_live_too_long_or_not_at_all_is_denied(claims: dict[str, Any]) -> None:
    assert doubt(forged(claims)) is Doubt.TIME


@pytest.mark.parametrize("issuer", ["", "1", "BUS", OPM + "\n", "๐๑๐๐๑๐๐๐๐๐", 100100000, None, ["bus"]])
def test_an_issuer_that_no_agency_has_is_denied(issuer: Any) -> None:
    assert doubt(forged({"iss": issuer})) is Doubt.MALFORMED


@pytest.mark.parametrize("token_id", ["", "short", "x" * 65, "x" * 20 + "\n", 7])
def test_an_id_out_of_bounds_is_denied(token_id: Any) -> None:
    assert doubt(forged({"jti": token_id})) is Doubt.MALFORMED


def test_a_key_that_is_not_the_issuers_is_denied() -> None:
    assert doubt(made(factory.seal(OCS))) is Doubt.KEY
    assert doubt(forged({"iss": OCS})) is Doubt.KEY


def test_a_foreign_key_under_the_issuers_key_id_is_denied() -> None:
    foreign = Seal(factory.seal(OCS).private_key, factory.seal().certificate)
    assert doubt(made(foreign)) is Doubt.SIGNATURE


def test_the_same_certificate_pinned_twice_is_denied() -> None:
    assert doubt(made(), factory.pin(), factory.pin()) is Doubt.KEY


def test_one_of_several_pinned_keys_is_enough() -> None:
    assert opened(made(), factory.pin(factory.seal(OCS)), factory.pin()).issuer == OPM


def test_a_key_is_good_until_its_revocation_and_not_from_then_on() -> None:
    assert opened(made(), factory.pin(revoked_at=NOW + timedelta(seconds=1))).issuer == OPM
    assert doubt(made(), factory.pin(revoked_at=NOW)) is Doubt.KEY


@pytest.mark.parametrize(
    "seal",
    [
        factory.expired_seal,
        factory.future_seal,
        factory.seal_not_for_signatures,
        factory.seal_without_usage,
        factory.rsa_1024_seal,
    ],
)
def test_a_certificate_that_is_not_in_force_or_unfit_is_denied(seal: Callable[[], Seal]) -> None:
    now = datetime.now(UTC)
    weak = pytest.warns(jwt.InsecureKeyLengthWarning) if seal is factory.rsa_1024_seal else nullcontext()
    with weak:
        token = made(seal(), at=now)
    assert doubt(token, factory.pin(seal()), at=now) is Doubt.KEY


def test_the_algorithm_is_the_pinned_keys_and_not_the_headers() -> None:
    public = factory.seal().certificate.public_bytes(Encoding.PEM)
    head, body, _ = forged().split(".")
    header = json.loads(base64.urlsafe_b64decode(head + "=="))
    for algorithm in ("none", "HS256", "RS256", "PS256", "ES384", "ES256K"):
        changed = _b64({**header, "alg": algorithm})
        assert doubt(f"{changed}.{body}.") is Doubt.SIGNATURE
    signed = f"{_b64({**header, 'alg': 'HS256'})}.{body}"
    mac = base64.urlsafe_b64encode(hmac.digest(public, signed.encode(), "sha256")).rstrip(b"=").decode()
    assert doubt(f"{signed}.{mac}") is Doubt.SIGNATURE


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "JWT"},
        {"typ": "saraban-json+jws"},
        {"crit": ["exp"], "exp": 1},
        {"zip": "DEF"},
        {"b64": True},
        {"enc": "A256GCM"},
        {"kid": 7},
        {"kid": None},
    ],
)
def test_a_header_of_another_type_or_to_be_read_in_another_way_is_denied(header: dict[str, Any]) -> None:
    head, body, signature = forged().split(".")
    known = json.loads(base64.urlsafe_b64decode(head + "=="))
    assert doubt(f"{_b64({**known, **header})}.{body}.{signature}") is Doubt.MALFORMED


def test_what_libraries_add_to_a_header_is_passed_over_and_no_key_is_taken_from_it() -> None:
    foreign = factory.seal(OCS)
    point = foreign.private_key.public_key()
    added = {
        "x5t": "a",
        "jwk": json.loads(jwt.algorithms.ECAlgorithm.to_jwk(point)),  # type: ignore[arg-type]
        "jku": "https://example.org/key",
        "x5u": "https://example.org/key",
        "cty": "JWT",
    }
    assert (
        opened(jwt.encode(_claims_of(forged()), factory.seal().private_key, "ES256", _header(**added))).issuer
        == OPM
    )
    theirs = jwt.encode(_claims_of(forged()), foreign.private_key, "ES256", _header(**added))
    assert doubt(theirs) is Doubt.SIGNATURE


def _header(**added: Any) -> dict[str, Any]:
    return {"typ": "saraban-request+jwt", "kid": factory.seal().fingerprint} | added


def _claims_of(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims


def test_signed_json_is_no_request_token_and_the_other_way_round() -> None:
    _, body, _ = forged().split(".")
    claims = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    assert doubt(signed_json(claims, factory.seal())) is Doubt.MALFORMED
    with pytest.raises(Denied):
        open_signed_json(forged(), [factory.seal().certificate])


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "a.b.c", "é.é.é", "e30.e30.", f"{'W1tb' * 500}.e30.e30", "x" * 5000],
)
def test_what_is_no_token_is_denied(token: str) -> None:
    assert doubt(token) is Doubt.MALFORMED


def test_claims_nested_too_deeply_are_denied() -> None:
    head = forged().split(".")[0]
    deep = base64.urlsafe_b64encode(b"[" * 2000).rstrip(b"=").decode()
    assert doubt(f"{head}.{deep}.{'A' * 86}") is Doubt.MALFORMED


@given(st.text(max_size=300))
def test_nothing_but_denied_comes_out_of_any_text(text: str) -> None:
    doubt(text)


@given(st.data())
def test_a_token_with_one_character_changed_is_denied(data: st.DataObject) -> None:
    token = forged()
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(
        st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=\x00é")
    )
    if token[place] != other:
        doubt(token[:place] + other + token[place + 1 :])


# ── signed JSON ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "seal", [factory.seal, factory.rsa_seal, factory.p384_seal], ids=["P-256", "RSA-2048", "P-384"]
)
def test_signed_json_comes_back_octet_for_octet(seal: Callable[[], Seal]) -> None:
    payload = '{"ชื่อ":"ตัวอย่าง","version":3}'.encode()
    certificates = [factory.seal(OCS).certificate, seal().certificate]
    assert open_signed_json(signed_json(payload, seal()), certificates) == payload


def test_signed_json_of_a_stranger_or_altered_is_denied() -> None:
    token = signed_json(b'{"version":3}', factory.seal())
    with pytest.raises(Denied) as caught:
        open_signed_json(token, [factory.seal(OCS).certificate])
    assert caught.value.doubt is Doubt.KEY
    head, _, signature = token.split(".")
    other = base64.urlsafe_b64encode(b'{"version":4}').rstrip(b"=").decode()
    with pytest.raises(Denied) as caught:
        open_signed_json(f"{head}.{other}.{signature}", [factory.seal().certificate])
    assert caught.value.doubt is Doubt.SIGNATURE


# ── used once ──────────────────────────────────────────────────────────────────────────────────────


def claims(number: int, *, issuer: AgencyCode = OPM, dead_after: int = 1070) -> RequestClaims:
    return RequestClaims(issuer=issuer, token_id=f"{number:020}", dead_after=dead_after)


def test_a_token_is_used_once() -> None:
    replays = Replays()
    replays.use(claims(1), 1000)
    with pytest.raises(Denied) as caught:
        replays.use(claims(1), 1069)
    assert caught.value.doubt is Doubt.REPLAYED
    replays.use(claims(1, issuer=OCS), 1069)


def test_the_memory_forgets_only_what_is_dead_anyway() -> None:
    replays = Replays()
    for number in range(100):
        replays.use(claims(number, dead_after=1000 + number), 900)
    replays.use(claims(100, dead_after=2000), 1050)
    assert len(replays) == 50
    with pytest.raises(Denied):
        replays.use(claims(75, dead_after=1075), 1050)


def test_one_agency_that_fills_its_memory_shuts_out_itself_only() -> None:
    replays = Replays(per_issuer=3, altogether=5)
    for number in range(3):
        replays.use(claims(number), 1000)
    with pytest.raises(RequestRefused) as caught:
        replays.use(claims(3), 1000)
    assert caught.value.refusal is Refusal.TOO_MANY
    replays.use(claims(3, issuer=OCS), 1000)
    replays.use(claims(3), 1070)


def test_a_memory_full_altogether_makes_room_from_what_is_dead() -> None:
    replays = Replays(per_issuer=3, altogether=3)
    for number in range(3):
        replays.use(claims(number, dead_after=1010), 1000)
    with pytest.raises(RequestRefused):
        replays.use(claims(1, issuer=OCS), 1009)
    replays.use(claims(1, issuer=OCS), 1010)
    assert len(replays) == 1


def test_every_reason_to_say_no_has_its_words_in_both_languages() -> None:
    assert {*WORDS} == {*map(str, Refusal), *map(str, Doubt)}
    for words in WORDS.values():
        assert 400 <= words.status < 600
        assert any("ก" <= letter <= "๛" for letter in words.th)
        assert words.en.isascii()
