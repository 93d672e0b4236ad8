"""Whose certificate it is: one that is pinned for an agency, or one for which a pinned authority vouches."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from hashlib import sha256

from cryptography import x509

from bus.directory import PinnedCertificate, Vouched
from bus.directory.certificates import KeyDoubt, objection, weakness_in
from bus.directory.vouching import objection_by_authorities
from bus.errors import RefusalCode, Refused
from bus.methods import METHODS


def pin_of(
    certificate: bytes,
    method: str,
    pins: Sequence[PinnedCertificate],
    vouched: Sequence[Vouched],
    at: datetime,
) -> PinnedCertificate:
    """Return the pin that equals the certificate claimed (DER), or that certificate if vouched for. Raises Refused.

    KeyInfo chooses among what is pinned and names nobody.
    """
    fingerprint = sha256(certificate).hexdigest()
    for pin in pins:
        if pin.fingerprint == fingerprint:
            require_fit(pin.certificate, method)
            return pin
    # Nobody's; but a key that nobody could have is worth saying.
    stranger = load(certificate)
    require_fit(stranger, method)
    if vouched:
        if found := objection_by_authorities(stranger, vouched, at):
            raise Refused(_CODES[found.doubt], found.detail)
        return PinnedCertificate.of(stranger)
    raise Refused(RefusalCode.KEY_UNKNOWN, f"serial {stranger.serial_number:x}")


def require_fit(certificate: x509.Certificate, method: str) -> None:
    """Raise Refused for a key that is too weak for anybody, or of another kind than the signature's method."""
    if weakness := weakness_in(certificate):
        raise Refused(RefusalCode.KEY_WEAK, weakness)
    if not METHODS[method].fits(certificate.public_key()):
        raise Refused(RefusalCode.SIGNATURE_ALGORITHM, "the signature method does not fit the kind of key")


@lru_cache(maxsize=1024)
def load(der: bytes) -> x509.Certificate:
    """Return a certificate. Raises Refused for what is none."""
    try:
        return x509.load_der_x509_certificate(der)
    except (
        ValueError,
        x509.InvalidVersion,  # which is no ValueError
        Warning,
    ) as exc:  # a warning where warnings are errors: an encoding that is on its way out
        raise Refused(RefusalCode.SIGNATURE_PROFILE, "KeyInfo holds no readable certificate") from exc


def require_in_force(pin: PinnedCertificate, pins: Sequence[PinnedCertificate], at: datetime) -> None:
    """Raise Refused unless a certificate was in force at a time, by the pins of its agency."""
    if found := objection(pin.certificate, pins, at):
        raise Refused(_CODES[found.doubt], found.detail)


_CODES = {
    KeyDoubt.NOT_YET_VALID: RefusalCode.KEY_NOT_YET_VALID,
    KeyDoubt.EXPIRED: RefusalCode.KEY_EXPIRED,
    KeyDoubt.REVOKED: RefusalCode.KEY_REVOKED,
    KeyDoubt.USAGE: RefusalCode.KEY_USAGE,
    KeyDoubt.WEAK: RefusalCode.KEY_WEAK,
    KeyDoubt.AUTHORITY: RefusalCode.KEY_AUTHORITY,
    KeyDoubt.ORGANIZATION: RefusalCode.KEY_ORGANIZATION,
    KeyDoubt.LIST_OLD: RefusalCode.KEY_REVOCATION_LIST_OLD,
}
