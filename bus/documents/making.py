"""Making a seal: a P-256 key, and a certificate signed by that key itself which says what it is for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from bus.directory.certificates import ANOTHER, unfitness
from bus.documents.keys import write_private, write_private_key
from bus.documents.seal import Seal
from bus.errors import Misconfigured, Problem
from bus.methods import SealKey, SealPublicKey

SLACK: Final = timedelta(days=1)
"""How long before it is made a certificate is valid already: clocks differ."""
SEAL_DAYS: Final = 730
LONGEST_DAYS: Final = 3650
_LONGEST_NAME = 64
"""Octets of a common name: RFC 5280 (ub-common-name) counts characters, the library UTF-8, in which Thai has three."""


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """Where a key and its certificate lie, both as PEM."""

    key: Path
    certificate: Path

    @classmethod
    def named(cls, folder: Path, name: str) -> KeyFiles:
        """The files `NAME.key.pem` and `NAME.crt.pem` of a folder. Raises Misconfigured for what is no file's name."""
        if not name or Path(name).name != name or not name.isprintable():
            fix = "Write a name such as bus or 0100500000, without a folder."
            raise Misconfigured(Problem("key make", "NAME", "is no name of a file", fix))
        return cls(folder / f"{name}.key.pem", folder / f"{name}.crt.pem")


def new_key() -> ec.EllipticCurvePrivateKey:
    """Generate a private key on P-256."""
    return ec.generate_private_key(ec.SECP256R1())


def new_seal(
    name: str,
    *,
    key: SealKey | None = None,
    not_before: datetime | None = None,
    not_after: datetime | None = None,
) -> Seal:
    """Make a seal whose certificate names `name` and is for digital signatures, and for nothing else.

    It is valid from a day ago for two years, unless said otherwise. Raises Misconfigured for a key that is too weak
    and for a name that no certificate can bear.
    """
    key, now = key or new_key(), datetime.now(UTC)
    builder = certificate_for(key.public_key(), named(name), named(name))
    builder = builder.not_valid_before(not_before or now - SLACK)
    builder = builder.not_valid_after(not_after or now + timedelta(days=SEAL_DAYS))
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    certificate = builder.add_extension(usage(digital_signature=True), critical=True).sign(key, SHA256())
    if found := unfitness(certificate):
        raise Misconfigured(Problem(name, "key", found.detail, ANOTHER))
    return Seal(key, certificate)


def write_pair(
    key: SealKey, certificate: x509.Certificate, files: KeyFiles, *, passphrase: str | None = None
) -> None:
    """Write a key and its certificate, or neither. Raises Misconfigured if either is there."""
    write_private(files.certificate, certificate.public_bytes(Encoding.PEM))
    try:
        write_private_key(files.key, key, passphrase)
    except BaseException:
        files.certificate.unlink()
        raise


def write_seal(seal: Seal, folder: Path, name: str, *, passphrase: str | None = None) -> KeyFiles:
    """Write the two files of a seal under this name, and return where they are. Raises as `write_pair`."""
    files = KeyFiles.named(folder, name)
    write_pair(seal.private_key, seal.certificate, files, passphrase=passphrase)
    return files


def named(name: str) -> x509.Name:
    """Return the distinguished name of somebody in Thailand. Raises Misconfigured for a name that it cannot hold."""
    if not name.isprintable() or not 0 < len(name.encode()) <= _LONGEST_NAME:
        fix = f"Write a name of 1 to {_LONGEST_NAME} characters (Thai: {_LONGEST_NAME // 3}), on one line."
        raise Misconfigured(Problem("certificate", "name", "cannot stand in a certificate", fix))
    return x509.Name(
        [x509.NameAttribute(NameOID.COUNTRY_NAME, "TH"), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )


def certificate_for(public: SealPublicKey, subject: x509.Name, issuer: x509.Name) -> x509.CertificateBuilder:
    """Begin a certificate: whose key it is, and who says so, under a number of its own."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def usage(*, digital_signature: bool = False, authority: bool = False) -> x509.KeyUsage:
    """Return what a key is for: signing documents and handshakes, or certificates and lists of revoked ones."""
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
