"""Whether a public authority vouches for a certificate: what must hold, in this order.

1. an authority that is pinned for the agency issued it, by its name, to the organization that is pinned with it, and
   that pin is not revoked;
2. the certificate may speak by the rule for every other one (certificates.py): valid, and made for signatures;
3. its chain leads to that authority's root, and every certificate of it was valid at that time: RFC 5280, section 6, as
   `cryptography` checks it, through the very authorities that the directory names and no others;
4. the list of revoked certificates of each of them was not past its time, and names none of the chain.

The directory has looked at the chain and the lists themselves (authorities.flaw_in). saraban-verify checks the same
with code of its own (bus/verifier/chains.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from bus.directory.authorities import ORGANIZATION_IDENTIFIER, Authority, Vouched
from bus.directory.certificates import KeyDoubt, Objection, objection


def objection_by_authorities(
    certificate: x509.Certificate, vouched: Sequence[Vouched], at: datetime
) -> Objection | None:
    """Return what speaks against a certificate that only an authority can vouch for; None if one of these does."""
    issuing = [one for one in vouched if one.authority.certificates[0].subject == certificate.issuer]
    if not issuing:
        return Objection(KeyDoubt.AUTHORITY, "none of the agency's pinned authorities is its issuer")
    stated = organization_in(certificate)
    pinned = [one for one in issuing if one.organization == stated]
    if not pinned:
        return Objection(KeyDoubt.ORGANIZATION, f"issued to {stated or 'no organizationIdentifier'}")
    # Several are one authority before and after it has changed its key, which keeps its name.
    found = [_objection(certificate, one, at) for one in pinned]
    return None if None in found else found[0]


def organization_in(certificate: x509.Certificate) -> str | None:
    """Return the organizationIdentifier of a certificate's subject; None unless it has exactly one."""
    found = certificate.subject.get_attributes_for_oid(ORGANIZATION_IDENTIFIER)
    return str(found[0].value) if len(found) == 1 else None


def standing(pin: Vouched, at: datetime) -> Objection | None:
    """Return what speaks against any certificate under a pin at a time, but for lists that are too old."""
    if pin.revoked_at is not None and pin.revoked_at <= at:
        return Objection(KeyDoubt.REVOKED, f"its organization's pin was revoked at {pin.revoked_at}")
    for one in pin.authority.certificates:
        if not one.not_valid_before_utc <= at <= one.not_valid_after_utc:
            name = one.subject.rfc4514_string()
            return Objection(KeyDoubt.AUTHORITY, f"{name} is valid until {one.not_valid_after_utc}")
    return None


def old_list(authority: Authority, at: datetime) -> Objection | None:
    """Return what to say of an authority of which a list is past its time; None if none is."""
    until = min(one.until for one in authority.revocations)
    if until < at:
        return Objection(KeyDoubt.LIST_OLD, f"{authority.id}: the next list (CRL) was due at {until}")
    return None


def _objection(certificate: x509.Certificate, pin: Vouched, at: datetime) -> Objection | None:
    authority = pin.authority
    if found := standing(pin, at) or objection(certificate, (), at):
        return found
    if wrong := _flaw_in_path(certificate, authority, at):
        return Objection(KeyDoubt.AUTHORITY, wrong)
    if found := old_list(authority, at):
        return found
    for one, revocations in zip((certificate, *authority.certificates), authority.revocations, strict=False):
        revoked_at = revocations.by_serial.get(one.serial_number)
        if revoked_at is not None and revoked_at <= at:
            return Objection(
                KeyDoubt.REVOKED, f"{authority.id}: serial {one.serial_number:x} at {revoked_at}"
            )
    return None


def _flaw_in_path(certificate: x509.Certificate, authority: Authority, at: datetime) -> str | None:
    *under, root = authority.certificates
    policy = PolicyBuilder().store(Store([root])).time(at).max_chain_depth(len(under))
    policy = policy.extension_policies(ca_policy=_OF_AUTHORITIES, ee_policy=ExtensionPolicy.permit_all())
    try:
        policy.build_client_verifier().verify(certificate, under)
    except VerificationError:
        return f"{authority.id}: no valid chain leads from it to the root"
    return None


def _issues(_policy: Policy, _certificate: x509.Certificate, usage: x509.KeyUsage) -> None:
    if not usage.key_cert_sign:
        raise ValueError("its key is not for signing certificates")


_OF_AUTHORITIES = (
    ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)
    .require_present(x509.KeyUsage, Criticality.AGNOSTIC, _issues)
)
"""That it is an authority, and how many may be under it, `cryptography` sees to itself."""
