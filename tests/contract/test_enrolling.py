"""An agency joins, against a real ledger: what is taken, what is refused, and what is approved."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from starlette.applications import Starlette

from bus.directory import Agency
from bus.documents.enrolment import (
    Invitation,
    Request,
    digest_of,
    public_sealing_key,
    read_answer,
    read_invitation,
    request_digest,
    sign_request,
    unsealed,
    write_invitation,
)
from bus.documents.making import new_seal
from bus.documents.notes import make_key, witness_key
from bus.documents.seal import Seal
from bus.documents.tokens import request_token, signed_json
from bus.enrolment import deciding, receiving
from bus.enrolment.deciding import Centre, approve, decline, invite, waiting
from bus.enrolment.refusals import WORDS, EnrolmentRefused, Refusal
from bus.enrolment.routes import enrolment_routes
from bus.errors import Misconfigured, Transient
from bus.identifiers import AgencyCode, RawDigest
from bus.ledger.entry import Kind
from bus.ledger.store import Ledger
from bus.router.activation import directory_in_force
from bus.toml import canonical_json
from tests.assets import factory
from tests.assets.factory import OCS, OPM
from tests.assets.keys import unfit_seal
from tests.contract import ledger_rig as rig
from tests.contract.depot_rig import serving

NEW = AgencyCode("0999900000")
PASSWORD = "the broker's password of the new agency"
BUS = factory.seal("bus")


@dataclass
class Office:
    """An agency that was invited, with keys of its own."""

    invitation: Invitation
    seal: Seal
    sealing: X25519PrivateKey = field(default_factory=X25519PrivateKey.generate)

    def request(self, **changes: Any) -> Request:
        made = Request(
            agency=self.invitation.agency,
            certificate=pem_of(self.seal),
            witness=WITNESS,
            sealing=public_sealing_key(self.sealing),
            invitation=digest_of(self.invitation.secret),
        )
        return replace(made, **changes)

    def signed(self, **changes: Any) -> str:
        return sign_request(self.request(**changes), self.seal)

    def ask(self, ledger: Ledger, **changes: Any) -> RawDigest:
        return receiving.take_request(ledger, self.invitation.secret, self.signed(**changes))


def pem_of(seal: Seal) -> str:
    return seal.certificate.public_bytes(Encoding.PEM).decode().strip()


@pytest.fixture(scope="module", autouse=True)
def _witness(tmp_path_factory: pytest.TempPathFactory) -> None:
    global WITNESS
    path = tmp_path_factory.mktemp("witness") / "key.pem"
    make_key(path)
    WITNESS = str(witness_key(path, f"saraban.example/ledger/{NEW}").verifier)


WITNESS = ""


@pytest.fixture
def centre(ledger: Ledger) -> Ledger:
    rig.Router(ledger).activate(rig.directory())
    return ledger


def invited(ledger: Ledger, agency: AgencyCode = NEW, *, days: float = 7, **more: Any) -> Office:
    addresses = Centre(
        centre="https://bus.example.go.th",
        broker="amqps://mq.example.go.th",
        vhost="saraban",
        bus=pem_of(BUS),
        log_key="x",
    )
    made = invite(
        ledger,
        addresses,
        agency,
        lasts=timedelta(days=days),
        operator="tester",
        name_th="หน่วยงานตัวอย่าง",
        name_en="Sample agency",
        **more,
    )
    return Office(read_invitation(write_invitation(made, BUS)), new_seal(agency))


def ready(_agency: Agency) -> str:
    return PASSWORD


def the_one(ledger: Ledger) -> deciding.Waiting:
    with ledger.read() as reader:
        (asked,) = waiting(reader)
    return asked


def refused(ledger: Ledger, ask: Callable[[], object]) -> Refusal:
    with pytest.raises(EnrolmentRefused) as found:
        ask()
    return found.value.refusal


def kinds(ledger: Ledger) -> list[str]:
    return [one["kind"] for one in rig.entries_of_kind(ledger, *Kind) if one["kind"] != Kind.DIRECTORY]


# ---- joining -------------------------------------------------------------------------------------------------------


def test_who_was_invited_and_is_approved_stands_in_the_directory_and_alone_can_read_its_password(
    centre: Ledger, tmp_path: Path
) -> None:
    office = invited(centre)
    name = office.ask(centre)
    with centre.read() as reader:
        assert receiving.answer_to(reader, name) is None
    version = approve(centre, the_one(centre), BUS, ready, operator="operator")
    with centre.read() as reader:
        signed = receiving.answer_to(reader, name)
        _, directory = directory_in_force(reader)
        assert waiting(reader) == []
    assert signed is not None
    answer = read_answer(signed, BUS.certificate)
    assert (answer.outcome, answer.directory, answer.request) == ("approved", version, name)
    assert unsealed(answer, office.sealing) == PASSWORD
    with pytest.raises(InvalidTag):
        unsealed(answer, X25519PrivateKey.generate())
    agency = directory.agencies[NEW]
    assert [pin.fingerprint for pin in agency.certificates] == [office.seal.fingerprint]
    assert (agency.name_th, agency.witness, agency.active) == ("หน่วยงานตัวอย่าง", WITNESS, True)
    (entry,) = [one for one in rig.entries_of_kind(centre, Kind.DIRECTORY) if one["version"] == version]
    assert (entry["operator"], entry["reason"]) == ("operator", "an agency joins")
    assert rig.verified(centre, tmp_path) == []


def test_neither_the_secret_nor_the_password_is_anywhere_in_the_ledger(centre: Ledger) -> None:
    office = invited(centre)
    office.ask(centre)
    approve(centre, the_one(centre), BUS, ready, operator="operator")
    with centre.read() as reader:
        kept = [canonical_json(dict(entry.body)) for entry in reader.entries(limit=1000)]
        kept += [reader.document(one.document) or b"" for one in reader.entries(limit=1000) if one.document]
    assert not [one for one in kept if office.invitation.secret.encode() in one or PASSWORD.encode() in one]


def test_the_same_request_again_is_the_same_one(centre: Ledger) -> None:
    office = invited(centre)
    signed = office.signed()
    names = {receiving.take_request(centre, office.invitation.secret, signed) for _ in range(3)}
    assert names == {request_digest(signed)}
    assert kinds(centre) == [Kind.INVITED, Kind.ENROLMENT_REQUESTED]


def test_an_agency_that_is_in_the_directory_gets_its_new_key_pinned_beside_the_old_one(
    centre: Ledger,
) -> None:
    office = invited(centre, OPM)
    office.ask(centre)
    approve(centre, the_one(centre), BUS, ready, operator="operator")
    with centre.read() as reader:
        pins = directory_in_force(reader)[1].agencies[OPM].certificates
    assert [pin.fingerprint for pin in pins] == [factory.seal(OPM).fingerprint, office.seal.fingerprint]


# ---- refused -------------------------------------------------------------------------------------------------------


def expired(ledger: Ledger) -> Office:
    return invited(ledger, days=-1)


def replaced(ledger: Ledger) -> Office:
    older = invited(ledger)
    invited(ledger)
    return older


def used(ledger: Ledger) -> Office:
    office = invited(ledger)
    office.ask(ledger)
    return replace(office, seal=new_seal(NEW))


def weak(ledger: Ledger) -> Office:
    return replace(invited(ledger), seal=unfit_seal(NEW, digital_signature=None))


def not_yet(ledger: Ledger) -> Office:
    begins = datetime.now(UTC) + timedelta(days=1)
    return replace(invited(ledger), seal=new_seal(NEW, not_before=begins))


def over(ledger: Ledger) -> Office:
    ended = datetime.now(UTC) - timedelta(days=1)
    return replace(invited(ledger), seal=new_seal(NEW, not_before=ended - timedelta(days=2), not_after=ended))


def of_another(ledger: Ledger) -> Office:
    return replace(invited(ledger), seal=factory.seal(OCS))


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (expired, Refusal.EXPIRED),
        (replaced, Refusal.REPLACED),
        (used, Refusal.USED),
        (weak, Refusal.KEY),
        (not_yet, Refusal.KEY),
        (over, Refusal.KEY),
        (of_another, Refusal.KEY_TAKEN),
    ],
)
def test_what_is_refused_with_a_genuine_secret_is_an_entry_with_its_code(
    centre: Ledger, make: Callable[[Ledger], Office], code: Refusal, tmp_path: Path
) -> None:
    office = make(centre)
    assert refused(centre, lambda: office.ask(centre)) == code
    (entry,) = rig.entries_of_kind(centre, Kind.ENROLMENT_REFUSED)
    assert (entry["agency"], entry["code"]) == (NEW, code)
    assert rig.verified(centre, tmp_path) == []


def test_refusals_with_one_secret_are_entered_a_few_times_and_answered_always(centre: Ledger) -> None:
    office = expired(centre)
    for _ in range(25):
        assert refused(centre, lambda: office.ask(centre)) == Refusal.EXPIRED
    assert len(rig.entries_of_kind(centre, Kind.ENROLMENT_REFUSED)) == 20


def test_of_what_is_said_without_a_genuine_secret_nothing_is_entered(centre: Ledger) -> None:
    office, other = invited(centre), invited(centre, OPM)
    before = kinds(centre)
    signed = office.signed()
    strangers = {
        "no such secret": lambda: receiving.take_request(centre, "x" * 43, signed),
        "for another secret": lambda: receiving.take_request(centre, other.invitation.secret, signed),
        "another agency's": lambda: office.ask(centre, agency=OPM),
        "none at all": lambda: receiving.take_request(centre, "", office.signed(invitation=digest_of(""))),
    }
    assert {what: refused(centre, ask) for what, ask in strangers.items()} == dict.fromkeys(
        strangers, Refusal.UNKNOWN
    )
    assert kinds(centre) == before


def changed(signed: str) -> str:
    head, payload, signature = signed.split(".")
    return f"{head}.{payload[:-8]}{'A' * 8}.{signature}"


@pytest.mark.parametrize(
    "bend",
    [
        lambda office: changed(office.signed()),
        lambda office: sign_request(office.request(), new_seal(NEW)),
        lambda office: signed_json(b"{}", office.seal, "saraban-enrolment+jws"),
        lambda office: signed_json(canonical_json({"agency": NEW}), office.seal),
        lambda office: office.signed(
            certificate="-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----"
        ),
        lambda office: office.signed(sealing="AAAA"),
        lambda office: office.signed(witness="x" * 40_000),
        lambda office: "",
        lambda office: "a.b.c",
    ],
    ids=[
        "changed",
        "another key",
        "empty",
        "another type",
        "no certificate",
        "no sealing key",
        "too long",
        "nothing",
        "noise",
    ],
)
def test_a_request_that_is_not_signed_with_its_own_key_or_cannot_be_read_is_refused(
    centre: Ledger, bend: Callable[[Office], str]
) -> None:
    office = invited(centre)
    signed = bend(office)
    assert (
        refused(centre, lambda: receiving.take_request(centre, office.invitation.secret, signed))
        == Refusal.UNREADABLE
    )
    assert kinds(centre) == [Kind.INVITED]


@pytest.mark.parametrize("at", range(0, 2000, 97))
def test_an_invitation_that_was_changed_anywhere_is_none(at: int) -> None:
    made = Invitation(
        agency=NEW,
        name_th="ก",
        name_en="a",
        until=datetime.now(UTC),
        secret="s" * 43,
        centre="https://bus.example.go.th",
        broker="amqps://mq.example.go.th",
        vhost="saraban",
        bus=pem_of(BUS),
        log_key="x",
    )
    text = write_invitation(made, BUS)
    assert read_invitation(text) == made
    start = text.index("\neyJ") + 1
    place = start + at % (len(text) - start)
    bent = text[:place] + ("B" if text[place] != "B" else "C") + text[place + 1 :]
    if bent[place - 1 : place + 1].isspace() or text[place] == "\n":
        return
    with pytest.raises(Misconfigured):
        read_invitation(bent)


# ---- decided -------------------------------------------------------------------------------------------------------


def test_a_request_that_is_declined_is_answered_with_the_reason_and_nothing_is_pinned(centre: Ledger) -> None:
    office = invited(centre)
    name = office.ask(centre)
    decline(centre, the_one(centre), BUS, operator="operator", reason="the fingerprint was another")
    with centre.read() as reader:
        signed = receiving.answer_to(reader, name)
        assert NEW not in directory_in_force(reader)[1].agencies
    answer = read_answer(str(signed), BUS.certificate)
    assert (answer.outcome, answer.reason, answer.password) == ("declined", "the fingerprint was another", "")


def test_a_request_is_answered_once_whoever_decides_second(centre: Ledger) -> None:
    invited(centre).ask(centre)
    asked = the_one(centre)
    approve(centre, asked, BUS, ready, operator="first")
    with pytest.raises(Misconfigured, match="answered already"):
        approve(centre, asked, BUS, ready, operator="second")
    with pytest.raises(Misconfigured, match="answered already"):
        decline(centre, asked, BUS, operator="second", reason="too late")
    assert len(rig.entries_of_kind(centre, Kind.ENROLMENT_ANSWERED)) == 1
    assert len(rig.entries_of_kind(centre, Kind.DIRECTORY)) == 2


def test_while_the_broker_is_away_nothing_is_put_in_force_and_later_it_is(centre: Ledger) -> None:
    invited(centre).ask(centre)
    asked = the_one(centre)

    def away(_agency: Agency) -> str:
        raise Transient("the broker is away")

    with pytest.raises(Transient):
        approve(centre, asked, BUS, away, operator="operator")
    assert len(rig.entries_of_kind(centre, Kind.DIRECTORY)) == 1
    approve(centre, the_one(centre), BUS, ready, operator="operator")
    assert len(rig.entries_of_kind(centre, Kind.DIRECTORY)) == 2


def test_a_change_by_another_between_look_and_append_is_taken_into_account(centre: Ledger) -> None:
    first = invited(centre)
    first.ask(centre)
    asked = the_one(centre)
    second = invited(centre, AgencyCode("0999800000"))

    def meanwhile(_agency: Agency) -> str:
        if not rig.entries_of_kind(centre, Kind.ENROLMENT_ANSWERED):
            second.ask(centre)
            with centre.read() as reader:
                other = waiting(reader)[-1]
            approve(centre, other, BUS, lambda _: PASSWORD, operator="another")
        return PASSWORD

    approve(centre, asked, BUS, meanwhile, operator="operator")
    with centre.read() as reader:
        agencies = directory_in_force(reader)[1].agencies
    assert {NEW, "0999800000"} <= set(agencies)


def test_a_certificate_that_has_ended_since_is_not_pinned(
    centre: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    invited(centre).ask(centre)
    asked = the_one(centre)
    monkeypatch.setattr(deciding, "now", lambda: datetime.now(UTC) + timedelta(days=4000))
    with pytest.raises(Misconfigured, match="invite the agency again"):
        approve(centre, asked, BUS, ready, operator="operator")


# ---- over HTTP -----------------------------------------------------------------------------------------------------


@contextmanager
def served(ledger: Ledger, policy: receiving.Policy = "ask") -> Iterator[str]:
    def pins(code: AgencyCode) -> Any:
        with ledger.read() as reader:
            return directory_in_force(reader)[1].pins(code)

    with serving(Starlette(routes=enrolment_routes(ledger, pins, policy))) as url:
        yield url


def renewal(
    seal: Seal, *, agency: AgencyCode = OPM, by: Seal | None = None
) -> tuple[str, str, dict[str, str]]:
    """A renewal's path, body and headers."""
    request = Request(
        agency=agency,
        certificate=pem_of(seal),
        witness=WITNESS,
        sealing=public_sealing_key(X25519PrivateKey.generate()),
    )
    signed = sign_request(request, seal)
    path = f"/renewals/{request_digest(signed)}"
    token = request_token(by or factory.seal(agency), agency, "PUT", path)
    return path, signed, {"Authorization": f"Bearer {token}"}


def test_over_http_a_request_is_taken_asked_about_and_answered(centre: Ledger) -> None:
    office = invited(centre)
    body = {"secret": office.invitation.secret, "request": office.signed()}
    with served(centre) as url:
        taken = httpx.post(f"{url}/enrolments", json=body)
        name = taken.json()["request"]
        assert taken.status_code == 202
        assert httpx.get(f"{url}/enrolments/{name}").status_code == 202
        approve(centre, the_one(centre), BUS, ready, operator="operator")
        answered = httpx.get(f"{url}/enrolments/{name}")
        assert answered.headers["Cache-Control"] == "no-store"
        assert unsealed(read_answer(answered.text, BUS.certificate), office.sealing) == PASSWORD
        for stranger in ("0" * 64, "0" * 63, "..", "x" * 64):
            assert httpx.get(f"{url}/enrolments/{stranger}").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b'{"secret": 1, "request": 2}',
        b"[" * 60_000,
        b"\xff\xfe",
        b'{"secret": "x"}',
        b"x" * 100_000,
    ],
    ids=range(9),
)
def test_a_body_that_is_no_request_is_refused_in_words_and_enters_nothing(
    centre: Ledger, body: bytes
) -> None:
    with served(centre) as url:
        said = httpx.post(f"{url}/enrolments", content=body)
    assert said.status_code == 400
    assert said.json().keys() == {"code", "th", "en"}
    assert said.headers["Saraban-Code"] == said.json()["code"] == Refusal.UNREADABLE
    assert kinds(centre) == []


def test_an_agency_renews_by_the_key_that_it_has(centre: Ledger) -> None:
    seal = new_seal(OPM)
    path, signed, headers = renewal(seal)
    with served(centre) as url:
        assert httpx.put(url + path, content=signed, headers=headers).status_code == 202
        assert httpx.put(url + path, content=signed, headers=headers).status_code == 202, "the same again"
    asked = the_one(centre)
    assert (asked.invitation, asked.request.fingerprint) == (None, seal.fingerprint)
    approve(centre, asked, BUS, ready, operator="operator")
    with centre.read() as reader:
        pins = directory_in_force(reader)[1].agencies[OPM].certificates
    assert [pin.fingerprint for pin in pins] == [factory.seal(OPM).fingerprint, seal.fingerprint]


def test_nobody_renews_for_another_or_by_a_token_for_something_else(centre: Ledger) -> None:
    seal = new_seal(OPM)
    path, signed, headers = renewal(seal)
    other_path, other, _ = renewal(new_seal(OPM))
    foreign = renewal(seal, by=factory.seal(OCS))
    as_ocs = {"Authorization": f"Bearer {request_token(factory.seal(OCS), OCS, 'PUT', path)}"}
    with served(centre) as url:
        found = {
            "without a token": httpx.put(url + path, content=signed).status_code,
            "by another's key": httpx.put(
                url + foreign[0], content=foreign[1], headers=foreign[2]
            ).status_code,
            "as another": httpx.put(url + path, content=signed, headers=as_ocs).status_code,
            "for another request": httpx.put(url + other_path, content=other, headers=headers).status_code,
            "another body": httpx.put(url + path, content=other, headers=headers).status_code,
        }
    assert found == {
        "without a token": 401,
        "by another's key": 401,
        "as another": 400,
        "for another request": 401,
        "another body": 400,
    }
    assert kinds(centre) == []


def test_where_renewals_are_off_they_are_refused_in_words(centre: Ledger) -> None:
    path, signed, headers = renewal(new_seal(OPM))
    with served(centre, "off") as url:
        said = httpx.put(url + path, content=signed, headers=headers)
    assert (said.status_code, said.json()["code"]) == (403, Refusal.RENEWAL_OFF)
    assert kinds(centre) == []


def test_every_refusal_has_words_in_both_languages() -> None:
    assert set(WORDS) == set(Refusal)
    for words in WORDS.values():
        assert re.search("[ก-๙]", words.th)
        assert words.en.endswith(".")
