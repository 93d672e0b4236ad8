"""Certificates with which agencies log in to the broker: who may have one, and who issues it.

Of a request nothing is taken but its key, once it shows that its maker has the private half. The name is the broker's
user of the agency whose request it is, whatever the certificate request says, so that nobody logs in as another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bus.broker.topology import user_of
from bus.directory.certificates import objection
from bus.documents.authority import Authority, key_of_request
from bus.documents.enrolment import Request
from bus.documents.making import KeyFiles
from bus.enrolment.refusals import EnrolmentRefused, Refusal
from bus.errors import Misconfigured, Problem
from bus.ledger.entry import Kind
from bus.ledger.reading import Reader
from bus.router.activation import directory_in_force
from bus.settings.bus import BusSettings
from bus.thai import now

LOGIN_DAYS: Final = 365
"""How long such a certificate is valid. No list of revoked ones is kept: its user is removed, or it ends."""

Issue = Callable[[Request], str]
"""Issues the certificate that a request asks for, as PEM. Raises Misconfigured."""


def by_nobody(request: Request) -> str:
    """Issue nothing: raises Misconfigured."""
    raise _no_authority()


def issued_by(settings: BusSettings) -> Issue:
    """Return what issues by the centre's private authority; its key is read when it is needed, and not before."""

    def issue(request: Request) -> str:
        section = settings.authority
        if section.key is None or section.certificate is None:
            raise _no_authority()
        passphrase = section.passphrase.get_secret_value() if section.passphrase else None
        authority = Authority.from_files(KeyFiles(section.key, section.certificate), passphrase)
        public = key_of_request(request.login.encode())
        issued = authority.client(public, user_of(request.agency), days=LOGIN_DAYS)
        return issued.public_bytes(Encoding.PEM).decode().strip()

    return issue


def require_issuing(settings: BusSettings, broker: str) -> None:
    """Raise Misconfigured where no agency can log in by certificate: no authority, or a broker without TLS."""
    if settings.authority.key is None:
        raise _no_authority()
    if not broker.startswith("amqps://"):
        fix = "Let agencies reach the broker by amqps://, or invite with --login password"
        raise Misconfigured(Problem("--login", "certificate", f"cannot serve at {broker}", fix))


def login_refused(request: Request, wanted: object) -> EnrolmentRefused | None:
    """Return why a request to join is refused for its log-in, of which the invitation's entry says what is wanted."""
    if wanted not in (None, "certificate") or (wanted is None) is bool(request.login):
        return EnrolmentRefused(Refusal.LOGIN)
    return _unfit(request) if request.login else None


def renewed_login_refused(reader: Reader, request: Request) -> EnrolmentRefused | None:
    """Return why an agency's request for the broker's next certificate is refused, by the directory in force."""
    known = reader.latest_seq(Kind.DIRECTORY) and directory_in_force(reader)[1].agencies.get(request.agency)
    if not known or known.broker_login != "certificate":
        return EnrolmentRefused(Refusal.LOGIN)
    certificate = x509.load_pem_x509_certificate(request.certificate.encode())
    if all(pin.certificate != certificate for pin in known.certificates):
        return EnrolmentRefused(Refusal.KEY, "its seal is not pinned")
    if found := objection(certificate, known.certificates, now()):
        return EnrolmentRefused(Refusal.KEY, found.detail)
    return _unfit(request)


def _no_authority() -> Misconfigured:
    fix = "Set key and certificate in [authority], or invite with --login password"
    return Misconfigured(
        Problem("bus.toml", "authority", "is not set: nobody can issue the certificate", fix)
    )


def _unfit(request: Request) -> EnrolmentRefused | None:
    """Say why no certificate is issued for a certificate request: its form, its signature or its key."""
    try:
        key_of_request(request.login.encode())
    except Misconfigured as wrong:
        return EnrolmentRefused(Refusal.LOGIN_KEY, wrong.problems[0].wrong)
    return None
