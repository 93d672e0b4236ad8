"""Sealing and believing: what verifies, what is refused and with which code."""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from bus.directory import PinnedCertificate
from bus.documents import schema
from bus.documents.letter import Content, Reference
from bus.documents.making import new_seal
from bus.documents.notice import Event
from bus.documents.seal import Seal
from bus.documents.signing import Verified, is_letter, is_notice, sign, verify
from bus.documents.xml import MAX_BYTES, Document, build, content_digest, open_envelope, to_bytes
from bus.errors import RefusalCode, Refused
from bus.identifiers import AgencyCode
from tests.assets import factory
from tests.assets.defects import DEFECTS, DS, LETTER, only, sealed_otherwise, xades
from tests.assets.keys import new_key, unfit_seal

NOW, DAY = factory.NOW, factory.DAY
SEALS = {
    "p256": factory.seal(),
    "rsa2048": factory.rsa_seal(),
    "p384": factory.p384_seal(),
    "rsa3072": factory.rsa_3072_seal(),
}
PINS = [factory.pin(one) for one in SEALS.values()]


def verified(
    raw: bytes, pins: list[PinnedCertificate] | None = None, at: dt.datetime = NOW
) -> Verified[Document]:
    envelope = open_envelope(raw)
    schema.check(envelope)
    in_this_way = [
        verify(envelope, PINS if pins is None else pins, at, by_octets=way) for way in (False, True)
    ]
    assert in_this_way[0] == in_this_way[1]
    return in_this_way[0]


def refusal_of(raw: bytes, pins: list[PinnedCertificate] | None = None, at: dt.datetime = NOW) -> RefusalCode:
    with pytest.raises(Refused) as caught:
        verified(raw, pins, at)
    return caught.value.code


# What verifies --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seal", SEALS.values(), ids=SEALS)
@pytest.mark.parametrize("name", [*factory.letters(), *factory.notices()])
def test_what_was_signed_is_what_comes_out(name: str, seal: Seal) -> None:
    documents: dict[str, Document] = {**factory.letters(), **factory.notices()}
    document = documents[name]
    signed = sign(document, seal)
    result = verified(signed.raw)
    assert result.document == document
    assert result.raw == signed.raw
    assert result.fingerprint == seal.fingerprint
    assert result.digest == signed.digest == content_digest(build(document))
    assert (is_letter(result), is_notice(result)) == (name in factory.letters(), name in factory.notices())


def test_an_acceptance_of_twenty_thousand_recipients_goes_through_all_gates() -> None:
    terms = factory.terms(tuple(AgencyCode(f"{n:010}") for n in range(20_000)))
    notice = factory.notice(Event.ACCEPTED, author="bus", terms=terms)
    signed = sign(notice, factory.seal())
    assert verified(signed.raw).document == notice
    assert len(signed.raw) < 10_000


def test_a_notice_that_calls_twenty_thousand_recipients_silent_goes_through_all_gates() -> None:
    silent = tuple(AgencyCode(f"{n:010}") for n in range(20_000))
    notice = factory.notice(Event.OVERDUE_RECEIPT, author="bus", about=silent)
    assert verified(sign(notice, factory.seal()).raw).document == notice


def test_signing_the_same_content_again_gives_other_bytes_and_the_same_digest() -> None:
    letter = factory.letter()
    first, second, by_rsa = (
        sign(letter, factory.seal()),
        sign(letter, factory.seal()),
        sign(letter, factory.rsa_seal()),
    )
    assert len({first.raw, second.raw, by_rsa.raw}) == 3
    assert first.digest == second.digest == by_rsa.digest


def test_the_digest_is_of_the_octets_of_the_first_reference() -> None:
    signed = factory.signed_letter()
    reference = only(etree.fromstring(signed.raw), f".//{DS}Reference/{DS}DigestValue")
    assert bytes.fromhex(signed.digest) == b64decode(reference.text or "")


@pytest.mark.parametrize("seal", SEALS.values(), ids=SEALS)
def test_xmlsec1_verifies_what_we_sign_and_refuses_it_once_altered(seal: Seal, tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_bytes(seal.certificate.public_bytes(Encoding.PEM))
    raw = sign(factory.full_letter(), seal).raw
    assert xmlsec1(tmp_path, raw) == 0
    assert xmlsec1(tmp_path, raw.replace("การประชุม".encode(), "การประชม".encode())) != 0


def xmlsec1(folder: Path, raw: bytes) -> int:
    (folder / "letter.xml").write_bytes(raw)
    program = shutil.which("xmlsec1")
    assert program, "the tests need the xmlsec1 command"
    ids = ["--id-attr:Id", "http://uri.etsi.org/01903/v1.3.2#:SignedProperties"]
    pin = ["--enabled-key-data", "key-name"]
    command = [program, "--verify", *pin, "--enabled-reference-uris", "empty,same-doc", *ids]
    command += ["--pubkey-cert-pem", str(folder / "cert.pem"), str(folder / "letter.xml")]
    return subprocess.run(command, capture_output=True, check=False).returncode


def test_several_threads_sign_and_verify_at_once() -> None:
    def one(n: int) -> bool:
        letter = factory.letter(number=f"นร {n}")
        altered = sign(letter, factory.seal()).raw.replace(f"นร {n}".encode(), f"นร {n}๐".encode())
        refused = refusal_of(altered) == RefusalCode.SIGNATURE_BROKEN
        return refused and verified(sign(letter, factory.seal()).raw).document == letter

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one, range(200)))


def test_nothing_invalid_and_nothing_too_large_is_sealed() -> None:
    with pytest.raises(Refused) as caught:
        sign(factory.letter(number=" นร 1"), factory.seal())
    assert caught.value.code == RefusalCode.SCHEMA_VALUE
    references = tuple(Reference(relation="refer", subject="ก" * 1000) for _ in range(400))
    with pytest.raises(Refused) as caught:
        sign(factory.letter(content=Content(subject="ก", references=references)), factory.seal())
    assert caught.value.code == RefusalCode.XML_TOO_LARGE
    assert (
        len(to_bytes(build(factory.letter(content=Content(subject="ก", references=references))))) > MAX_BYTES
    )


# What is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_octets", [False, True], ids=["by signxml", "by octets"])
@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_is_refused_with_its_code(name: str, by_octets: bool) -> None:
    # By the signing gate alone: the schema would catch some of these before.
    envelope = open_envelope(DEFECTS[name].make())
    with pytest.raises(Refused) as caught:
        verify(envelope, PINS, NOW, by_octets=by_octets)
    assert caught.value.code == DEFECTS[name].code, caught.value.detail


@pytest.mark.parametrize(
    ("seal", "code"),
    [
        (factory.rsa_1024_seal, RefusalCode.KEY_WEAK),
        (factory.secp256k1_seal, RefusalCode.KEY_WEAK),
        (factory.p521_seal, RefusalCode.KEY_WEAK),
        (factory.expired_seal, RefusalCode.KEY_EXPIRED),
        (factory.future_seal, RefusalCode.KEY_NOT_YET_VALID),
        (factory.seal_not_for_signatures, RefusalCode.KEY_USAGE),
        (factory.seal_without_usage, RefusalCode.KEY_USAGE),
    ],
)
def test_a_pinned_certificate_that_will_not_do_is_refused_with_its_code(
    seal: Callable[[], Seal], code: RefusalCode
) -> None:
    raw = sign(factory.letter(), seal()).raw
    assert refusal_of(raw, [factory.pin(seal())]) == code


def test_a_certificate_that_is_not_pinned_is_unknown_however_good_it_is() -> None:
    stranger = new_seal("stranger")
    assert refusal_of(sign(factory.letter(), stranger).raw) == RefusalCode.KEY_UNKNOWN
    assert refusal_of(factory.signed_letter().raw, []) == RefusalCode.KEY_UNKNOWN


def test_a_weak_key_is_called_weak_even_when_nobody_pinned_it() -> None:
    weak = unfit_seal("stranger", new_key("rsa1024"))
    assert refusal_of(sign(factory.letter(), weak).raw) == RefusalCode.KEY_WEAK


def test_a_certificate_of_an_impossible_version_is_refused_as_unreadable() -> None:
    raw = factory.signed_letter().raw
    der = factory.seal().certificate.public_bytes(Encoding.DER)
    changed = der.replace(bytes.fromhex("a003020102"), bytes.fromhex("a00302017a"), 1)
    assert changed != der
    ours, theirs = b64encode(der), b64encode(changed)
    squeezed = raw.replace(b"\n", b"")
    assert ours in squeezed
    assert refusal_of(squeezed.replace(ours, theirs)) == RefusalCode.SIGNATURE_PROFILE


def test_a_certificate_of_the_same_key_and_name_is_not_the_pinned_one() -> None:
    seal = factory.seal()
    again = new_seal(factory.OPM, key=seal.private_key)
    assert refusal_of(sign(factory.letter(), again).raw) == RefusalCode.KEY_UNKNOWN


def test_another_pinned_certificate_in_key_info_does_not_change_who_signed() -> None:
    root = etree.fromstring(factory.signed_letter().raw)
    other = factory.seal(factory.OCS)
    only(root, f".//{DS}X509Certificate").text = b64encode(
        other.certificate.public_bytes(Encoding.DER)
    ).decode()
    assert refusal_of(to_bytes(root), [*PINS, factory.pin(other)]) == RefusalCode.SIGNATURE_PROFILE


def test_a_seal_made_with_another_key_than_its_certificate_says_is_broken() -> None:
    forger = Seal(new_key(), factory.seal().certificate)
    assert refusal_of(sign(factory.letter(), forger).raw) == RefusalCode.SIGNATURE_BROKEN


@pytest.mark.parametrize(
    ("revoked_at", "refused"),
    [(NOW - DAY, True), (NOW, True), (NOW + dt.timedelta(seconds=1), False), (None, False)],
)
def test_a_revocation_counts_from_its_own_time_on(revoked_at: dt.datetime | None, refused: bool) -> None:
    raw, pins = factory.signed_letter().raw, [factory.pin(revoked_at=revoked_at)]
    if refused:
        assert refusal_of(raw, pins) == RefusalCode.KEY_REVOKED
    else:
        assert verified(raw, pins).fingerprint == factory.seal().fingerprint


def test_of_two_pins_of_one_certificate_the_revoked_one_counts() -> None:
    pins = [factory.pin(), factory.pin(revoked_at=NOW - DAY)]
    assert refusal_of(factory.signed_letter().raw, pins) == RefusalCode.KEY_REVOKED


def test_while_keys_are_changed_the_old_and_the_new_one_both_verify() -> None:
    old, new = factory.seal(), new_seal(factory.OPM)
    pins = [factory.pin(old), factory.pin(new)]
    assert verified(sign(factory.letter(), old).raw, pins).fingerprint == old.fingerprint
    assert verified(sign(factory.letter(), new).raw, pins).fingerprint == new.fingerprint


@pytest.mark.parametrize("seal", [factory.expired_seal, factory.future_seal])
def test_validity_is_judged_at_the_given_time_and_not_now(seal: Callable[[], Seal]) -> None:
    certificate = seal().certificate
    raw, pins = sign(factory.letter(), seal()).raw, [factory.pin(seal())]
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    second = dt.timedelta(seconds=1)
    assert refusal_of(raw, pins, first - second) == RefusalCode.KEY_NOT_YET_VALID
    assert verified(raw, pins, first).raw == raw
    assert verified(raw, pins, last).raw == raw
    assert refusal_of(raw, pins, last + second) == RefusalCode.KEY_EXPIRED


def test_what_is_believed_comes_from_the_signed_tree_and_not_from_the_envelope() -> None:
    letter = factory.letter()
    envelope = open_envelope(sign(letter, factory.seal()).raw)
    result = verify(envelope, PINS, NOW)
    only(envelope.root, f"{LETTER}ID").text = "นร 9999/9999"
    assert result.document == letter
    # and an envelope whose tree is not that of its bytes is refused
    another = open_envelope(envelope.raw)
    only(another.root, f"{LETTER}ID").text = "นร 9999/9999"
    with pytest.raises(Refused) as caught:
        verify(another, PINS, NOW)
    assert caught.value.code == RefusalCode.SIGNATURE_BROKEN


def test_a_letter_sealed_by_the_plain_use_of_signxml_is_accepted_when_it_has_our_form() -> None:
    assert verified(sealed_otherwise(xades())).fingerprint == factory.seal().fingerprint
