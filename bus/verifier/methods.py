"""The methods by which a document or a pack may be signed: the verifier's own table, with the rows of the bus's."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

from bus.verifier.findings import Broken

_MORE = "http://www.w3.org/2001/04/xmldsig-more#"


@dataclass(frozen=True, slots=True)
class Method:
    """What a signature's method asks of its key; `curve` is empty for RSA, `bits` are the fewest."""

    hash: HashAlgorithm
    curve: str
    bits: int


METHODS = {
    f"{_MORE}ecdsa-sha256": Method(SHA256(), "secp256r1", 256),
    f"{_MORE}ecdsa-sha384": Method(SHA384(), "secp384r1", 384),
    f"{_MORE}rsa-sha256": Method(SHA256(), "", 2048),
    f"{_MORE}rsa-sha384": Method(SHA384(), "", 2048),
    f"{_MORE}rsa-sha512": Method(SHA512(), "", 2048),
}
"""By the URI that SignatureMethod names."""


def fitting_key(certificate: x509.Certificate, uri: str | None) -> PublicKeyTypes:
    """Return a certificate's key. Raises Broken if it is not one for this method, or there is no such method."""
    method = METHODS.get(uri or "")
    if method is None:
        raise Broken("another signature method")
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Broken("a key of a kind that is not accepted") from error
    if isinstance(key, ec.EllipticCurvePublicKey):
        fits = key.curve.name == method.curve
    else:
        fits = isinstance(key, rsa.RSAPublicKey) and not method.curve and key.key_size >= method.bits
    if not fits:
        raise Broken("a key that is too weak, or not of the kind that the signature method is for")
    return key


def check_value(certificate: x509.Certificate, uri: str | None, value: bytes, octets: bytes) -> None:
    """Raise Broken unless the value is this certificate's signature over these octets, by this method."""
    key = fitting_key(certificate, uri)
    method = METHODS[uri or ""]
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            half = (key.key_size + 7) // 8
            if len(value) != 2 * half:
                raise Broken("the signature has another length")
            r, s = int.from_bytes(value[:half], "big"), int.from_bytes(value[half:], "big")
            key.verify(encode_dss_signature(r, s), octets, ec.ECDSA(method.hash))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(value, octets, padding.PKCS1v15(), method.hash)
    except InvalidSignature as error:
        raise Broken("the signature does not verify") from error
