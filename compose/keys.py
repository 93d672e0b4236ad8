"""Keys and self-signed certificates for the demo, the tests and the benchmarks: made when needed, never shipped."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from bus.documents.methods import SealKey
from bus.documents.seal import Seal

_DAY = dt.timedelta(days=1)
_CURVES: dict[str, ec.EllipticCurve] = {
    "p256": ec.SECP256R1(),
    "p384": ec.SECP384R1(),
    "p521": ec.SECP521R1(),
    "secp256k1": ec.SECP256K1(),
}


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """Where a key and its certificate lie, both as PEM."""

    key: Path
    certificate: Path


def new_key(kind: str = "p256") -> SealKey:
    """A private key: on a curve (`p256`, `p384`, `p521`, `secp256k1`), or `rsa` with a number of bits."""
    if kind.startswith("rsa"):
        return rsa.generate_private_key(public_exponent=65537, key_size=int(kind.removeprefix("rsa")))
    return ec.generate_private_key(_CURVES[kind])


def new_seal(
    name: str,
    *,
    key: SealKey | None = None,
    not_before: dt.datetime | None = None,
    not_after: dt.datetime | None = None,
    digital_signature: bool | None = True,
) -> Seal:
    """A seal with a self-signed certificate, valid from yesterday for two years unless told otherwise.

    `digital_signature` is what the certificate says of it; None leaves the KeyUsage extension out.
    """
    key = key or new_key()
    now = dt.datetime.now(dt.UTC)
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "TH"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Saraban Bus (sample)"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before or now - _DAY)
        .not_valid_after(not_after or now + 730 * _DAY)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    if digital_signature is not None:
        builder = builder.add_extension(_usage(digital_signature), critical=True)
    return Seal(key, builder.sign(key, hashes.SHA256()))


def make_key_pair(
    folder: Path,
    name: str,
    *,
    common_name: str = "",
    key: SealKey | None = None,
    not_before: dt.datetime | None = None,
    not_after: dt.datetime | None = None,
    digital_signature: bool | None = True,
    passphrase: str | None = None,
) -> KeyFiles:
    """Write `<name>.key.pem` (readable by its owner only) and `<name>.crt.pem`; existing files are replaced."""
    seal = new_seal(
        common_name or name,
        key=key,
        not_before=not_before,
        not_after=not_after,
        digital_signature=digital_signature,
    )
    return write_seal(seal, folder, name, passphrase=passphrase)


def write_seal(seal: Seal, folder: Path, name: str, *, passphrase: str | None = None) -> KeyFiles:
    """Write a seal's two PEM files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = KeyFiles(key=folder / f"{name}.key.pem", certificate=folder / f"{name}.crt.pem")
    encryption: KeySerializationEncryption = (
        BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    )
    pem = seal.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    # Created with its rights, not given them afterwards: at no moment can others read it.
    files.key.unlink(missing_ok=True)
    with os.fdopen(os.open(files.key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
    files.certificate.write_bytes(seal.certificate.public_bytes(Encoding.PEM))
    return files


def _usage(digital_signature: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=not digital_signature,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
