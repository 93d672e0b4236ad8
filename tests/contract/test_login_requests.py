"""Requests for the broker's certificate, by who joins and who renews: what is refused, in whose name it is."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bus.broker.topology import user_of
from bus.directory import Agency
from bus.documents.authority import Authority, request_for
from bus.documents.enrolment import Request, read_answer, read_invitation, sign_request, write_invitation
from bus.documents.making import KeyFiles, new_key
from bus.enrolment.deciding import approve
from bus.enrolment.logins import Issue, issued_by, require_issuing
from bus.errors import Misconfigured
from bus.ledger.entry import Kind
from tests.assets import factory
from tests.assets.factory import OCS, SOC
from tests.assets.operators import by
from tests.contract import ledger_rig as rig
from tests.contract.test_enrolling import BUS, NEW, Desk, desk, is_refused, opened, ready, witness

__all__ = ["desk", "opened", "witness"]


def certificate(of: Any) -> str:
    return str(of.certificate.public_bytes(Encoding.PEM).decode().strip())


def of_another_key() -> str:
    """A certificate request whose signature is not that of the key in it."""
    mine = x509.load_pem_x509_csr(request_for(new_key(), "x").encode()).public_bytes(Encoding.DER)
    changed = bytearray(mine)
    changed[-1] ^= 1
    body = b64encode(bytes(changed)).decode()
    return f"-----BEGIN CERTIFICATE REQUEST-----\n{body}\n-----END CERTIFICATE REQUEST-----"


def of_a_weak_key() -> str:
    return request_for(ec.generate_private_key(ec.SECP224R1()), "x")


UNFIT = {
    "no request": "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----",
    "another's signature": of_another_key(),
    "a weak key": of_a_weak_key(),
}


@pytest.fixture
def issue(tmp_path: Path) -> Issue:
    """What a centre with a private authority issues by."""
    files = KeyFiles.named(tmp_path, "ca")
    Authority.make("Saraban Bus (sample)").write(files)
    section = SimpleNamespace(key=files.key, certificate=files.certificate, passphrase=None)
    settings: Any = SimpleNamespace(authority=section)
    require_issuing(settings, "amqps://mq.test")
    with pytest.raises(Misconfigured, match="amqps"):
        require_issuing(settings, "amqp://127.0.0.1")
    return issued_by(settings)


def by_certificate(desk: Desk) -> None:
    """An agency of the directory logs in by certificate, another by password."""
    own = rig.agency(OCS, broker_login="certificate")
    rig.Router(desk.ledger).activate(rig.directory(2, OCS=own))


def renewal(login: str, agency: str = OCS, seal: Any = None) -> str:
    own = seal or factory.seal(agency)
    return sign_request(Request(agency=agency, certificate=certificate(own), login=login), own)  # type: ignore[arg-type]


def test_an_invitation_says_how_to_log_in_and_one_without_a_word_means_a_password(desk: Desk) -> None:
    whole: dict[str, Any] = {"bus": certificate(BUS), "log_key": "a key"}
    by_password = replace(desk.invited(), **whole)
    assert read_invitation(write_invitation(by_password, BUS)) == by_password
    invited = replace(desk.invited(login="certificate"), **whole)
    assert read_invitation(write_invitation(invited, BUS)) == invited
    assert (by_password.login, invited.login) == ("", "certificate")
    bodies = desk.bodies(Kind.INVITED)
    assert ("login" in bodies[0], bodies[1]["login"]) == (False, "certificate")
    with pytest.raises(Misconfigured):
        read_invitation(write_invitation(replace(invited, login="smoke signals"), BUS))


@pytest.mark.parametrize("login", UNFIT.values(), ids=UNFIT.keys())
def test_a_certificate_request_that_shows_no_fit_key_is_refused_to_who_joins_and_who_renews(
    desk: Desk, login: str
) -> None:
    by_certificate(desk)
    invited = desk.invited(login="certificate")
    response = desk.post(invited.secret, desk.request(invited, login=login))
    assert is_refused(response, 422, "enrolment.login-key")
    assert desk.bodies(Kind.ENROLMENT_REFUSED)[-1]["code"] == "enrolment.login-key"
    assert is_refused(desk.renew(renewal(login), factory.seal(OCS), OCS), 422, "enrolment.login-key")
    assert desk.waiting() == []


def test_a_request_is_for_the_log_in_that_its_invitation_has(desk: Desk) -> None:
    invited = desk.invited(login="certificate")
    assert is_refused(desk.post(invited.secret, desk.request(invited)), 422, "enrolment.login")
    invited = desk.invited()
    wrong = desk.request(invited, login=request_for(new_key(), "x"))
    assert is_refused(desk.post(invited.secret, wrong), 422, "enrolment.login")
    assert desk.waiting() == []


def test_a_certificate_is_issued_in_the_name_of_who_asks_whatever_is_asked(desk: Desk, issue: Issue) -> None:
    key = new_key()
    invited = desk.invited(login="certificate")
    signed = desk.request(invited, login=request_for(key, user_of(SOC)))
    assert desk.post(invited.secret, signed).status_code == 202
    (asked,) = desk.waiting()
    made: list[Agency] = []

    def made_ready(agency: Agency) -> str:
        made.append(agency)
        return ""

    with pytest.raises(Misconfigured, match="nobody can issue"):
        approve(desk.ledger, asked, BUS, made_ready, operator=by("somying"))
    assert NEW not in desk.in_force().agencies
    approve(desk.ledger, asked, BUS, made_ready, operator=by("somying"), issue=issue)
    answer = read_answer(desk.look(asked.name).text, BUS.certificate)
    assert (answer.outcome, answer.password) == ("approved", "")
    issued = x509.load_pem_x509_certificate(answer.login.encode())
    names = [one.value for one in issued.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    assert names == [user_of(NEW)]
    assert issued.public_key() == key.public_key()
    usage = issued.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert issued.not_valid_after_utc - issued.not_valid_before_utc <= timedelta(days=366)
    assert (
        {one.broker_login for one in made} == {desk.in_force().agencies[NEW].broker_login} == {"certificate"}
    )


def test_a_renewed_log_in_changes_no_directory_and_is_compared_by_what_is_new(
    desk: Desk, issue: Issue
) -> None:
    by_certificate(desk)
    first, second = (renewal(request_for(new_key(), "x")) for _ in range(2))
    assert desk.renew(first, factory.seal(OCS), OCS).status_code == 202
    assert desk.renew(second, factory.seal(OCS), OCS).status_code == 202
    asked, other = desk.waiting()
    assert asked.request.fingerprint != other.request.fingerprint
    assert factory.seal(OCS).fingerprint not in (asked.request.fingerprint, other.request.fingerprint)
    version = approve(desk.ledger, asked, BUS, ready, operator=by("somying"), issue=issue)
    assert version == desk.in_force().version == 2
    answer = read_answer(desk.look(asked.name).text, BUS.certificate)
    issued = x509.load_pem_x509_certificate(answer.login.encode())
    assert user_of(OCS) in issued.subject.rfc4514_string()
    revoked = rig.agency(
        OCS,
        factory.pin(factory.seal(OCS), revoked_at=factory.NOW),
        broker_login="certificate",
    )
    rig.Router(desk.ledger).activate(rig.directory(3, OCS=revoked))
    with pytest.raises(Misconfigured, match="revoked"):
        approve(desk.ledger, other, BUS, ready, operator=by("somying"), issue=issue)


def test_a_log_in_is_renewed_by_a_pinned_seal_of_who_has_one_and_no_other(desk: Desk) -> None:
    wanted = request_for(new_key(), "x")
    own = factory.seal(OCS)
    assert is_refused(desk.renew(renewal(wanted), own, OCS), 422, "enrolment.login")
    by_certificate(desk)
    strangers = renewal(wanted, seal=factory.p384_seal())
    assert is_refused(desk.renew(strangers, own, OCS), 422, "enrolment.key")
    anothers = renewal(wanted, SOC)
    assert is_refused(desk.renew(anothers, own, OCS), 400, "enrolment.unreadable")
    assert desk.waiting() == []
