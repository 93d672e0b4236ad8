"""Whether a certificate may speak at a time: the one rule for whatever is sealed, pinned, configured or made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from bus.directory.model import PinnedCertificate
from bus.methods import weakness_of


class KeyDoubt(StrEnum):
    """What speaks against a certificate."""

    NOT_YET_VALID = "not-yet-valid"
    EXPIRED = "expired"
    REVOKED = "revoked"
    USAGE = "usage"
    WEAK = "weak"
    AUTHORITY = "authority"
    ORGANIZATION = "organization"
    LIST_OLD = "revocation-list-old"


ANOTHER: Final = (
    "Make another pair, by `saraban-adapter key make` at an agency or `saraban-bus key make NAME` for the bus, and name"
    " its certificate"
)
"""What to do about a certificate that can never speak."""


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a certificate may not speak at a time."""

    doubt: KeyDoubt
    detail: str


def objection(
    certificate: x509.Certificate, pins: Iterable[PinnedCertificate], at: datetime
) -> Objection | None:
    """Return what speaks against a certificate at a time; None if it is in force and may sign.

    `pins` are those of its holder: it is revoked if any pin of it is.
    """
    if at < certificate.not_valid_before_utc:
        return Objection(KeyDoubt.NOT_YET_VALID, f"valid from {certificate.not_valid_before_utc}")
    if at > certificate.not_valid_after_utc:
        return Objection(KeyDoubt.EXPIRED, f"valid until {certificate.not_valid_after_utc}")
    for pin in pins:
        if pin.certificate == certificate and pin.revoked_at and pin.revoked_at <= at:
            return Objection(KeyDoubt.REVOKED, f"revoked at {pin.revoked_at}")
    return unfitness(certificate)


def unfitness(certificate: x509.Certificate) -> Objection | None:
    """Return what keeps a certificate from speaking at any time: how it was made; None if nothing does."""
    if not _may_sign(certificate):
        return Objection(KeyDoubt.USAGE, "the certificate is not for digital signatures")
    if weakness := weakness_in(certificate):
        return Objection(KeyDoubt.WEAK, f"the certificate has {weakness}")
    return None


def weakness_in(certificate: x509.Certificate) -> str | None:
    """Say in words what makes the key of a certificate unfit to sign with; None if it is fit."""
    try:
        return weakness_of(certificate.public_key())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "a key of a kind that is not supported"


def _may_sign(certificate: x509.Certificate) -> bool:
    # A certificate that does not say what it is for is not taken to be for everything.
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return False
