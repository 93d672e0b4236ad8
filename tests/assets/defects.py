"""Submissions that must be refused, by what is wrong with their signature; each with the code that it has to get.

They are made at run time from a letter that is in order, so that the defect named is the only one.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
from signxml.signer import XMLSigner
from signxml.xades.xades import XAdESSigner

from bus.documents.seal import Seal
from bus.documents.versions import VERSIONS
from bus.documents.xml import build, to_bytes
from bus.errors import RefusalCode
from tests.assets import factory

DS = "{http://www.w3.org/2000/09/xmldsig#}"
XADES = "{http://uri.etsi.org/01903/v1.3.2#}"
LETTER = f"{{{VERSIONS['letter/1.0'].namespace}}}"


ResultT = TypeVar("ResultT", bound=etree._Element | None)


@dataclass(frozen=True, slots=True)
class Defect:
    """How to make a faulty submission, and the code of its refusal."""

    make: Callable[[], bytes]
    code: RefusalCode


DEFECTS: dict[str, Defect] = {}


def defect(name: str, code: RefusalCode) -> Callable[[Callable[[], bytes]], Callable[[], bytes]]:
    """Enter a maker of faulty submissions into `DEFECTS`."""

    def enter(make: Callable[[], bytes]) -> Callable[[], bytes]:
        DEFECTS[name] = Defect(make, code)
        return make

    return enter


def on_the_tree(
    name: str, code: RefusalCode
) -> Callable[[Callable[[etree._Element], ResultT]], Callable[[etree._Element], ResultT]]:
    """Enter a change to the tree of a signed letter; it may return another root."""

    def enter(change: Callable[[etree._Element], ResultT]) -> Callable[[etree._Element], ResultT]:
        def make() -> bytes:
            root = etree.fromstring(factory.signed_letter().raw)
            changed = change(root)
            return to_bytes(root if changed is None else changed)

        DEFECTS[name] = Defect(make, code)
        return change

    return enter


def only(root: etree._Element, path: str) -> etree._Element:
    """The first element at a path."""
    found = root.find(path)
    assert found is not None, path
    return found


class Sha1Signer(XAdESSigner):
    """signxml's signer without its refusal of SHA-1."""

    def check_deprecated_methods(self) -> None:
        """Let SHA-1 pass."""


def sealed_otherwise(
    signer: Any, by: Seal | None = None, root: etree._Element | None = None, **options: Any
) -> bytes:
    """A letter sealed by another signer than ours."""
    seal = by or factory.seal()
    root = build(factory.letter()) if root is None else root
    options = {"always_add_key_value": False, **options}
    return to_bytes(signer.sign(root, key=seal.private_key, cert=[seal.certificate], **options))


def xades(cls: type[XAdESSigner] = XAdESSigner, **options: Any) -> XAdESSigner:
    settings = {
        "signature_algorithm": SignatureMethod.ECDSA_SHA256,
        "c14n_algorithm": CanonicalizationMethod.CANONICAL_XML_1_1,
    }
    return cls(**cast(Any, {**settings, **options}))


# None, two, elsewhere --------------------------------------------------------------------------------------------


@defect("no_signature", RefusalCode.SIGNATURE_MISSING)
def _no_signature() -> bytes:
    return to_bytes(build(factory.letter()))


@on_the_tree("two_signatures", RefusalCode.SIGNATURE_SEVERAL)
def _two_signatures(root: etree._Element) -> None:
    root.append(deepcopy(root[-1]))


@on_the_tree("signature_inside_the_signature", RefusalCode.SIGNATURE_SEVERAL)
def _signature_inside(root: etree._Element) -> None:
    only(root[-1], f"{DS}Object").append(deepcopy(root[-1]))


@on_the_tree("signature_first", RefusalCode.SIGNATURE_MISPLACED)
def _signature_first(root: etree._Element) -> None:
    root.insert(0, root[-1])


@on_the_tree("signature_in_an_extension", RefusalCode.SIGNATURE_MISPLACED)
def _signature_in_extension(root: etree._Element) -> None:
    extension = etree.SubElement(root, f"{LETTER}Extension", mustUnderstand="false")
    extension.append(root[-2])


@on_the_tree("signature_in_the_sender", RefusalCode.SIGNATURE_MISPLACED)
def _signature_in_sender(root: etree._Element) -> None:
    only(root, f"{LETTER}SenderParty").append(root[-1])


@on_the_tree("loose_object_beside_the_signature", RefusalCode.SIGNATURE_PROFILE)
def _loose_object(root: etree._Element) -> None:
    root[-1].addprevious(etree.Element(f"{DS}Object"))


# Wrapping --------------------------------------------------------------------------------------------------------


def _evil() -> etree._Element:
    return build(factory.letter(number="นร 9999/9999"))


@on_the_tree("signature_moved_onto_another_letter", RefusalCode.SIGNATURE_BROKEN)
def _moved(root: etree._Element) -> etree._Element:
    evil = _evil()
    evil.append(root[-1])
    return evil


@on_the_tree("wrapped_in_an_extension", RefusalCode.SIGNATURE_BROKEN)
def _wrapped_in_extension(root: etree._Element) -> etree._Element:
    evil, signature = _evil(), root[-1]
    extension = etree.SubElement(evil, f"{LETTER}Extension", mustUnderstand="false")
    etree.SubElement(extension, "{urn:example}wrapper").append(root)
    evil.append(signature)
    return evil


@on_the_tree("wrapped_in_the_signature", RefusalCode.SIGNATURE_PROFILE)
def _wrapped_in_signature(root: etree._Element) -> etree._Element:
    evil, signature = _evil(), root[-1]
    evil.append(signature)
    etree.SubElement(signature, f"{DS}Object").append(root)
    return evil


@defect("signed_by_id_and_wrapped", RefusalCode.SIGNATURE_PROFILE)
def _signed_by_id_and_wrapped() -> bytes:
    inner = build(factory.letter())
    inner.set("Id", "letter")
    return to_bytes(_wrapped_in_extension(etree.fromstring(sealed_otherwise(xades(), root=inner))))


@defect("signed_by_id", RefusalCode.SIGNATURE_PROFILE)
def _signed_by_id() -> bytes:
    root = build(factory.letter())
    root.set("Id", "letter")
    return sealed_otherwise(xades(), root=root)


@on_the_tree("an_id_in_an_extension", RefusalCode.SIGNATURE_PROFILE)
def _id_in_extension(root: etree._Element) -> None:
    extension = etree.Element(f"{LETTER}Extension", mustUnderstand="false")
    etree.SubElement(extension, "{urn:example}a", id="x")
    root[-1].addprevious(extension)


@on_the_tree("a_second_target_for_the_signed_properties", RefusalCode.SIGNATURE_PROFILE)
def _second_target(root: etree._Element) -> None:
    properties = only(root[-1], f".//{XADES}SignedProperties")
    extension = etree.Element(f"{LETTER}Extension", mustUnderstand="false")
    etree.SubElement(extension, "{urn:example}a", Id=str(properties.get("Id")))
    root[-1].addprevious(extension)


# Form ------------------------------------------------------------------------------------------------------------


@on_the_tree("detached_reference", RefusalCode.SIGNATURE_PROFILE)
def _detached(root: etree._Element) -> None:
    only(root[-1], f".//{DS}Reference").set("URI", "http://example.org/letter.xml")


@on_the_tree("no_reference_to_the_properties", RefusalCode.SIGNATURE_PROFILE)
def _reference_less(root: etree._Element) -> None:
    info = root[-1][0]
    info.remove(info[-2])


@on_the_tree("the_reference_to_the_key_taken_out", RefusalCode.SIGNATURE_BROKEN)
def _reference_to_the_key_less(root: etree._Element) -> None:
    info = root[-1][0]
    info.remove(info[-1])


@on_the_tree("no_reference_to_the_document", RefusalCode.SIGNATURE_PROFILE)
def _reference_to_the_document_less(root: etree._Element) -> None:
    info = root[-1][0]
    info.remove(info[-3])


@on_the_tree("a_reference_more", RefusalCode.SIGNATURE_PROFILE)
def _reference_more(root: etree._Element) -> None:
    info = root[-1][0]
    info.append(deepcopy(info[-1]))


@on_the_tree("an_xslt_transform", RefusalCode.SIGNATURE_PROFILE)
def _xslt(root: etree._Element) -> None:
    transforms = only(root[-1], f".//{DS}Transforms")
    etree.SubElement(transforms, f"{DS}Transform", Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116")


@on_the_tree("no_enveloped_transform", RefusalCode.SIGNATURE_PROFILE)
def _no_enveloped(root: etree._Element) -> None:
    transforms = only(root[-1], f".//{DS}Transforms")
    transforms.remove(transforms[0])


@on_the_tree("an_unsigned_property", RefusalCode.SIGNATURE_PROFILE)
def _unsigned_property(root: etree._Element) -> None:
    etree.SubElement(only(root[-1], f".//{XADES}QualifyingProperties"), f"{XADES}UnsignedProperties")


@on_the_tree("two_certificates", RefusalCode.SIGNATURE_PROFILE)
def _two_certificates(root: etree._Element) -> None:
    certificate = only(root[-1], f".//{DS}X509Certificate")
    certificate.addnext(deepcopy(certificate))


@on_the_tree("no_certificate", RefusalCode.SIGNATURE_PROFILE)
def _no_certificate(root: etree._Element) -> None:
    data = only(root[-1], f".//{DS}X509Data")
    data.remove(data[0])


@on_the_tree("a_certificate_that_is_none", RefusalCode.SIGNATURE_PROFILE)
def _certificate_that_is_none(root: etree._Element) -> None:
    only(root[-1], f".//{DS}X509Certificate").text = "AAAA"


@on_the_tree("a_certificate_that_is_not_base64", RefusalCode.SIGNATURE_PROFILE)
def _certificate_not_base64(root: etree._Element) -> None:
    only(root[-1], f".//{DS}X509Certificate").text = "ก"


@on_the_tree("a_signing_time_that_is_none", RefusalCode.SIGNATURE_PROFILE)
def _time_that_is_none(root: etree._Element) -> None:
    only(root[-1], f".//{XADES}SigningTime").text = "เมื่อวาน"


@defect("plain_xml_signature", RefusalCode.SIGNATURE_PROFILE)
def _plain() -> bytes:
    signer = XMLSigner(signature_algorithm=SignatureMethod.ECDSA_SHA256)
    return sealed_otherwise(signer, id_attribute=None)


@defect("key_value_beside_the_certificate", RefusalCode.SIGNATURE_PROFILE)
def _key_value() -> bytes:
    return sealed_otherwise(xades(), always_add_key_value=True)


@defect("exclusive_c14n", RefusalCode.SIGNATURE_PROFILE)
def _exclusive() -> bytes:
    return sealed_otherwise(xades(c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0))


# Algorithms ------------------------------------------------------------------------------------------------------


@defect("sha1_signature", RefusalCode.SIGNATURE_ALGORITHM)
def _sha1_signature() -> bytes:
    return sealed_otherwise(xades(Sha1Signer, signature_algorithm=SignatureMethod.ECDSA_SHA1))


@defect("sha1_digests", RefusalCode.SIGNATURE_ALGORITHM)
def _sha1_digests() -> bytes:
    return sealed_otherwise(xades(Sha1Signer, digest_algorithm=DigestAlgorithm.SHA1))


@defect("rsa_sha1", RefusalCode.SIGNATURE_ALGORITHM)
def _rsa_sha1() -> bytes:
    return sealed_otherwise(
        xades(Sha1Signer, signature_algorithm=SignatureMethod.RSA_SHA1), factory.rsa_seal()
    )


@defect("sha512", RefusalCode.SIGNATURE_ALGORITHM)
def _sha512() -> bytes:
    return sealed_otherwise(xades(digest_algorithm=DigestAlgorithm.SHA512))


@on_the_tree("hmac_instead_of_a_key", RefusalCode.SIGNATURE_ALGORITHM)
def _hmac(root: etree._Element) -> None:
    only(root[-1], f".//{DS}SignatureMethod").set("Algorithm", SignatureMethod.HMAC_SHA256.value)


@on_the_tree("rsa_claimed_for_an_elliptic_key", RefusalCode.SIGNATURE_ALGORITHM)
def _rsa_claimed(root: etree._Element) -> None:
    only(root[-1], f".//{DS}SignatureMethod").set("Algorithm", SignatureMethod.RSA_SHA256.value)


@on_the_tree("a_method_for_another_curve", RefusalCode.SIGNATURE_ALGORITHM)
def _another_curve(root: etree._Element) -> None:
    only(root[-1], f".//{DS}SignatureMethod").set("Algorithm", SignatureMethod.ECDSA_SHA384.value)


@defect("p256_with_sha384", RefusalCode.SIGNATURE_ALGORITHM)
def _p256_with_sha384() -> bytes:
    return sealed_otherwise(xades(signature_algorithm=SignatureMethod.ECDSA_SHA384))


@defect("p384_with_sha256", RefusalCode.SIGNATURE_ALGORITHM)
def _p384_with_sha256() -> bytes:
    return sealed_otherwise(xades(), factory.p384_seal())


@defect("ecdsa_sha512", RefusalCode.SIGNATURE_ALGORITHM)
def _ecdsa_sha512() -> bytes:
    return sealed_otherwise(xades(signature_algorithm=SignatureMethod.ECDSA_SHA512), factory.p521_seal())


@defect("rsa_pss", RefusalCode.SIGNATURE_ALGORITHM)
def _rsa_pss() -> bytes:
    return sealed_otherwise(xades(signature_algorithm=SignatureMethod.SHA256_RSA_MGF1), factory.rsa_seal())


# Octets ----------------------------------------------------------------------------------------------------------


@defect("altered_byte", RefusalCode.SIGNATURE_BROKEN)
def _altered_byte() -> bytes:
    raw = factory.signed_letter().raw
    return raw.replace(b"<Size>50123", b"<Size>50124")


@on_the_tree("altered_signature_value", RefusalCode.SIGNATURE_BROKEN)
def _altered_value(root: etree._Element) -> None:
    value = only(root[-1], f"{DS}SignatureValue")
    text = value.text or ""
    value.text = ("B" if text.startswith("A") else "A") + text[1:]


@on_the_tree("short_signature_value", RefusalCode.SIGNATURE_BROKEN)
def _short_value(root: etree._Element) -> None:
    only(root[-1], f"{DS}SignatureValue").text = "AAAA"


@on_the_tree("a_digest_of_something_else", RefusalCode.SIGNATURE_BROKEN)
def _other_digest(root: etree._Element) -> None:
    only(root[-1], f".//{DS}DigestValue").text = "A" * 43 + "="


@on_the_tree("altered_signing_time", RefusalCode.SIGNATURE_BROKEN)
def _altered_time(root: etree._Element) -> None:
    only(root[-1], f".//{XADES}SigningTime").text = "2020-01-01T00:00:00+00:00"


@on_the_tree("a_blank_added", RefusalCode.SIGNATURE_BROKEN)
def _blank(root: etree._Element) -> None:
    only(root, f"{LETTER}ID").tail = "\n"
