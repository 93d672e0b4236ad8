"""Taking requests in: each is judged in the append that enters it, so that of two with one secret, one is taken.

What is said without the secret of an invitation leaves no entry: anybody can say it. With the secret, each refusal is
an entry, up to a number for each invitation.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Literal

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bus.directory import BUS, Directory
from bus.directory.certificates import objection
from bus.documents.enrolment import Request, digest_of, read_request, request_digest
from bus.enrolment.logins import login_refused, renewed_login_refused
from bus.enrolment.refusals import EnrolmentRefused, Refusal
from bus.errors import Misconfigured
from bus.identifiers import AgencyCode, RawDigest
from bus.ledger.enrolments import Standing
from bus.ledger.entry import Kind
from bus.ledger.reading import Reader
from bus.ledger.store import Ledger, Writer
from bus.router.activation import directory_in_force
from bus.thai import now

Policy = Literal["auto", "ask", "off"]
"""What becomes of a request to renew: approved by itself, by an operator, or not at all."""
_MOST_REFUSED: Final = 20
"""Entries about refused requests with one invitation's secret."""
_MOST_RENEWALS: Final = 3
_RENEWALS_WITHIN: Final = timedelta(days=1)
"""An adapter asks once in two years: who asks more often makes versions of the directory for everybody."""


def take_request(ledger: Ledger, secret: str, signed: str) -> RawDigest:
    """Enter the request of an agency that was invited; return the name under which it is asked about.

    The same request again is the same one. Raises EnrolmentRefused, which is entered too where the secret is genuine,
    and Transient.
    """
    request = _readable(signed)
    hashed, name = digest_of(secret), request_digest(signed)
    if request.invitation != hashed:
        raise EnrolmentRefused(Refusal.UNKNOWN, "it was made for another secret")
    with ledger.read() as reader:
        if reader.enrolments.with_secret(request.agency, hashed) is None:
            raise EnrolmentRefused(Refusal.UNKNOWN)
    with ledger.append() as writer:
        standing = writer.enrolments.with_secret(request.agency, hashed)
        if standing is None:
            raise EnrolmentRefused(Refusal.UNKNOWN)
        if standing.request is not None and standing.request.document == name:
            return name
        refused = (
            _invitation_refused(writer, standing)
            or login_refused(request, standing.invitation.body.get("login"))
            or _key_refused(writer, request)
        )
        if refused is None:
            _enter(writer, request, signed, invitation=standing.invitation.seq)
        elif standing.refused < _MOST_REFUSED:
            invitation = standing.invitation.seq
            writer.entry(
                Kind.ENROLMENT_REFUSED, agency=request.agency, code=refused.refusal, invitation=invitation
            )
    if refused is not None:
        raise refused
    return name


def take_renewal(ledger: Ledger, agency: AgencyCode, signed: str, policy: Policy) -> RawDigest:
    """Enter the request of an agency that has shown by its old key who it is; raises as `take_request`."""
    request, name = _readable(signed), request_digest(signed)
    if policy == "off":
        raise EnrolmentRefused(Refusal.RENEWAL_OFF)
    if request.agency != agency or request.invitation is not None:
        raise EnrolmentRefused(Refusal.UNREADABLE, "it is not the caller's")
    with ledger.append() as writer:
        if writer.enrolments.requested(name) is None:
            judged = renewed_login_refused if request.renews_login else _key_refused
            if refused := _often(writer, agency) or judged(writer, request):
                raise refused
            _enter(writer, request, signed)
    return name


def answer_to(reader: Reader, name: RawDigest) -> str | None:
    """Return the signed answer to a request, None while there is none. Raises EnrolmentRefused for no such request."""
    if reader.enrolments.requested(name) is None:
        raise EnrolmentRefused(Refusal.NO_REQUEST)
    entry = reader.enrolments.answer_to(name)
    return reader.must_document(entry).decode() if entry else None


def _enter(writer: Writer, request: Request, signed: str, invitation: int | None = None) -> None:
    writer.entry(
        Kind.ENROLMENT_REQUESTED,
        agency=request.agency,
        document=signed.encode(),
        invitation=invitation,
        fingerprint=request.fingerprint,
    )


def _readable(signed: str) -> Request:
    try:
        return read_request(signed)
    except Misconfigured as wrong:
        # What is wrong with it would be in a stranger's words.
        raise EnrolmentRefused(Refusal.UNREADABLE, "it is no request that its own key signed") from wrong


def _invitation_refused(writer: Writer, standing: Standing) -> EnrolmentRefused | None:
    newest = writer.enrolments.newest(AgencyCode(standing.invitation.body["agency"]))
    if newest is not None and newest.invitation.seq != standing.invitation.seq:
        return EnrolmentRefused(Refusal.REPLACED)
    if standing.request is not None:
        return EnrolmentRefused(Refusal.USED)
    return EnrolmentRefused(Refusal.EXPIRED) if standing.ended(now()) else None


def _often(writer: Writer, agency: AgencyCode) -> EnrolmentRefused | None:
    lately = writer.enrolments.renewals_since(agency, now() - _RENEWALS_WITHIN)
    return EnrolmentRefused(Refusal.RENEWALS) if lately >= _MOST_RENEWALS else None


def _key_refused(writer: Writer, request: Request) -> EnrolmentRefused | None:
    certificate = x509.load_pem_x509_certificate(request.certificate.encode())
    if found := objection(certificate, (), now()):
        return EnrolmentRefused(Refusal.KEY, found.detail)
    if writer.latest_seq(Kind.DIRECTORY) and _taken(directory_in_force(writer)[1], certificate, request):
        return EnrolmentRefused(Refusal.KEY_TAKEN)
    return None


def _taken(directory: Directory, certificate: x509.Certificate, request: Request) -> bool:
    """Whether the certificate is pinned, or its key speaks for another or was revoked, under whatever certificate.

    An agency that renews may keep its key.
    """
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    renews = request.invitation is None
    for code in (BUS, *directory.agencies):
        for pin in directory.pins(code):
            own = renews and code == request.agency and not pin.revoked_at
            if pin.fingerprint == request.fingerprint or (key in pin.der and not own):
                return True
    return False
