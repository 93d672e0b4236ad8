"""Public authorities: the chain under which one issues certificates, and its lists of those that it has revoked.

Both are in the directory, and so in the ledger: what a letter was judged by is there later, byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512

from bus.methods import SealPublicKey, weakness_of

ORGANIZATION_IDENTIFIER: Final = x509.ObjectIdentifier("2.5.4.97")
"""The attribute of a certificate's subject that says whose it is (X.520, organizationIdentifier)."""
TAX_NUMBER: Final = "TIN-"
"""How an organizationIdentifier begins that goes on with the organization's number of thirteen digits."""
_STRONG = (SHA256, SHA384, SHA512)
_KNOWN = (x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage)
"""Extensions of an authority's certificate that may be critical."""
_UNREADABLE = (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm)


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedOrganization:
    """Whatever certificate a public authority issues to an organization speaks for an agency, until this is revoked."""

    authority: str
    """Its id in the directory."""
    organization: str
    """The organizationIdentifier, `TIN-` and thirteen digits."""
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Revocations:
    """One authority's list of revoked certificates (CRL, RFC 5280, section 5)."""

    until: datetime
    """Its nextUpdate: from then on it says nothing of what is revoked."""
    since: datetime
    """Its thisUpdate."""
    by_serial: Mapping[int, datetime]
    """When each certificate in it was revoked, by its serial number."""

    def ageing(self, at: datetime) -> bool:
        """Whether no more than the last quarter of its time is left: the next one should be there soon."""
        return at >= self.until - (self.until - self.since) / 4


@dataclass(frozen=True, kw_only=True)
class Authority:
    """A public authority as one version of the directory has it. (Without slots, for what is cached.)"""

    id: str
    name_th: str
    name_en: str
    chain: tuple[str, ...]
    """Certificates in PEM form: the one that issues first, each signed by the next, the root last."""
    lists: tuple[str, ...]
    """The list of revoked certificates of each of them, in the same order."""

    @cached_property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """The chain."""
        return tuple(x509.load_pem_x509_certificate(pem.encode()) for pem in self.chain)

    @cached_property
    def revocations(self) -> tuple[Revocations, ...]:
        """What each list says, in the order of the chain."""
        return tuple(_revocations(loaded_list(pem)) for pem in self.lists)


@dataclass(frozen=True, slots=True)
class Vouched:
    """A pinned organization with the authority that vouches for it, as a version of the directory has both."""

    authority: Authority
    organization: str
    revoked_at: datetime | None


def organization_number(text: str) -> bool:
    """Whether these are thirteen digits of which the last is the check digit of the twelve before it (modulo 11)."""
    if not re.fullmatch(r"[0-9]{13}", text):
        return False
    weighed = sum(int(digit) * weight for digit, weight in zip(text, range(13, 1, -1), strict=False))
    return int(text[12]) == (11 - weighed % 11) % 10


def flaw_in(authority: Authority) -> str | None:
    """Say what keeps a chain and its lists from ever vouching for anybody; None if nothing does."""
    try:
        chain, lists = authority.certificates, [loaded_list(pem) for pem in authority.lists]
    except (ValueError, x509.InvalidVersion):
        return "has a certificate or a list that cannot be read"
    if not chain or len(lists) != len(chain):
        return f"has {len(chain)} certificates and {len(lists)} lists of revoked ones, not one for each"
    for place, (certificate, found) in enumerate(zip(chain, lists, strict=True)):
        issuer = chain[min(place + 1, len(chain) - 1)]
        if flaw := _flaw_in_certificate(certificate, issuer, place) or _flaw_in_list(found, certificate):
            return f"{certificate.subject.rfc4514_string()} {flaw}"
    return None


def _flaw_in_certificate(certificate: x509.Certificate, issuer: x509.Certificate, below: int) -> str | None:
    """`below`: how many authorities are under it in the chain."""
    try:
        certificate.verify_directly_issued_by(issuer)
        weak = weakness_of(certificate.public_key())
    except _UNREADABLE:
        return "is not signed by the one after it in the chain, or as the last one by itself"
    if weak or not isinstance(certificate.signature_hash_algorithm, _STRONG):
        return "has a key or a signature that is too weak"
    try:
        if any(one.critical and not isinstance(one.value, _KNOWN) for one in certificate.extensions):
            return "demands what this program has no account of"
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return "does not say that it is an authority's, and what its key is for"
    if not (basic.ca and usage.key_cert_sign and usage.crl_sign):
        return "is not for issuing certificates and lists of revoked ones"
    if basic.path_length is not None and basic.path_length < below:
        return f"may have {basic.path_length} authorities under it, and has {below}"
    return None


def _flaw_in_list(found: x509.CertificateRevocationList, issuer: x509.Certificate) -> str | None:
    if not signed_by(found, issuer):
        return "did not sign the list in its place"
    if not isinstance(found.signature_hash_algorithm, _STRONG):
        return "has a list with a signature that is too weak"
    if found.next_update_utc is None:
        return "has a list that does not say when the next one comes"
    try:
        # One that is about changes, or about some certificates only, says so where it has to be understood.
        if any(one.critical for one in found.extensions):
            return "has a list that is not about all of its certificates"
    except (ValueError, x509.DuplicateExtension):
        return "has a list whose extensions cannot be read"
    return None


def signed_by(found: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    """Whether a list is this authority's."""
    try:
        key = issuer.public_key()
        return (
            found.issuer == issuer.subject
            and isinstance(key, SealPublicKey)
            and found.is_signature_valid(key)
        )
    except _UNREADABLE:
        return False


def loaded_list(pem: str) -> x509.CertificateRevocationList:
    """Read a list in PEM form. Raises ValueError."""
    return x509.load_pem_x509_crl(pem.encode())


def _revocations(found: x509.CertificateRevocationList) -> Revocations:
    until = found.next_update_utc or found.last_update_utc
    by_serial = {one.serial_number: one.revocation_date_utc for one in found}
    return Revocations(until=until, since=found.last_update_utc, by_serial=by_serial)
