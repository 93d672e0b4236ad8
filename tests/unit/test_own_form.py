"""A signature compared as octets says what it says when it is examined as a tree, or nothing; whatever the document."""

from __future__ import annotations

import re
from base64 import b64encode

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from bus.documents import own_form, schema
from bus.documents.letter import Content
from bus.documents.octets import Parts, parts_of
from bus.documents.profile import examine
from bus.documents.seal import Seal
from bus.documents.signing import Verified, sign, verify
from bus.documents.xml import Document, Envelope, canonical, open_envelope
from bus.errors import RefusalCode, Refused
from tests.assets import factory, strategies
from tests.fuzz.campaign import sample
from tests.fuzz.mutants import signed_again

SEALS = [factory.seal(), factory.p384_seal(), factory.rsa_seal(), factory.rsa_3072_seal()]
PINS = [factory.pin(seal) for seal in SEALS]
SIGNED = sign(factory.full_letter(), factory.seal()).raw


def in_the_tree(envelope: Envelope) -> Parts | RefusalCode:
    """What the general way finds."""
    try:
        return parts_of(envelope, examine(envelope.root))
    except Refused as refusal:
        return refusal.code


def answer(raw: bytes) -> Verified[Document] | RefusalCode:
    """What the router says of a document."""
    try:
        envelope = open_envelope(raw)
        schema.check(envelope)
        return verify(envelope, PINS, factory.NOW, by_octets=True)
    except Refused as refusal:
        return refusal.code


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(document=strategies.documents, seal=st.sampled_from(SEALS))
def test_whatever_we_sign_is_found_as_octets_and_is_what_the_tree_says(
    document: Document, seal: Seal
) -> None:
    assume(not any(one.must_understand for one in document.extensions))  # gate 2 refuses it
    envelope = open_envelope(sign(document, seal).raw)
    assert envelope.octets == canonical(envelope.root)
    found = own_form.parts_of(envelope)
    assert found == in_the_tree(envelope)
    assert verify(envelope, PINS, factory.NOW, by_octets=True).document == document


@pytest.mark.parametrize("portion", range(2))
def test_a_changed_document_gets_the_answer_that_it_gets_by_its_tree(
    portion: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found_as_octets = 0
    cases = sample(seed=1_000 + portion, size=600)
    quick = [answer(case.raw) for case in cases]
    for case in cases:
        try:
            envelope = open_envelope(case.raw)
        except Refused:
            continue
        assert envelope.octets == canonical(envelope.root), case.change
        if (found := own_form.parts_of(envelope)) is not None:
            found_as_octets += 1
            assert found == in_the_tree(envelope), case.change
    monkeypatch.setattr(own_form, "parts_of", lambda envelope: None)
    for case, said in zip(cases, quick, strict=True):
        assert said == answer(case.raw), case.change
    # Both ways have been taken, to either end.
    assert 100 < found_as_octets < len(cases) - 100
    assert sum(isinstance(one, Verified) for one in quick) > 20
    assert sum(one == RefusalCode.SIGNATURE_BROKEN for one in quick) > 20


OTHERWISE = {
    "a namespace more on the root": (b' version="1.0">', b' xmlns:q="urn:q" version="1.0">'),
    "an attribute more on the root": (b' version="1.0">', b' version="1.0" xml:lang="th">'),
    "an Id elsewhere": (b"<Subject>", b'<Subject Id="key">'),
    "an id in another spelling elsewhere": (b"<Subject>", b'<Subject iD="key">'),
    "an xml:id elsewhere": (b"<MainFile", b'<MainFile xml:id="key"'),
    "a part of a signature elsewhere": (
        b"<Subject>",
        b'<Subject><o:Object xmlns:o="http://www.w3.org/2000/09/xmldsig#"/>',
    ),
    "its namespace written with a reference": (
        b"<Subject>",
        b'<Subject><o:Signature xmlns:o="http://www.w3.org/2000/09/xmldsi&#103;#"/>',
    ),
    "an element behind the signature": (b"</ds:Signature>", b"</ds:Signature><a/>"),
    "a namespace more on the signature": (b' Id="signature"', b' Id="signature" xmlns:q="urn:q"'),
    "another prefix": (b"xades", b"x"),
    "a blank between two elements": (b"<ds:KeyInfo", b" <ds:KeyInfo"),
    "another Id": (b'"key"', b'"k"'),
    "a time without a zone": (b"+07:00</xades:SigningTime>", b"</xades:SigningTime>"),
    "a year in Thai digits": (b"<xades:SigningTime>2", "<xades:SigningTime>๒".encode()),
    "another method": (b"ecdsa-sha256", b"ecdsa-sha1"),
}
"""Changes after which the document is examined as a tree, each with what it replaces everywhere."""


@pytest.mark.parametrize("name", OTHERWISE)
def test_what_is_not_our_form_to_the_octet_is_examined_as_a_tree(name: str) -> None:
    before, after = OTHERWISE[name]
    changed = SIGNED.replace(before, after)
    assert changed != SIGNED
    assert own_form.parts_of(open_envelope(changed)) is None


def test_text_behind_a_signature_belongs_to_the_octets_that_it_covers() -> None:
    changed = SIGNED.replace(b"</ds:Signature>", b"</ds:Signature> ")
    envelope = open_envelope(changed)
    assert envelope.octets.endswith(b" </Letter>")
    assert own_form.parts_of(envelope) == in_the_tree(envelope)
    assert answer(changed) == RefusalCode.SIGNATURE_BROKEN
    again = signed_again(changed, factory.seal())
    assert again is not None
    assert isinstance(answer(again), Verified)


@pytest.mark.parametrize(
    "text", ['Id="a"', 'ID="1"', "http://www.w3.org/2000/09/xmldsig#", "<ds:Signature Id"]
)
def test_a_text_that_looks_like_a_part_of_a_signature_changes_no_answer(text: str) -> None:
    letter = factory.letter(content=Content(subject=text))
    found = answer(sign(letter, factory.seal()).raw)
    assert isinstance(found, Verified)
    assert found.document == letter


@pytest.mark.parametrize("value", ["SignatureValue", "X509Certificate"])
def test_base64_written_in_another_way_is_examined_as_a_tree(value: str) -> None:
    text = re.search(rb"%s[^>]*>([^<]+)<" % value.encode(), SIGNED)
    assert text
    for other in (text[1] + b"=", text[1][:-1], b" " + text[1], b64encode(b"x" * 12_400)):
        envelope = open_envelope(SIGNED.replace(text[1], other))
        assert own_form.parts_of(envelope) is None


def test_what_is_believed_is_in_the_octets_even_if_the_tree_is_changed_afterwards() -> None:
    letter = factory.letter()
    envelope = open_envelope(sign(letter, factory.seal()).raw)
    for element in envelope.root.iter("{*}Subject"):
        element.text = "another"
    assert verify(envelope, PINS, factory.NOW, by_octets=True).document == letter
