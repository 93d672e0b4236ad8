"""The key with which an agency logs in to the broker by certificate: made by the agency, and never anywhere else."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import NameOID

from bus.documents.authority import request_for
from bus.documents.keys import read_private_key, write_private_key
from bus.documents.making import new_key
from bus.errors import Misconfigured, Problem

_FIX = "Call the centre"


def asked_for(key: Path, user: str, passphrase: str | None = None) -> str:
    """Return a certificate request (PEM) for the key of this file, which is made if it is not there."""
    if not key.exists():
        write_private_key(key, new_key(), passphrase)
    made = _read(key, passphrase)
    if not isinstance(made, EllipticCurvePrivateKey):
        raise TypeError(type(made))
    return request_for(made, user)


def require_fit(pem: str, key: Path, user: str, passphrase: str | None = None) -> None:
    """Raise Misconfigured unless a certificate is for the key of this file, and names this user."""
    if not is_for(pem, key, passphrase) or user not in _names(pem):
        wrong = "is no certificate for this agency's key and user"
        raise Misconfigured(Problem("the centre's answer", "login", wrong, _FIX))


def is_for(pem: str, key: Path, passphrase: str | None = None) -> bool:
    """Whether a certificate is for the key of this file. Raises Misconfigured for a key that cannot be read."""
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        return False
    return certificate.public_key() == _read(key, passphrase).public_key()


def _names(pem: str) -> list[str | bytes]:
    subject = x509.load_pem_x509_certificate(pem.encode()).subject
    return [one.value for one in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]


def _read(key: Path, passphrase: str | None) -> PrivateKeyTypes:
    return read_private_key(key, passphrase, _unfit, "Make a P-256 key")


def _unfit(key: PrivateKeyTypes) -> str | None:
    return None if isinstance(key, EllipticCurvePrivateKey) else "is no key on a curve"
