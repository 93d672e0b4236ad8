"""The methods by which something is signed, one row each: whatever knows a signature algorithm reads it here.

The digests that a signature refers to are SHA-256 under every method: they are the identity of documents. How a method
is added: its row, its line in `xsd/signature`, its row in the verifier (`bus/verifier/methods.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

SealKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
SealPublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

_ELLIPTIC = (ec.EllipticCurvePublicKey, ec.EllipticCurvePrivateKey)
_RSA = (rsa.RSAPublicKey, rsa.RSAPrivateKey)
_MORE = "http://www.w3.org/2001/04/xmldsig-more#"


@dataclass(frozen=True, slots=True, eq=False)
class Method:
    """A signature algorithm, with the keys that it is for."""

    uri: str
    """As SignatureMethod names it in XML."""
    jose: str
    """As `alg` names it in JOSE (RFC 7518)."""
    hash: HashAlgorithm
    curve: type[ec.EllipticCurve] | None
    """The one curve of ECDSA; None for RSA (PKCS #1 v1.5)."""
    smallest: int
    """Bits of the smallest key."""

    def fits(self, key: PrivateKeyTypes | PublicKeyTypes) -> bool:
        """Whether the key is of this method's kind, and strong enough."""
        if isinstance(key, _ELLIPTIC):
            return self.curve is not None and isinstance(key.curve, self.curve)
        if isinstance(key, _RSA):
            return self.curve is None and key.key_size >= self.smallest
        return False

    def sign(self, key: SealKey, octets: bytes) -> bytes:
        """Return the signature as XML Signature has it: r and s in as many octets as the order has (RFC 4050, 3.3)."""
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(octets, padding.PKCS1v15(), self.hash)
        size = (key.key_size + 7) // 8
        r, s = decode_dss_signature(key.sign(octets, ec.ECDSA(self.hash)))
        return r.to_bytes(size) + s.to_bytes(size)

    def verify(self, key: PublicKeyTypes, value: bytes, octets: bytes) -> None:
        """Raise InvalidSignature unless this is the signature of a key that fits over these octets."""
        if not self.fits(key):
            raise InvalidSignature
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(value, octets, padding.PKCS1v15(), self.hash)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            size = (key.key_size + 7) // 8
            if len(value) != 2 * size:
                raise InvalidSignature
            r, s = int.from_bytes(value[:size]), int.from_bytes(value[size:])
            key.verify(encode_dss_signature(r, s), octets, ec.ECDSA(self.hash))


METHODS: Final[Mapping[str, Method]] = MappingProxyType(
    {
        row.uri: row
        for row in (
            Method(f"{_MORE}ecdsa-sha256", "ES256", SHA256(), ec.SECP256R1, 256),
            Method(f"{_MORE}ecdsa-sha384", "ES384", SHA384(), ec.SECP384R1, 384),
            Method(f"{_MORE}rsa-sha256", "RS256", SHA256(), None, 2048),
            Method(f"{_MORE}rsa-sha384", "RS384", SHA384(), None, 2048),
            Method(f"{_MORE}rsa-sha512", "RS512", SHA512(), None, 2048),
        )
    }
)
"""By URI; of each kind of key the one first with which we sign."""


def method_for(key: SealKey | SealPublicKey) -> Method:
    """Return the method with which a key signs; for a key that is unfit, the first of its kind."""
    fitting = next((one for one in METHODS.values() if one.fits(key)), None)
    return fitting or next(one for one in METHODS.values() if (one.curve is None) is isinstance(key, _RSA))


def weakness_of(key: PrivateKeyTypes | PublicKeyTypes) -> str | None:
    """Say in words what makes a key unfit to sign with; None if some method is for it."""
    if any(one.fits(key) for one in METHODS.values()):
        return None
    if isinstance(key, _ELLIPTIC):
        return f"an elliptic-curve key on {key.curve.name}"
    if isinstance(key, _RSA):
        return f"an RSA key of {key.key_size} bits"
    return "a key that is neither ECDSA nor RSA"
