"""The signature checked over its octets, without building the document again: the router's way.

`signing.py` verifies with signxml, which parses and serialises a document a dozen times to allow for every form that a
signature may have. There is one form here, and `profile.py` has matched it, element by element, before this is called.
What is left is arithmetic: three digests and one signature over canonical octets (XML Signature, section 3.2).

The recipient's adapter verifies the same letter with signxml before it signs a receipt, so two implementations have to
agree; tests hold them against each other and against xmlsec1 over every sample, defect and mutant.
"""

from __future__ import annotations

import hmac
from base64 import b64decode
from binascii import Error as Base64Error
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from lxml import etree

from bus.documents.xml import DS_NAMESPACE, Envelope, canonical
from bus.errors import Rejected, RejectionCode

_NAMES = {"ds": DS_NAMESPACE, "xades": "http://uri.etsi.org/01903/v1.3.2#"}
_P256_BYTES = 32


def _one(path: str) -> etree.XPath:
    return etree.XPath(path, namespaces=_NAMES)


_SIGNED_INFO = _one("ds:SignedInfo")
_DIGESTS = _one("ds:SignedInfo/ds:Reference/ds:DigestValue")
_PROPERTIES = _one("ds:Object/xades:QualifyingProperties/xades:SignedProperties")
_KEY_INFO = _one("ds:KeyInfo")
_CERTIFICATE_DIGEST = _one("ds:Object//xades:CertDigest/ds:DigestValue")
_SIGNATURE_VALUE = _one("ds:SignatureValue")


def check_octets(envelope: Envelope, certificate: x509.Certificate) -> bytes:
    """Return the signed octets of a document whose signature has the form of `profile.examine`.

    Raises Rejected(signature.broken) unless every digest and the signature are right under this certificate's key.
    """
    signature = envelope.root[-1]
    signed = canonical(envelope.root)
    covered = (signed, _c14n(_exactly_one(_PROPERTIES, signature)), _c14n(_exactly_one(_KEY_INFO, signature)))
    stated = [_decoded(element) for element in _elements(_DIGESTS, signature)]
    _require(len(stated) == len(covered), "another number of digests")
    for octets, digest in zip(covered, stated, strict=True):
        _require(hmac.compare_digest(sha256(octets).digest(), digest), "a digest is another")
    named = _decoded(_exactly_one(_CERTIFICATE_DIGEST, signature))
    _require(hmac.compare_digest(certificate.fingerprint(SHA256()), named), "another certificate is named")
    value = _decoded(_exactly_one(_SIGNATURE_VALUE, signature))
    _check_value(certificate, value, _c14n(_exactly_one(_SIGNED_INFO, signature)))
    return signed


def _check_value(certificate: x509.Certificate, value: bytes, octets: bytes) -> None:
    key = certificate.public_key()
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            # r and s, one after the other, in as many octets as the order has (RFC 4050, section 3.3).
            _require(len(value) == 2 * _P256_BYTES, "the signature has another length")
            r, s = (int.from_bytes(half) for half in (value[:_P256_BYTES], value[_P256_BYTES:]))
            key.verify(encode_dss_signature(r, s), octets, ec.ECDSA(SHA256()))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(value, octets, padding.PKCS1v15(), SHA256())
        else:
            raise Rejected(RejectionCode.KEY_WEAK, "a key of a kind that is not supported")
    except InvalidSignature as exc:
        raise Rejected(RejectionCode.SIGNATURE_BROKEN, "the signature does not verify") from exc


def _c14n(element: etree._Element) -> bytes:
    return etree.tostring(element, method="c14n", with_comments=False)


def _elements(path: etree.XPath, signature: etree._Element) -> list[etree._Element]:
    found = path(signature)
    return [one for one in found if isinstance(one, etree._Element)] if isinstance(found, list) else []


def _exactly_one(path: etree.XPath, signature: etree._Element) -> etree._Element:
    found = _elements(path, signature)
    _require(len(found) == 1, "a part of the signature is missing or stands twice")
    return found[0]


def _decoded(element: etree._Element) -> bytes:
    try:
        return b64decode("".join((element.text or "").split()), validate=True)
    except (Base64Error, ValueError) as exc:
        raise Rejected(RejectionCode.SIGNATURE_BROKEN, "a value is no base64") from exc


def _require(holds: bool, detail: str) -> None:
    if not holds:
        raise Rejected(RejectionCode.SIGNATURE_BROKEN, detail)
