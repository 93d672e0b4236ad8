"""What the bus itself says is written straight in canonical form: the same octets as by way of a tree."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

import pytest
from cryptography import x509
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from bus.codes import load_codes
from bus.documents import schema
from bus.documents.letter import Extension
from bus.documents.notice import Notice, Terms
from bus.documents.signing import sign, sign_own, verify
from bus.documents.versions import DocumentVersion, beyond, oldest_for, versions_of
from bus.documents.writing import octets_of
from bus.documents.xml import Document, build, canonical, open_envelope
from bus.identifiers import ContentDigest
from bus.router.answers import Answers
from tests.assets import factory, strategies

SEALS = {
    "p256": factory.seal("bus"),
    "p384": factory.p384_seal(),
    "rsa2048": factory.rsa_seal(),
}
_GENERATED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def without_extensions(document: Document) -> Document:
    return replace(document, extensions=())


@_GENERATED
@given(strategies.documents.map(without_extensions))
def test_every_document_is_written_as_its_tree_is_canonicalised(document: Document) -> None:
    versions = [one for one in versions_of(document) if not beyond(document, one)]
    assert versions
    for version in versions:
        assert octets_of(document, version) == canonical(build(document, version))


@_GENERATED
@given(strategies.notices.map(without_extensions))
def test_every_notice_is_sealed_as_by_way_of_its_tree(notice: Notice) -> None:
    # RSA (PKCS #1) signs the same octets alike, so that everything can be compared.
    seal = factory.rsa_seal()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("bus.documents.signing.now", lambda: factory.NOW)
        own, usual = sign_own(notice, seal), sign(notice, seal)
    assert own.digest == usual.digest
    assert _canonical(own.raw) == _canonical(usual.raw)
    schema.check(open_envelope(own.raw))


@pytest.mark.parametrize("name", SEALS)
@pytest.mark.parametrize("by_octets", [True, False])
def test_what_is_sealed_so_is_verified_in_both_ways_under_every_kind_of_key(
    name: str, by_octets: bool
) -> None:
    seal, notice = SEALS[name], factory.notices()["accepted"]
    signed = sign_own(notice, seal)
    found = verify(open_envelope(signed.raw), [factory.pin(seal)], factory.NOW, by_octets=by_octets)
    assert (found.document, found.digest, found.raw) == (notice, signed.digest, signed.raw)


def test_each_seal_has_its_own_certificate_in_what_it_seals() -> None:
    notice = factory.notices()["accepted"]
    for seal in SEALS.values():
        found = etree.fromstring(sign_own(notice, seal).raw)
        text = found.findtext(".//{http://www.w3.org/2000/09/xmldsig#}X509Certificate")
        assert _certificate(str(text)) == seal.certificate


@given(st.uuids(), strategies.digests, strategies.moments, strategies.moments, strategies.terms)
@settings(max_examples=60, deadline=None)
def test_every_acceptance_that_the_bus_gives_follows_its_schema(
    letter_id: UUID, digest: str, received_at: datetime, now: datetime, terms: Terms
) -> None:
    acceptance = Answers(factory.seal("bus"), load_codes()).accepted(
        letter_id=letter_id, digest=ContentDigest(digest), received_at=received_at, now=now, terms=terms
    )
    envelope = open_envelope(acceptance.raw)
    schema.check(envelope)
    assert envelope.digest == acceptance.digest


def test_what_the_wire_does_not_allow_is_not_written() -> None:
    accepted = factory.notices()["accepted"]
    foreign = Extension(must_understand=False, content='<x:a xmlns:x="urn:example:a"></x:a>')
    for wrong, why in (
        (replace(accepted, reason_code="a\x00b"), "the character U\\+0000"),
        (replace(accepted, event_time=factory.NOW.replace(tzinfo=None)), "needs its zone"),
        (replace(accepted, extensions=(foreign,)), "an extension"),
    ):
        with pytest.raises(ValueError, match=why):
            octets_of(wrong, oldest_for(wrong))


def test_a_field_that_a_version_has_no_room_for_is_not_left_out() -> None:
    later = next(one for one in factory.notices().values() if oldest_for(one) is not _first(one))
    with pytest.raises(ValueError, match="Officer"):
        octets_of(later, _first(later))


def _first(document: Document) -> DocumentVersion:
    return versions_of(document)[0]


def _canonical(raw: bytes) -> bytes:
    return etree.tostring(etree.fromstring(raw), method="c14n")


def _certificate(text: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(
        f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n".encode()
    )
