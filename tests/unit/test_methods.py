"""The table of signature methods: every row signs and verifies everywhere, and for no other key than its own."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from itertools import product
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from signxml.algorithms import SignatureMethod

from bus.documents import container
from bus.documents.seal import Seal
from bus.documents.signing import verify
from bus.documents.xml import build, open_envelope
from bus.errors import RefusalCode, Refused
from bus.methods import METHODS, Method, method_for, weakness_of
from bus.verifier import xmlsig
from bus.verifier.findings import Broken
from tests.assets import factory
from tests.assets.defects import DS, only, sealed_otherwise, xades
from tests.assets.digests import SOME_BYTES
from tests.assets.xmlsec import xmlsec1

SEALS: dict[str, Callable[[], Seal]] = {
    "ES256": factory.seal,
    "ES384": factory.p384_seal,
    "RS256": factory.rsa_seal,
    "RS384": factory.rsa_3072_seal,
    "RS512": factory.rsa_seal,
}
ROWS = {one.jose: one for one in METHODS.values()}
LETTER = factory.full_letter()


def by_another_signer(method: Method, seal: Seal) -> bytes:
    """A letter sealed by signxml with a method of the table, which we may not choose ourselves."""
    return sealed_otherwise(xades(signature_algorithm=SignatureMethod(method.uri)), seal, build(LETTER))


@pytest.mark.parametrize("name", ROWS)
def test_what_another_program_signs_by_a_method_of_the_table_verifies_in_every_way(
    name: str, tmp_path: Path
) -> None:
    seal = SEALS[name]()
    raw = by_another_signer(ROWS[name], seal)
    envelope = open_envelope(raw)
    for by_octets in (True, False):
        assert verify(envelope, [factory.pin(seal)], factory.NOW, by_octets=by_octets).document == LETTER
    assert xmlsig.verified(raw, seal.certificate, factory.NOW).digest == envelope.digest
    (tmp_path / "letter.xml").write_bytes(raw)
    (tmp_path / "certificate.pem").write_bytes(seal.certificate.public_bytes(Encoding.PEM))
    done = xmlsec1(tmp_path / "letter.xml", tmp_path / "certificate.pem")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ROWS)
def test_altered_content_is_refused_under_every_method(name: str) -> None:
    seal = SEALS[name]()
    raw = by_another_signer(ROWS[name], seal).replace(b"years-10", b"years-90")
    for by_octets in (True, False):
        with pytest.raises(Refused) as caught:
            verify(open_envelope(raw), [factory.pin(seal)], factory.NOW, by_octets=by_octets)
        assert caught.value.code == RefusalCode.SIGNATURE_BROKEN
    with pytest.raises(Broken):
        xmlsig.verified(raw, seal.certificate, factory.NOW)


@pytest.mark.parametrize(("claimed", "name"), [pair for pair in product(ROWS, ROWS) if pair[0] != pair[1]])
def test_a_signature_under_the_name_of_another_method_is_refused_in_every_way(
    claimed: str, name: str
) -> None:
    seal = SEALS[name]()
    root = etree.fromstring(by_another_signer(ROWS[name], seal))
    only(root[-1], f".//{DS}SignatureMethod").set("Algorithm", ROWS[claimed].uri)
    raw = etree.tostring(root)
    codes = set()
    for by_octets in (True, False):
        with pytest.raises(Refused) as caught:
            verify(open_envelope(raw), [factory.pin(seal)], factory.NOW, by_octets=by_octets)
        codes.add(caught.value.code)
    fits = ROWS[claimed].fits(seal.private_key)
    assert codes == {RefusalCode.SIGNATURE_BROKEN if fits else RefusalCode.SIGNATURE_ALGORITHM}
    with pytest.raises(Broken):
        xmlsig.verified(raw, seal.certificate, factory.NOW)


@pytest.mark.parametrize(
    ("seal", "wanted"),
    [
        (factory.seal, "ES256"),
        (factory.p384_seal, "ES384"),
        (factory.rsa_seal, "RS256"),
        (factory.rsa_3072_seal, "RS256"),
    ],
)
def test_each_kind_of_key_signs_by_one_method_of_its_own(seal: Callable[[], Seal], wanted: str) -> None:
    method = method_for(seal().private_key)
    assert method.jose == wanted == method_for(seal().private_key.public_key()).jose
    assert weakness_of(seal().certificate.public_key()) is None
    value = method.sign(seal().private_key, b"octets")
    method.verify(seal().certificate.public_key(), value, b"octets")
    for wrong in (value[:-1], value + b"\0", bytes(len(value))):
        with pytest.raises(InvalidSignature):
            method.verify(seal().certificate.public_key(), wrong, b"octets")


@pytest.mark.parametrize(
    ("seal", "said"),
    [
        (factory.rsa_1024_seal, "1024 bits"),
        (factory.secp256k1_seal, "secp256k1"),
        (factory.p521_seal, "secp521r1"),
    ],
)
def test_a_key_that_no_method_is_for_is_weak_everywhere(seal: Callable[[], Seal], said: str) -> None:
    assert said in (weakness_of(seal().private_key) or "")
    key = seal().certificate.public_key()
    assert not any(one.fits(key) for one in METHODS.values())
    with pytest.raises(InvalidSignature):
        method_for(seal().private_key).verify(key, b"", b"octets")
    raw = factory.signed_letter(seal()).raw
    with pytest.raises(Refused) as caught:
        verify(open_envelope(raw), [factory.pin(seal())], factory.NOW)
    assert caught.value.code == RefusalCode.KEY_WEAK
    with pytest.raises(Broken, match="too weak"):
        xmlsig.verified(raw, seal().certificate, factory.NOW)


@pytest.mark.parametrize("seal", [factory.seal, factory.p384_seal, factory.rsa_3072_seal])
def test_a_container_is_sealed_by_the_same_table_and_its_method_is_looked_at(
    seal: Callable[[], Seal],
) -> None:
    sealed = container.seal_members({"letter.xml": SOME_BYTES}, seal(), factory.NOW)
    certificate, digests = xmlsig.sealed_members(sealed)
    assert (certificate, digests) == (seal().certificate, {"letter.xml": SOME_BYTES})
    root = etree.fromstring(sealed)
    for other in METHODS:
        changed = deepcopy(root)
        named = only(changed, f".//{DS}SignatureMethod")
        if named.get("Algorithm") != other:
            named.set("Algorithm", other)
            with pytest.raises(Broken):
                xmlsig.sealed_members(etree.tostring(changed))
