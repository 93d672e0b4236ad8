"""Certificates of public authorities in a pack: checked link by link, by what the directory of that time has of them.

What must hold of a certificate that no agency has pinned itself, all of it as of the time of acceptance:

1. The authority that is pinned for the agency issued it, to the organization that is pinned with it.
2. Each certificate of the chain is signed by the next, the root by itself; each was valid, none has a weak key or
   signature, and none demands of its reader what this program has no account of.
3. Those above the first are authorities', with no more authorities under them than they may have.
4. Of each authority there is its own list of revoked certificates, all of them; its next one was not overdue, and it
   names nobody of the chain.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

from bus.verifier.findings import Broken
from bus.verifier.methods import METHODS

_ORGANIZATION = x509.ObjectIdentifier("2.5.4.97")
_STRONG = (SHA256, SHA384, SHA512)
_KNOWN = (
    x509.BasicConstraints,
    x509.KeyUsage,
    x509.ExtendedKeyUsage,
    x509.SubjectAlternativeName,
    x509.AuthorityKeyIdentifier,
    x509.SubjectKeyIdentifier,
    x509.AuthorityInformationAccess,
)
"""Extensions that may be critical."""
_UNREADABLE = (
    ValueError,
    TypeError,
    InvalidSignature,
    UnsupportedAlgorithm,
    x509.ExtensionNotFound,
    x509.DuplicateExtension,
)
Chain = tuple[x509.Certificate, ...]
Lists = tuple[x509.CertificateRevocationList, ...]


@dataclass(frozen=True, slots=True)
class Voucher:
    """An organization for whose certificates an authority vouches, with chain and lists of that authority."""

    authority: str
    organization: str
    revoked_at: datetime | None
    chain: Chain
    """The one that issues first, the root last."""
    lists: Lists
    """Of each of them, in the same order."""


def read_chain(record: Any) -> tuple[Chain, Lists]:
    """Read the record of an authority. Raises ValueError, KeyError, TypeError or AttributeError."""
    chain = tuple(x509.load_pem_x509_certificate(pem.encode()) for pem in record["chain"])
    lists = tuple(x509.load_pem_x509_crl(pem.encode()) for pem in record["lists"])
    if not chain or len(chain) != len(lists):
        raise ValueError("not one list for each certificate")
    return chain, lists


def require_vouched(certificate: x509.Certificate, vouchers: Sequence[Voucher], at: datetime) -> None:
    """Raise Broken unless one of these vouches for the certificate, as of a time."""
    issuing = [one for one in vouchers if one.chain[0].subject == certificate.issuer]
    if not issuing:
        raise Broken("signed with a certificate of an authority that did not vouch for its author")
    stated = certificate.subject.get_attributes_for_oid(_ORGANIZATION)
    pinned = [one for one in issuing if [one.organization] == [each.value for each in stated]]
    if not pinned:
        raise Broken("signed with a certificate that was issued to another organization")
    wrong = []
    for voucher in pinned:
        try:
            return _require(certificate, voucher, at)
        except Broken as error:
            wrong.append(error)
    raise wrong[0]


def revoked_by(certificate: x509.Certificate, vouchers: Sequence[Voucher]) -> datetime | None:
    """Return since when these say that a certificate is not to be trusted; None if they do not say so."""
    issuing = [one for one in vouchers if one.chain[0].subject == certificate.issuer]
    found = [at for one in issuing for at in (one.revoked_at, *_revocations(certificate, one)) if at]
    return min(found, default=None)


def _require(certificate: x509.Certificate, voucher: Voucher, at: datetime) -> None:
    if voucher.revoked_at is not None and voucher.revoked_at <= at:
        raise Broken(f"{voucher.authority} did not vouch for it any more at {at.isoformat()}")
    path = (certificate, *voucher.chain)
    for place, one in enumerate(path):
        name = one.subject.rfc4514_string()
        try:
            one.verify_directly_issued_by(path[min(place + 1, len(path) - 1)])
            _require_sound(one, name, at)
            if place:
                _require_authority(one, name, below=place - 1)
        except _UNREADABLE as error:
            raise Broken(f"{name}: the chain from it to the root does not hold") from error
    for issuer, revoked in zip(voucher.chain, voucher.lists, strict=True):
        _require_current(revoked, issuer, at)
    if any(revoked_at <= at for revoked_at in _revocations(certificate, voucher)):
        raise Broken(f"{voucher.authority} had revoked it, or an authority above it, at {at.isoformat()}")


def _require_sound(one: x509.Certificate, name: str, at: datetime) -> None:
    if not one.not_valid_before_utc <= at.replace(microsecond=0) <= one.not_valid_after_utc:
        raise Broken(f"{name}: the certificate was not valid at {at.isoformat()}")
    if not _strong(one.public_key(), one.signature_hash_algorithm):
        raise Broken(f"{name}: a key or a signature that is too weak")
    if any(each.critical and not isinstance(each.value, _KNOWN) for each in one.extensions):
        raise Broken(f"{name}: it demands what this program has no account of")


def _require_authority(one: x509.Certificate, name: str, below: int) -> None:
    basic = one.extensions.get_extension_for_class(x509.BasicConstraints).value
    usage = one.extensions.get_extension_for_class(x509.KeyUsage).value
    if not (basic.ca and usage.key_cert_sign and usage.crl_sign):
        raise Broken(f"{name}: it is no authority's")
    if basic.path_length is not None and basic.path_length < below:
        raise Broken(f"{name}: more authorities are under it than may be")


def _require_current(found: x509.CertificateRevocationList, issuer: x509.Certificate, at: datetime) -> None:
    name = issuer.subject.rfc4514_string()
    key = issuer.public_key()
    try:
        signed = (
            isinstance(key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey))
            and found.issuer == issuer.subject
            and found.is_signature_valid(key)
            and _strong(key, found.signature_hash_algorithm)
        )
        partial = any(one.critical for one in found.extensions)
    except _UNREADABLE as error:
        raise Broken(f"{name}: its list of revoked certificates cannot be read") from error
    if not signed or partial:
        raise Broken(f"{name}: the list of revoked certificates is not its own, or not of all of them")
    if found.next_update_utc is None or found.next_update_utc < at:
        raise Broken(f"{name}: its list of revoked certificates was too old at {at.isoformat()}")


def _revocations(certificate: x509.Certificate, voucher: Voucher) -> Iterator[datetime]:
    for one, revoked in zip((certificate, *voucher.chain), voucher.lists, strict=False):
        found = revoked.get_revoked_certificate_by_serial_number(one.serial_number)
        if found is not None:
            yield found.revocation_date_utc


def _strong(key: object, hashed: HashAlgorithm | None) -> bool:
    if isinstance(key, ec.EllipticCurvePublicKey):
        fits = any(method.curve == key.curve.name for method in METHODS.values())
    else:
        fits = isinstance(key, rsa.RSAPublicKey) and key.key_size >= min(
            method.bits for method in METHODS.values() if not method.curve
        )
    return fits and isinstance(hashed, _STRONG)
