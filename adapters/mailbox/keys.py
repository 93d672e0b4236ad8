"""The certificate that this adapter seals with, and what the directory held here says of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from bus.directory import Directory
from bus.directory.certificates import objection
from bus.directory.vouching import objection_by_authorities
from bus.documents.seal import fingerprint_of
from bus.identifiers import AgencyCode


@dataclass(frozen=True, slots=True)
class KeyState:
    """What a refusal of a key is held against: only if something of this has changed is there a reason to try again."""

    fingerprint: str
    """SHA-256 of the certificate."""
    directory: int
    """The version held here, 0 for none."""
    good: bool
    """Whether that version pins the certificate for this agency, or an authority that vouches for it, and it is in
    force now."""

    def __str__(self) -> str:
        return f"{self.fingerprint} {self.directory} {'good' if self.good else 'not good'}"


def key_state(
    certificate: x509.Certificate, agency: AgencyCode, directory: Directory | None, at: datetime
) -> KeyState:
    """What is known of a certificate of this agency at a time."""
    fingerprint = fingerprint_of(certificate)
    if directory is None:
        return KeyState(fingerprint, 0, False)
    pins = [pin for pin in directory.pins(agency) if pin.certificate == certificate]
    if pins:
        good = objection(certificate, pins, at) is None
    else:
        good = objection_by_authorities(certificate, directory.vouched(agency), at) is None
    return KeyState(fingerprint, directory.version, good)
