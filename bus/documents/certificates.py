"""Whether a pinned certificate may speak at a time: the one rule for letters, reports, tokens and an adapter's own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cryptography import x509

from bus.directory import PinnedCertificate


class KeyDoubt(StrEnum):
    """What speaks against a certificate."""

    NOT_YET_VALID = "not-yet-valid"
    EXPIRED = "expired"
    REVOKED = "revoked"
    USAGE = "usage"


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
    if not _may_sign(certificate):
        return Objection(KeyDoubt.USAGE, "the certificate is not for digital signatures")
    return None


def _may_sign(certificate: x509.Certificate) -> bool:
    # A certificate that does not say what it is for is not taken to be for everything.
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return False
