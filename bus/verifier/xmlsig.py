"""XML signatures in a pack: those of the documents (enveloped XAdES), and the bus's own over the pack (detached).

Identity never comes from the signature: it has to verify under the certificate that the caller gives.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import SignXMLException
from signxml.xades.xades import XAdESSignatureConfiguration, XAdESVerifier

from bus.verifier.findings import Broken

DS = "http://www.w3.org/2000/09/xmldsig#"
XADES = "http://uri.etsi.org/01903/v1.3.2#"
_NAMES = {"ds": DS, "xades": XADES}
_METHODS = frozenset({SignatureMethod.ECDSA_SHA256, SignatureMethod.RSA_SHA256})
_SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
_C14N11 = "http://www.w3.org/2006/12/xml-c14n11"
_P256_BYTES = 32
_FOREIGN_ERRORS = (
    SignXMLException,
    InvalidSignature,
    UnsupportedAlgorithm,
    etree.LxmlError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    NotImplementedError,
)


@dataclass(frozen=True, slots=True)
class Signed:
    """A document as it was signed: its octets' SHA-256 (hexadecimal), and the tree made of nothing but them."""

    digest: str
    root: etree._Element

    def text(self, path: str) -> str | None:
        """The text at a path of local names, such as `SenderParty/Name`; None if nothing is there."""
        found = self.root.find("/".join(f"{{*}}{name}" for name in path.split("/")))
        return None if found is None else (found.text or "").strip()

    def texts(self, path: str) -> list[str]:
        """All texts at a path."""
        found = self.root.findall("/".join(f"{{*}}{name}" for name in path.split("/")))
        return [(one.text or "").strip() for one in found]


def parse(data: bytes) -> etree._Element:
    """Parse without DTD, entities or network. Raises Broken."""
    if b"<!DOCTYPE" in data:
        raise Broken("a document type declaration")
    try:
        return etree.fromstring(data, _parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Broken("it is no XML") from error


def certificate_of(data: bytes) -> x509.Certificate:
    """Return the certificate that a document's signature names, which proves nothing yet. Raises Broken."""
    found = parse(data).findall(f"{{{DS}}}Signature/{{{DS}}}KeyInfo/{{{DS}}}X509Data/{{{DS}}}X509Certificate")
    if len(found) != 1:
        raise Broken("it does not bear one signature with one certificate")
    return _loaded(found[0].text or "")


def verified(data: bytes, certificate: x509.Certificate, at: datetime) -> Signed:
    """Verify a document under a certificate as of a time. Raises Broken.

    One signature, the last child of the root; three references; what is returned is what was signed, and it is all of
    the document.
    """
    root = parse(data)
    signatures = list(root.iter(f"{{{DS}}}Signature"))
    if len(signatures) != 1 or root[-1] is not signatures[0]:
        raise Broken("it does not bear one signature, in its place")
    if any(etree.QName(str(name)).localname.lower() == "id" for name in root.attrib):
        raise Broken("its root bears an Id, by which a signature could be led elsewhere")
    expected = XAdESSignatureConfiguration(
        require_x509=True,
        location="./",
        expect_references=3,
        signature_methods=_METHODS,
        digest_algorithms=frozenset({DigestAlgorithm.SHA256}),
        verification_time=at,
    )
    arguments: dict[str, Any] = {"x509_cert": certificate, "parser": _parser(), "validate_schema": False}
    try:
        result = XAdESVerifier().verify(data, expect_config=expected, **arguments)[0]
    except _FOREIGN_ERRORS as error:
        raise Broken("its signature does not verify") from error
    root.remove(signatures[0])
    if result.signed_xml is None or result.signed_data != etree.tostring(
        root, method="c14n", with_comments=False
    ):
        raise Broken("its signature does not cover all of it")
    return Signed(hashlib.sha256(result.signed_data).hexdigest(), parse(result.signed_data))


def sealed_members(data: bytes) -> tuple[x509.Certificate, dict[str, str]]:
    """Verify the signature over a pack; return its certificate and the SHA-256 of each member that it names.

    Raises Broken. Whose certificate it is, is for the caller to judge.
    """
    signature = _one(parse(data), "ds:Signature")
    info = _one(signature, "ds:SignedInfo")
    if _one(info, "ds:CanonicalizationMethod").get("Algorithm") != _C14N11:
        raise Broken("another canonicalization")
    certificate = _loaded(_one(signature, "ds:KeyInfo/ds:X509Data/ds:X509Certificate").text or "")
    value = b64decode("".join((_one(signature, "ds:SignatureValue").text or "").split()))
    _check_value(certificate, value, etree.tostring(info, method="c14n", with_comments=False))
    properties = _one(signature, "ds:Object/xades:QualifyingProperties/xades:SignedProperties")
    digests: dict[str, str] = {}
    for reference in info.iterfind("ds:Reference", _NAMES):
        uri, digest = _reference(reference)
        if uri in digests:
            raise Broken(f"{uri} is named twice")
        digests[uri] = digest
    covered = digests.pop(f"#{properties.get('Id')}", None)
    if covered != hashlib.sha256(etree.tostring(properties, method="c14n", with_comments=False)).hexdigest():
        raise Broken("the signature's own properties are not those that were signed")
    return certificate, digests


def _reference(reference: etree._Element) -> tuple[str, str]:
    if _one(reference, "ds:DigestMethod").get("Algorithm") != _SHA256:
        raise Broken("another digest than SHA-256")
    uri = reference.get("URI") or ""
    if not uri.startswith("#") and reference.find("ds:Transforms", _NAMES) is not None:
        raise Broken(f"{uri} is transformed before it is hashed")
    return uri, b64decode(_one(reference, "ds:DigestValue").text or "").hex()


def _check_value(certificate: x509.Certificate, value: bytes, octets: bytes) -> None:
    key = certificate.public_key()
    try:
        if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
            if len(value) != 2 * _P256_BYTES:
                raise Broken("the signature has another length")
            r, s = (int.from_bytes(half, "big") for half in (value[:_P256_BYTES], value[_P256_BYTES:]))
            key.verify(encode_dss_signature(r, s), octets, ec.ECDSA(SHA256()))
        elif isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048:
            key.verify(value, octets, padding.PKCS1v15(), SHA256())
        else:
            raise Broken("a key of a kind that is not accepted")
    except InvalidSignature as error:
        raise Broken("the signature does not verify") from error


def _loaded(text: str) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(b64decode("".join(text.split())))
    except (ValueError, x509.InvalidVersion) as error:
        raise Broken("its certificate cannot be read") from error


def _one(element: etree._Element, path: str) -> etree._Element:
    found = element.findall(path, _NAMES)
    if len(found) != 1:
        raise Broken(f"{path} stands {len(found)} times in the signature")
    return found[0]


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
