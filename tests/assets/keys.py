"""Seals that nobody should have: of kinds and for purposes that the product makes no key for."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from bus.documents.making import SEAL_DAYS, SLACK, certificate_for, named, usage, write_seal
from bus.documents.seal import Seal
from bus.methods import SealKey

_CURVES: dict[str, ec.EllipticCurve] = {
    "p256": ec.SECP256R1(),
    "p384": ec.SECP384R1(),
    "p521": ec.SECP521R1(),
    "secp256k1": ec.SECP256K1(),
}


def new_key(kind: str = "p256") -> SealKey:
    """A private key: on a curve (`p256`, `p384`, `p521`, `secp256k1`), or `rsa` with a number of bits."""
    if kind.startswith("rsa"):
        return rsa.generate_private_key(public_exponent=65537, key_size=int(kind.removeprefix("rsa")))
    return ec.generate_private_key(_CURVES[kind])


def unfit_seal(name: str, key: SealKey | None = None, *, digital_signature: bool | None = True) -> Seal:
    """A self-signed seal of any kind of key; `digital_signature` None leaves KeyUsage out, False says no."""
    key, now = key or new_key(), dt.datetime.now(dt.UTC)
    builder = certificate_for(key.public_key(), named(name), named(name))
    builder = builder.not_valid_before(now - SLACK).not_valid_after(now + dt.timedelta(days=SEAL_DAYS))
    if digital_signature is not None:
        purpose = usage(digital_signature=digital_signature, authority=not digital_signature)
        builder = builder.add_extension(purpose, critical=True)
    return Seal(key, builder.sign(key, hashes.SHA256()))


def replaced(seal: Seal, folder: Path, name: str) -> None:
    """Write a seal's files in the place of those that are there, which the product never does."""
    for file in (f"{name}.key.pem", f"{name}.crt.pem"):
        (folder / file).unlink(missing_ok=True)
    write_seal(seal, folder, name)
