"""One answer to whether a signature is right: router, adapter, ledger, verifier of packs and xmlsec1 give the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from bus.documents.signing import sign
from bus.errors import RefusalCode
from tests.assets import factory
from tests.assets.toolkits import ACCEPTED, REFUSED, signed_by_xmlsec1
from tests.fuzz.campaign import Case, ask, sample
from tests.fuzz.checkers import by_octets, by_signxml, by_verifier, by_xmlsec1, disagreement
from tests.fuzz.mutants import signed_again

PORTIONS = 4


@pytest.mark.parametrize("portion", range(PORTIONS))
def test_five_checkers_give_one_answer_to_structured_mutants(portion: int, tmp_path: Path) -> None:
    cases = sample(seed=portion, size=800)
    outcome = ask(cases, tmp_path)
    assert not outcome.differences, outcome.differences[:5]
    # What is asked is not all refused at the first look: every part of the way has been taken, by all of them.
    for part in ("accepted", "signature.broken", "signature.profile", "xml.", "OK", "FAIL"):
        assert sum(count for what, count in outcome.counts.items() if part in what) > 5, outcome.counts


def test_a_difference_would_be_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    raw = sign(factory.letter(), factory.seal()).raw
    monkeypatch.setattr("tests.fuzz.checkers.by_verifier", by_verifier_that_forgets_the_tail)
    tail = raw.replace(b"</ds:Signature>", b"</ds:Signature>\n")
    assert disagreement(tail)[0]


def by_verifier_that_forgets_the_tail(raw: bytes) -> object:
    return by_verifier(raw.replace(b"</ds:Signature>\n", b"</ds:Signature>"))


NEEDING_NO_KEY = {
    "a line feed behind the signature": (b"</ds:Signature>", b"</ds:Signature>\n"),
    "a no-break space in the signature value": (
        b"</ds:SignatureValue>",
        "\u00a0</ds:SignatureValue>".encode(),
    ),
    "a no-break space behind KeyInfo": (b"</ds:KeyInfo>", "</ds:KeyInfo>\u00a0".encode()),
    "an ideographic space behind SignedInfo": (b"</ds:SignedInfo>", "</ds:SignedInfo>\u3000".encode()),
    "a relative namespace on the signature value": (b"<ds:SignatureValue", b'<ds:SignatureValue xmlns:a="b"'),
    "a relative default namespace on the object": (b"<ds:Object", b'<ds:Object xmlns="a"'),
    "a megabyte of blanks in the signature value": (
        b"</ds:SignatureValue>",
        b" " * 1_000_000 + b"</ds:SignatureValue>",
    ),
    "padding more than there is": (b"</ds:SignatureValue>", b"====</ds:SignatureValue>"),
}


@pytest.mark.parametrize("name", NEEDING_NO_KEY)
def test_what_anybody_can_change_in_a_signed_document_is_refused_by_all(name: str) -> None:
    before, after = NEEDING_NO_KEY[name]
    raw = sign(factory.full_letter(), factory.seal()).raw
    changed = raw.replace(before, after)
    assert changed != raw
    for ask_one in (by_octets, by_signxml, by_verifier):
        assert not ask_one(changed).accepted
    assert disagreement(changed)[0] is None


def test_a_carriage_return_between_parts_of_a_signature_changes_no_answer(tmp_path: Path) -> None:
    raw = sign(factory.full_letter(), factory.seal()).raw
    for part in (b"</ds:KeyInfo>", b"</ds:SignatureValue>", b"</ds:SignedInfo>"):
        changed = raw.replace(part, part + b"&#13;")
        assert [by_octets(changed).accepted, by_signxml(changed).accepted, by_verifier(changed).accepted] == (
            [True] * 3
        )
        assert by_xmlsec1(tmp_path, [changed]) == [True]


BY_A_SIGNER = {
    "an Id that is an XPointer": (b'"key"', b'"xpointer(/)"', b'"#key"', b'"#xpointer(/)"'),
    "an Id that is a number sign": (b'"key"', b'"#"', b'"#key"', b'"##"'),
    "an Id with a blank": (b'"properties"', b'"a b"', b'"#properties"', b'"#a b"'),
    "an Id in Thai": (b'"properties"', '"ก"'.encode(), b'"#properties"', '"#ก"'.encode()),
    "an Id that begins with a digit": (b'"signature"', b'"1"', b'"#signature"', b'"#1"'),
}


@pytest.mark.parametrize("name", BY_A_SIGNER)
def test_an_id_that_checkers_read_differently_is_refused_by_all(name: str) -> None:
    raw = sign(factory.full_letter(), factory.seal()).raw
    one, other, reference, changed_reference = BY_A_SIGNER[name]
    changed = signed_again(raw.replace(one, other).replace(reference, changed_reference), factory.seal())
    assert changed is not None
    assert by_octets(changed).why == RefusalCode.SIGNATURE_PROFILE
    assert disagreement(changed)[0] is None


@pytest.mark.parametrize("name", ["urn:a&amp;b", "urn:a&quot; c=&quot;d", "urn:a&lt;b", "urn:a&#10;b"])
def test_a_namespace_name_that_no_canonical_form_can_hold_is_refused_by_all(name: str) -> None:
    raw = sign(factory.full_letter(), factory.seal()).raw
    changed = raw.replace(b'"urn:example:note"', f'"{name}"'.encode())
    assert changed != raw
    assert by_octets(changed).why == RefusalCode.XML_NOT_WELL_FORMED
    assert disagreement(changed)[0] is None


def test_words_about_document_types_within_a_text_are_text(tmp_path: Path) -> None:
    for section in (b"<![CDATA[<!DOCTYPE a>]]>", b"&lt;!DOCTYPE a>", b"<![CDATA[<?xml?><!-- a -->]]>"):
        raw = sign(factory.full_letter(), factory.seal()).raw
        changed = signed_again(raw.replace(b"</Subject>", section + b"</Subject>", 1), factory.seal())
        assert changed is not None
        answers = [by_octets(changed), by_signxml(changed), by_verifier(changed)]
        assert [one.accepted for one in answers] == [True] * 3
        assert len({one.digest for one in answers}) == 1
        assert by_xmlsec1(tmp_path, [changed]) == [True]


# Signatures in the forms of other toolkits ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_signature_in_another_toolkits_form_is_accepted_by_all(name: str, tmp_path: Path) -> None:
    raw = signed_by_xmlsec1(ACCEPTED[name], tmp_path)
    outcome = ask([Case(raw, "letter", name, by_signer=True)], tmp_path)
    assert not outcome.differences
    assert outcome.counts["signer: accepted"] == 1
    altered = raw.replace(b"<Size>50123", b"<Size>50124", 1)
    assert altered != raw
    assert by_octets(altered).why == by_signxml(altered).why == RefusalCode.SIGNATURE_BROKEN
    assert not by_verifier(altered).accepted


@pytest.mark.parametrize("name", REFUSED)
def test_a_signature_in_another_toolkits_form_is_refused_by_all_for_the_reason_that_is_written(
    name: str, tmp_path: Path
) -> None:
    form, code = REFUSED[name]
    raw = signed_by_xmlsec1(form, tmp_path)
    assert by_xmlsec1(tmp_path, [raw]) == [True]
    assert by_octets(raw).why == by_signxml(raw).why == code
    assert not by_verifier(raw).accepted
