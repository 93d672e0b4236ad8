"""The signature over its octets: how it is made, and how the router checks it.

`signing.py` also verifies with signxml, which parses and serialises a document a dozen times to allow for every form
that a signature may have. There is one form here: `profile.py` builds it, and has matched it element by element before
anything is checked. What is left is arithmetic: three digests and one signature over canonical octets (XML Signature,
sections 3.1 and 3.2; XAdES, ETSI EN 319 132-1, for the properties).

The recipient's adapter verifies the same letter with signxml before it signs a receipt, so two implementations have to
agree; tests hold them against each other and against xmlsec1 over every sample, defect and mutant.
"""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from datetime import datetime
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from bus.documents import profile
from bus.documents.seal import Seal
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
_CERTIFICATE = _one("ds:KeyInfo/ds:X509Data/ds:X509Certificate")
_SIGNING_TIME = _one("ds:Object//xades:SigningTime")
_DESCRIPTION = _one("ds:Object//xades:Description")
_MIME_TYPE = _one("ds:Object//xades:MimeType")


def seal_octets(root: etree._Element, seal: Seal, at: datetime) -> bytes:
    """Put a seal's signature into an unsigned document; return the signed octets.

    `at` is the time that the signature claims to be made at, to the second.
    """
    signed = canonical(root)
    signature = profile.skeleton(_method_of(seal))
    root.append(signature)  # before any digest: what is canonical also depends on the namespaces around it
    certificate = seal.certificate.public_bytes(Encoding.DER)
    for part, text in (
        (_CERTIFICATE, _encoded(certificate)),
        (_SIGNING_TIME, at.isoformat(timespec="seconds")),
        (_CERTIFICATE_DIGEST, _encoded(sha256(certificate).digest())),
        (_DESCRIPTION, "Saraban Bus document"),
        (_MIME_TYPE, "application/xml"),
    ):
        _exactly_one(part, signature).text = text
    for digest, octets in zip(_elements(_DIGESTS, signature), _covered(signed, signature), strict=True):
        digest.text = _encoded(sha256(octets).digest())
    value = _value(seal, _c14n(_exactly_one(_SIGNED_INFO, signature)))
    _exactly_one(_SIGNATURE_VALUE, signature).text = _encoded(value)
    return signed


def _method_of(seal: Seal) -> str:
    elliptic = isinstance(seal.private_key, ec.EllipticCurvePrivateKey)
    return profile.ECDSA_SHA256 if elliptic else profile.RSA_SHA256


def _value(seal: Seal, octets: bytes) -> bytes:
    if isinstance(seal.private_key, rsa.RSAPrivateKey):
        return seal.private_key.sign(octets, padding.PKCS1v15(), SHA256())
    # r and s, one after the other, in as many octets as the order has (RFC 4050, section 3.3).
    size = (seal.private_key.key_size + 7) // 8
    r, s = decode_dss_signature(seal.private_key.sign(octets, ec.ECDSA(SHA256())))
    return r.to_bytes(size) + s.to_bytes(size)


def check_octets(envelope: Envelope, certificate: x509.Certificate) -> bytes:
    """Return the signed octets of a document whose signature has the form of `profile.examine`.

    Raises Rejected(signature.broken) unless every digest and the signature are right under this certificate's key.
    """
    signature = envelope.root[-1]
    covered = _covered(envelope.octets, signature)
    stated = [_decoded(element) for element in _elements(_DIGESTS, signature)]
    _require(len(stated) == len(covered), "another number of digests")
    for octets, digest in zip(covered, stated, strict=True):
        _require(hmac.compare_digest(sha256(octets).digest(), digest), "a digest is another")
    named = _decoded(_exactly_one(_CERTIFICATE_DIGEST, signature))
    _require(hmac.compare_digest(certificate.fingerprint(SHA256()), named), "another certificate is named")
    value = _decoded(_exactly_one(_SIGNATURE_VALUE, signature))
    _check_value(certificate, value, _c14n(_exactly_one(_SIGNED_INFO, signature)))
    return envelope.octets


def _check_value(certificate: x509.Certificate, value: bytes, octets: bytes) -> None:
    key = certificate.public_key()
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            _require(len(value) == 2 * _P256_BYTES, "the signature has another length")
            r, s = (int.from_bytes(half) for half in (value[:_P256_BYTES], value[_P256_BYTES:]))
            key.verify(encode_dss_signature(r, s), octets, ec.ECDSA(SHA256()))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(value, octets, padding.PKCS1v15(), SHA256())
        else:
            raise Rejected(RejectionCode.KEY_WEAK, "a key of a kind that is not supported")
    except InvalidSignature as exc:
        raise Rejected(RejectionCode.SIGNATURE_BROKEN, "the signature does not verify") from exc


def _covered(signed: bytes, signature: etree._Element) -> tuple[bytes, bytes, bytes]:
    """What the three references cover, in their order: the document, the properties, the certificate."""
    return signed, _c14n(_exactly_one(_PROPERTIES, signature)), _c14n(_exactly_one(_KEY_INFO, signature))


def _c14n(element: etree._Element) -> bytes:
    return etree.tostring(element, method="c14n", with_comments=False)


def _elements(path: etree.XPath, signature: etree._Element) -> list[etree._Element]:
    found = path(signature)
    return [one for one in found if isinstance(one, etree._Element)] if isinstance(found, list) else []


def _exactly_one(path: etree.XPath, signature: etree._Element) -> etree._Element:
    found = _elements(path, signature)
    _require(len(found) == 1, "a part of the signature is missing or stands twice")
    return found[0]


def _encoded(octets: bytes) -> str:
    return b64encode(octets).decode("ascii")


def _decoded(element: etree._Element) -> bytes:
    try:
        return b64decode("".join((element.text or "").split()), validate=True)
    except (Base64Error, ValueError) as exc:
        raise Rejected(RejectionCode.SIGNATURE_BROKEN, "a value is no base64") from exc


def _require(holds: bool, detail: str) -> None:
    if not holds:
        raise Rejected(RejectionCode.SIGNATURE_BROKEN, detail)
