"""The xmlsec1 command as the instructions for auditors have it, and what it would believe without them."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import subprocess
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from bus.documents.seal import Seal

PIN = ("--enabled-key-data", "key-name")
"""No key but the given one: without it, xmlsec1 believes a document's own certificate if an authority issued it."""
_IDS = ("--id-attr:Id", "http://uri.etsi.org/01903/v1.3.2#:SignedProperties")


def xmlsec1(
    document: Path,
    certificate: Path,
    *,
    folder: Path | None = None,
    trusting: Path | None = None,
    pin: tuple[str, ...] = PIN,
) -> subprocess.CompletedProcess[str]:
    """Verify a document; the files that it names are in `folder`, `trusting` is an authority that the machine has."""
    program = shutil.which("xmlsec1")
    assert program, "the tests need the xmlsec1 command"
    env = dict(os.environ) | ({"SSL_CERT_FILE": str(trusting)} if trusting else {})
    command = [program, "--verify", *pin, *_IDS, "--pubkey-cert-pem", str(certificate), str(document)]
    return subprocess.run(command, capture_output=True, text=True, env=env, cwd=folder, check=False)


def forger(name: str, authority: Path) -> Seal:
    """A seal of somebody else in an agency's name, whose certificate an authority issued; writes that one's as PEM."""
    root, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = _named("An authority that the machine trusts")
    authority.write_bytes(
        _certificate(issuer, root.public_key(), issuer, root, authority=True).public_bytes(Encoding.PEM)
    )
    return Seal(key, _certificate(_named(name), key.public_key(), issuer, root, authority=False))


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _certificate(
    subject: x509.Name,
    key: ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    by: ec.EllipticCurvePrivateKey,
    *,
    authority: bool,
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    usage = x509.KeyUsage(not authority, False, False, False, False, authority, False, False, False)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .sign(by, hashes.SHA256())
    )
