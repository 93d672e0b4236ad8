"""Enrolment tried by strangers, thieves and two operators at once: what is taken, refused, entered, and never shown."""

from __future__ import annotations

import json
import warnings
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from typing import Any

import httpx
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select
from starlette.applications import Starlette

from bus.directory import Agency
from bus.documents.enrolment import (
    Invitation,
    Request,
    digest_of,
    new_secret,
    public_sealing_key,
    read_answer,
    read_request,
    request_digest,
    sealed,
    sign_request,
    unsealed,
)
from bus.documents.making import new_seal
from bus.documents.notes import make_key, witness_key
from bus.documents.seal import Seal
from bus.documents.tokens import Denied, request_token, signed_json
from bus.enrolment import deciding, receiving
from bus.enrolment.deciding import Centre, Waiting, approve, decline, invite, waiting
from bus.enrolment.receiving import Policy
from bus.enrolment.routes import enrolment_routes
from bus.errors import Misconfigured, Transient
from bus.identifiers import AgencyCode, RawDigest
from bus.ledger.database import reading
from bus.ledger.entry import Kind
from bus.ledger.store import Ledger
from bus.ledger.tables import documents, entries
from bus.router.activation import directory_in_force
from tests.assets import factory
from tests.assets.factory import DGA, OCS, SOC
from tests.assets.operators import by
from tests.contract import ledger_rig as rig
from tests.contract.depot_rig import TLS, serving

NEW, OTHER = AgencyCode("0999900000"), AgencyCode("0999900001")
CENTRE = Centre(centre="https://centre.test", broker="amqps://mq.test", vhost="/", bus="", log_key="")
BUS = factory.seal("bus")
SEALING = X25519PrivateKey.generate()
PASSWORD = "the broker's password"
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("witness") / "key.pem"
    make_key(file)
    return str(witness_key(file, "saraban.example/test/witness").verifier)


class Desk:
    """A ledger with a directory in force, and the desk before it over HTTP."""

    def __init__(self, ledger: Ledger, url: str, witness: str) -> None:
        self.ledger = ledger
        self.url = url
        self._witness = witness

    def invited(self, agency: AgencyCode = NEW, *, lasts: timedelta = HOUR, **more: Any) -> Invitation:
        names: dict[str, Any] = {"name_th": "หน่วยงาน (ตัวอย่าง)", "name_en": "An agency"}
        return invite(self.ledger, CENTRE, agency, BUS, lasts=lasts, operator=by("somying"), **names, **more)

    def request(
        self,
        invitation: Invitation | None,
        seal: Seal | None = None,
        agency: AgencyCode = NEW,
        **changes: Any,
    ) -> str:
        seal = seal or new_seal(agency)
        asked = Request(
            agency=agency,
            certificate=seal.certificate.public_bytes(Encoding.PEM).decode().strip(),
            witness=self._witness,
            sealing=public_sealing_key(SEALING),
            invitation=digest_of(invitation.secret) if invitation else None,
        )
        return sign_request(replace(asked, **changes), seal)

    def post(self, secret: object, signed: object) -> httpx.Response:
        return self.raw(json.dumps({"secret": secret, "request": signed}).encode())

    def raw(self, body: bytes) -> httpx.Response:
        return httpx.post(f"{self.url}/enrolments", content=body, verify=TLS, timeout=20)

    def look(self, name: str) -> httpx.Response:
        return httpx.get(f"{self.url}/enrolments/{name}", verify=TLS, timeout=20)

    def renew(self, signed: str, by: Seal, agency: str, path: str | None = None) -> httpx.Response:
        place = f"/renewals/{request_digest(signed)}"
        token = request_token(by, agency, "PUT", path or place)
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.put(self.url + place, content=signed, headers=headers, verify=TLS, timeout=20)

    def asked(self, agency: AgencyCode = NEW, **more: Any) -> tuple[Waiting, str]:
        """An invitation, and a request that waits for an operator."""
        invitation = self.invited(agency, **more)
        signed = self.request(invitation, agency=agency)
        assert self.post(invitation.secret, signed).status_code == 202
        return self.waiting()[-1], signed

    def waiting(self) -> list[Waiting]:
        with self.ledger.read() as reader:
            return waiting(reader)

    def kinds(self) -> list[str]:
        with self.ledger.read() as reader:
            return [one.kind for one in reader.entries()]

    def bodies(self, kind: Kind) -> list[dict[str, Any]]:
        with self.ledger.read() as reader:
            return [dict(one.body) for one in reader.entries(kind=kind)]

    def in_force(self) -> Any:
        with self.ledger.read() as reader:
            return directory_in_force(reader)[1]


Opened = Callable[..., Desk]


@pytest.fixture
def opened(ledger: Ledger, witness: str) -> Iterator[Opened]:
    """A desk under a policy about renewals."""
    rig.Router(ledger).activate(rig.directory())
    ends = []

    def start(policy: Policy = "ask") -> Desk:
        def pins(code: AgencyCode) -> Any:
            with ledger.read() as reader:
                return directory_in_force(reader)[1].pins(code)

        running = serving(Starlette(routes=enrolment_routes(ledger, pins, policy)))
        ends.append(running)
        return Desk(ledger, running.__enter__(), witness)

    yield start
    for running in ends:
        running.__exit__(None, None, None)


@pytest.fixture
def desk(opened: Opened) -> Desk:
    return opened()


def is_refused(response: httpx.Response, status: int, code: str) -> bool:
    body = response.json()
    assert body.keys() == {"code", "th", "en"}
    assert body["th"]
    assert body["en"]
    assert (response.status_code, body["code"]) == (status, code), body
    return True


def ready(_: Agency) -> str:
    return PASSWORD


# ── strangers: no entry ─────────────────────────────────────────────────────────────────────────


def test_who_has_not_the_secret_leaves_no_entry(desk: Desk) -> None:
    mine, others = desk.invited(), desk.invited(OTHER)
    before = desk.kinds()
    unknown = replace(mine, secret=new_secret())
    assert is_refused(desk.post(unknown.secret, desk.request(unknown)), 403, "enrolment.unknown")
    assert is_refused(desk.post(others.secret, desk.request(others)), 403, "enrolment.unknown")
    assert is_refused(desk.post(others.secret, desk.request(mine)), 403, "enrolment.unknown")
    assert is_refused(desk.post(digest_of(mine.secret), desk.request(mine)), 403, "enrolment.unknown")
    assert is_refused(desk.look("ab" * 32), 404, "enrolment.no-request")
    assert is_refused(desk.look("AB" * 32), 404, "enrolment.no-request")
    assert is_refused(desk.look("nonsense"), 404, "enrolment.no-request")
    assert desk.kinds() == before


HOSTILE = {
    "no JSON": b"{",
    "no text": b"\xff\xfe",
    "no object": b"[]",
    "nothing": b"{}",
    "numbers": b'{"secret":1,"request":2}',
    "a list": b'{"secret":["a"],"request":{}}',
    "half a surrogate": b'{"secret":"\\ud800","request":"a.b.c"}',
    "deep JSON": b"[" * 60_000,
    "an endless number": b'{"secret":' + b"9" * 10_000 + b"}",
    "too large": b'{"secret":"' + b"a" * 70_000,
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_body_that_is_no_request_is_refused_as_unreadable(desk: Desk, body: bytes) -> None:
    before = desk.kinds()
    assert is_refused(desk.raw(body), 400, "enrolment.unreadable")
    assert desk.kinds() == before


def unfit_requests(desk: Desk, invitation: Invitation) -> dict[str, str]:
    """Requests that are signed well, by keys that may not sign."""
    with warnings.catch_warnings():
        # The library would rather not sign with a short key.
        warnings.simplefilter("ignore")
        of_no_use = Seal(new_seal(NEW).private_key, factory.secp256k1_seal().certificate)
        return {
            "a short key": desk.request(invitation, factory.rsa_1024_seal()),
            "another curve": desk.request(invitation, of_no_use),
        }


def changed_requests(desk: Desk, invitation: Invitation) -> dict[str, str]:
    """Requests with the right secret's digest, of which none may be believed."""
    seal, thief = new_seal(NEW), new_seal(NEW)
    good = desk.request(invitation, seal)
    head, payload, signature = good.split(".")
    octets = json.dumps({"agency": NEW}).encode()
    named = read_request(good)
    fields = {
        "agency": named.agency,
        "certificate": named.certificate,
        "witness": named.witness,
        "sealing": named.sealing,
        "invitation": named.invitation,
    }

    def of(**changes: Any) -> str:
        raw = json.dumps({**fields, **changes}, sort_keys=True, separators=(",", ":")).encode()
        return signed_json(raw, seal, "saraban-enrolment+jws")

    return {
        "a changed octet": f"{head}.{payload[:40]}{'A' if payload[40] != 'A' else 'B'}{payload[41:]}.{signature}",
        "no signature": f"{head}.{payload}.",
        "another's signature": sign_request(named, thief),
        "another type": signed_json(json.dumps(fields).encode(), seal, "saraban-invitation+jws"),
        "a field too few": signed_json(octets, seal, "saraban-enrolment+jws"),
        "deep JSON": signed_json(b"[" * 20_000, seal, "saraban-enrolment+jws"),
        "a field more": of(more=1),
        "no code": of(agency="12"),
        "a number for a code": of(agency=1),
        "no certificate": of(certificate="-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"),
        "no witness": of(witness="nobody"),
        "a log for a witness": of(witness=named.witness.replace("+", "x+", 1)),
        "a point of small order": of(sealing=b64encode(bytes(32)).decode()),
        "too long": of(witness="w" * 40_000),
        **unfit_requests(desk, invitation),
    }


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_a_request_that_its_own_key_did_not_sign_as_it_is_is_refused(desk: Desk) -> None:
    invitation = desk.invited()
    before = desk.kinds()
    for name, signed in changed_requests(desk, invitation).items():
        response = desk.post(invitation.secret, signed)
        assert (name, response.status_code) == (name, 400)
        assert is_refused(response, 400, "enrolment.unreadable")
    assert is_refused(desk.post("\ud800", desk.request(invitation)), 400, "enrolment.unreadable")
    assert desk.kinds() == before
    assert desk.post(invitation.secret, desk.request(invitation)).status_code == 202


# ── with the secret: an entry each, and no more than so many ────────────────────────────────────


def test_each_refusal_of_an_invitation_has_a_code_and_an_entry(desk: Desk) -> None:
    ended = desk.invited(lasts=-HOUR)
    assert is_refused(desk.post(ended.secret, desk.request(ended)), 410, "enrolment.expired")
    replaced, newest = desk.invited(), desk.invited()
    assert is_refused(desk.post(replaced.secret, desk.request(replaced)), 410, "enrolment.replaced")
    expired = desk.request(newest, factory.expired_seal())
    assert is_refused(desk.post(newest.secret, expired), 422, "enrolment.key")
    future = desk.request(newest, factory.future_seal())
    assert is_refused(desk.post(newest.secret, future), 422, "enrolment.key")
    unfit = desk.request(newest, factory.seal_without_usage())
    assert is_refused(desk.post(newest.secret, unfit), 422, "enrolment.key")
    pinned = desk.request(newest, factory.seal(OCS))
    assert is_refused(desk.post(newest.secret, pinned), 409, "enrolment.key-taken")
    same_key = new_seal(NEW, key=factory.seal(OCS).private_key)
    assert is_refused(desk.post(newest.secret, desk.request(newest, same_key)), 409, "enrolment.key-taken")
    first = desk.request(newest)
    assert desk.post(newest.secret, first).status_code == 202
    assert is_refused(desk.post(newest.secret, desk.request(newest)), 409, "enrolment.used")
    assert desk.post(newest.secret, first).json() == {"request": request_digest(first)}
    refused = desk.bodies(Kind.ENROLMENT_REFUSED)
    assert [one["code"].removeprefix("enrolment.") for one in refused] == [
        *("expired", "replaced", "key", "key", "key", "key-taken", "key-taken", "used")
    ]
    assert len(desk.bodies(Kind.ENROLMENT_REQUESTED)) == 1


def test_a_stolen_secret_fills_no_ledger(desk: Desk) -> None:
    invitation = desk.invited()
    unfit = desk.request(invitation, factory.expired_seal())
    for _ in range(receiving._MOST_REFUSED + 5):
        assert desk.post(invitation.secret, unfit).status_code == 422
    assert len(desk.bodies(Kind.ENROLMENT_REFUSED)) == receiving._MOST_REFUSED


def test_of_two_requests_at_once_one_is_taken(desk: Desk) -> None:
    invitation = desk.invited()
    requests = [desk.request(invitation) for _ in range(4)]
    together = Barrier(4)

    def ask(signed: str) -> int:
        together.wait(20)
        return desk.post(invitation.secret, signed).status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(ask, requests)) == [202, 409, 409, 409]
    assert len(desk.waiting()) == 1


def test_no_secret_and_no_password_is_in_the_ledger_or_the_log(
    desk: Desk, capfd: pytest.CaptureFixture[str]
) -> None:
    invitation = desk.invited()
    desk.post(invitation.secret, desk.request(invitation, factory.expired_seal()))
    desk.post(invitation.secret, desk.request(invitation))
    desk.post(invitation.secret, "x" + invitation.secret)
    approve(desk.ledger, desk.waiting()[0], BUS, ready, operator=by("somying"))
    with reading(desk.ledger.engine) as connection:
        kept = b"".join(connection.scalars(select(documents.c.bytes)))
        kept += "".join(connection.scalars(select(entries.c.body))).encode()
    said = "".join(capfd.readouterr()).encode()
    for hidden in (invitation.secret, PASSWORD):
        assert hidden.encode() not in kept + said


# ── the answer ──────────────────────────────────────────────────────────────────────────────────


def test_an_approved_request_is_pinned_and_only_who_asked_can_read_the_password(desk: Desk) -> None:
    asked, signed = desk.asked()
    assert desk.look(asked.name).status_code == 202
    version = approve(desk.ledger, asked, BUS, ready, operator=by("somying"))
    answer = read_answer(desk.look(asked.name).text, BUS.certificate)
    assert (answer.outcome, answer.directory, answer.request) == ("approved", version, request_digest(signed))
    assert unsealed(answer, SEALING) == PASSWORD
    with pytest.raises(InvalidTag):
        unsealed(answer, X25519PrivateKey.generate())
    with pytest.raises(InvalidTag):
        unsealed(replace(answer, request=RawDigest("ab" * 32)), SEALING)
    with pytest.raises(Denied):
        read_answer(desk.look(asked.name).text, factory.seal(OCS).certificate)
    joined = desk.in_force().agencies[NEW]
    assert [pin.fingerprint for pin in joined.certificates] == [asked.request.fingerprint]
    assert desk.bodies(Kind.DIRECTORY)[-1]["reason"] == "an agency joins"


def test_a_declined_request_has_its_reason_and_pins_nothing(desk: Desk) -> None:
    asked, _ = desk.asked()
    decline(desk.ledger, asked, BUS, operator=by("somying"), reason="ลายนิ้วมือไม่ตรง")
    answer = read_answer(desk.look(asked.name).text, BUS.certificate)
    assert (answer.outcome, answer.reason, answer.password) == ("declined", "ลายนิ้วมือไม่ตรง", "")
    assert NEW not in desk.in_force().agencies
    with pytest.raises(Misconfigured, match="answered already"):
        approve(desk.ledger, asked, BUS, ready, operator=by("somying"))
    assert desk.in_force().version == 1


def test_a_request_is_answered_once_whoever_decides_at_the_same_time(desk: Desk) -> None:
    asked, _ = desk.asked()
    together = Barrier(2)

    def ready_together(_: Agency) -> str:
        together.wait(20)
        return PASSWORD

    def decide(operator: str) -> bool:
        try:
            approve(desk.ledger, asked, BUS, ready_together, operator=by(operator))
        except Misconfigured:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(decide, ("somying", "somchai"))) == [False, True]
    assert len(desk.bodies(Kind.ENROLMENT_ANSWERED)) == 1
    assert desk.in_force().version == 2


def test_a_certificate_that_ended_while_it_waited_is_not_pinned(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, _ = desk.asked()
    later = factory.NOW + timedelta(days=1000)
    with monkeypatch.context() as years:
        years.setattr(deciding, "now", lambda: later)
        with pytest.raises(Misconfigured, match="valid until"):
            approve(desk.ledger, asked, BUS, ready, operator=by("somying"))
    assert NEW not in desk.in_force().agencies


def test_while_the_broker_is_away_nothing_is_in_force_and_afterwards_it_works(desk: Desk) -> None:
    asked, _ = desk.asked()

    def away(_: Agency) -> str:
        raise Transient("the broker's management does not answer")

    with pytest.raises(Transient):
        approve(desk.ledger, asked, BUS, away, operator=by("somying"))
    assert (desk.in_force().version, len(desk.waiting())) == (1, 1)
    made: list[AgencyCode] = []

    def back(agency: Agency) -> str:
        made.append(agency.code)
        return PASSWORD

    approve(desk.ledger, asked, BUS, back, operator=by("somying"))
    assert (desk.in_force().version, made, desk.waiting()) == (2, [NEW], [])


def test_a_newer_invitation_declines_what_was_asked_with_the_one_before(desk: Desk) -> None:
    thiefs, _ = desk.asked()
    desk.invited()
    assert desk.waiting() == []
    answer = read_answer(desk.look(thiefs.name).text, BUS.certificate)
    assert (answer.outcome, answer.reason.split()[2]) == ("declined", "invitation")
    with pytest.raises(Misconfigured):
        approve(desk.ledger, thiefs, BUS, ready, operator=by("somying"))


def test_a_password_is_sealed_for_one_request(desk: Desk) -> None:
    mine, theirs = desk.request(None), desk.request(None)
    assert sealed(PASSWORD, read_request(mine), mine) != sealed(PASSWORD, read_request(mine), mine)
    assert request_digest(mine) != request_digest(theirs)


# ── renewal ─────────────────────────────────────────────────────────────────────────────────────


def test_a_renewal_is_believed_with_a_token_for_this_request_by_a_key_in_force(desk: Desk) -> None:
    signed, own = desk.request(None, agency=OCS), factory.seal(OCS)
    assert is_refused(desk.renew(signed, own, OCS, path="/renewals/" + "ab" * 32), 401, "token.other-request")
    assert is_refused(desk.renew(signed, factory.seal(SOC), OCS), 401, "token.key")
    assert is_refused(desk.renew(signed, factory.seal(SOC), SOC), 400, "enrolment.unreadable")
    invitation = desk.invited(OCS)
    joins = desk.request(invitation, agency=OCS)
    assert is_refused(desk.renew(joins, own, OCS), 400, "enrolment.unreadable")
    taken = desk.request(None, factory.seal(DGA), agency=OCS)
    assert is_refused(desk.renew(taken, own, OCS), 409, "enrolment.key-taken")
    assert desk.waiting() == []
    assert desk.renew(signed, own, OCS).status_code == desk.renew(signed, own, OCS).status_code == 202
    (asked,) = desk.waiting()
    approve(desk.ledger, asked, BUS, ready, operator=by("somying"))
    kept = [pin.fingerprint for pin in desk.in_force().pins(OCS)]
    assert kept == [own.fingerprint, asked.request.fingerprint]


def test_an_agency_may_renew_the_certificate_of_a_key_that_was_not_revoked(desk: Desk) -> None:
    own = factory.seal(OCS)
    again = new_seal(OCS, key=own.private_key)
    assert desk.renew(desk.request(None, again, agency=OCS), own, OCS).status_code == 202
    revoked = rig.agency(OCS, factory.pin(own, revoked_at=factory.NOW), factory.pin(factory.p384_seal()))
    rig.Router(desk.ledger).activate(rig.directory(2, OCS=revoked))
    fresh = new_seal(OCS, key=own.private_key)
    by = factory.p384_seal()
    assert is_refused(desk.renew(desk.request(None, fresh, agency=OCS), by, OCS), 409, "enrolment.key-taken")


def test_where_renewal_is_off_nothing_is_taken(opened: Opened) -> None:
    desk = opened("off")
    signed = desk.request(None, agency=OCS)
    assert is_refused(desk.renew(signed, factory.seal(OCS), OCS), 403, "enrolment.renewal-off")
    assert desk.waiting() == []


def test_a_suspended_agency_may_renew_and_stays_suspended(desk: Desk) -> None:
    rig.Router(desk.ledger).activate(rig.directory(2, OCS=rig.agency(OCS, state="suspended")))
    assert desk.renew(desk.request(None, agency=OCS), factory.seal(OCS), OCS).status_code == 202
    approve(desk.ledger, desk.waiting()[0], BUS, ready, operator=by("somying"))
    assert not desk.in_force().agencies[OCS].active


def test_a_unit_that_renews_gets_no_inbox_by_it(desk: Desk) -> None:
    signed = desk.request(None, agency=rig.UNIT)
    assert desk.renew(signed, factory.seal(rig.UNIT), rig.UNIT).status_code == 202
    approve(desk.ledger, desk.waiting()[0], BUS, ready, operator=by("somying"))
    assert not desk.in_force().has_inbox(rig.UNIT)


def test_no_version_is_put_in_force_that_routers_cannot_read(desk: Desk) -> None:
    def nameless(directory: Any) -> Any:
        return deciding.with_agency(directory, replace(directory.agencies[OCS], name_th="", witness="nobody"))

    with pytest.raises(Misconfigured):
        deciding.change_directory(desk.ledger, nameless, BUS, operator=by("somying"), reason="none")
    assert desk.in_force().version == 1
