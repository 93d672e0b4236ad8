"""What an operator decides: who is invited, whose request is approved or declined, and changes of the directory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from cryptography import x509

from bus.directory import Agency, Directory, PinnedCertificate, Records, records_of, require_readable
from bus.directory.certificates import objection
from bus.directory.model import Login
from bus.directory.reading import require_sound
from bus.directory.records import changes_between
from bus.documents.enrolment import (
    Answer,
    Invitation,
    Outcome,
    Request,
    digest_of,
    new_secret,
    read_request,
    sealed,
    sign_answer,
)
from bus.documents.seal import Seal
from bus.enrolment.logins import Issue, by_nobody, renewed_login_refused
from bus.enrolment.pinning import with_pin
from bus.errors import Misconfigured, Problem, Transient
from bus.identifiers import MAIN, AgencyCode, RawDigest
from bus.ledger.entry import Entry, Kind, timestamp
from bus.ledger.reading import Reader
from bus.ledger.store import Ledger, Writer
from bus.operators import Operator
from bus.router.activation import Prepared, directory_entry, directory_in_force
from bus.thai import now

_ATTEMPTS: Final = 3
"""How often a change of the directory is tried when others change it at the same time."""
Also = Callable[[Writer, int], None]
"""What enters more in the append of a decision, given the version of the directory that it made."""


def nothing_more(_writer: Writer, _version: int) -> None:
    """Enter nothing more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Centre:
    """What the centre says of itself in every invitation."""

    centre: str
    broker: str
    vhost: str
    bus: str
    log_key: str
    authority: str = ""


def invite(
    ledger: Ledger,
    centre: Centre,
    agency: AgencyCode,
    seal: Seal,
    *,
    name_th: str,
    name_en: str,
    lasts: timedelta,
    operator: Operator,
    auto: bool = False,
    cluster: str = MAIN,
    login: Login = "password",
) -> Invitation:
    """Enter an invitation and return it. The secret is nowhere else.

    It replaces an earlier one of the agency: a request made with that is declined, lest a thief's be approved. `auto`
    has its request approved without a person, for trials.
    """
    moment, by_certificate = now(), "certificate" if login == "certificate" else ""
    invitation = Invitation(
        agency=agency,
        name_th=name_th,
        name_en=name_en,
        until=moment + lasts,
        secret=new_secret(),
        centre=centre.centre,
        broker=centre.broker,
        vhost=centre.vhost,
        bus=centre.bus,
        log_key=centre.log_key,
        authority=centre.authority,
        login=by_certificate,
    )
    with ledger.append() as writer:
        replaced = "a newer invitation has replaced the one that it was made with"
        decline_waiting(writer, agency, seal, operator=operator, reason=replaced, renewals=False)
        writer.entry(
            Kind.INVITED,
            agency=agency,
            name_th=name_th,
            name_en=name_en,
            cluster=None if cluster == MAIN else cluster,
            secret=digest_of(invitation.secret),
            until=timestamp(invitation.until),
            auto=auto or None,
            login=by_certificate or None,
            **operator.fields(),
        )
    return invitation


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that nobody has answered yet."""

    entry: Entry
    request: Request
    signed: str
    invitation: Entry | None
    """None of a renewal."""

    @property
    def name(self) -> RawDigest:
        """The name under which it is asked about."""
        return RawDigest(str(self.entry.document))

    @property
    def approves_itself(self) -> bool:
        """Whether its invitation says that no person need look."""
        return self.invitation is not None and bool(self.invitation.body.get("auto"))


def waiting(reader: Reader) -> list[Waiting]:
    """Return the requests without an answer, in order."""
    return [_waiting(reader, entry) for entry in reader.enrolments.waiting()]


def approve(
    ledger: Ledger,
    asked: Waiting,
    seal: Seal,
    ready: Callable[[Agency], str],
    *,
    operator: Operator,
    issue: Issue = by_nobody,
    also: Also = nothing_more,
) -> int:
    """Put a version of the directory in force that pins the request's certificate, and answer; return the version.

    `ready` makes the broker ready for an agency that joins and returns its password; that is done first, so that
    nothing is published to a queue that is not there. Of an agency that renews its key, nothing but that key changes.
    `issue` makes the broker's certificate for who logs in by one; who renews that alone changes no directory. `also`
    enters more with the answer. Raises Misconfigured for a certificate that may no longer be pinned, and for a log-in
    that is not to be had.
    """
    if asked.request.renews_login:
        return _approve_login(ledger, asked, seal, issue(asked.request), operator, also)
    certificate = x509.load_pem_x509_certificate(asked.request.certificate.encode())
    if found := objection(certificate, (), now()):
        raise Misconfigured(
            Problem("the request", "certificate", found.detail, "Decline it, and invite the agency again")
        )
    pin = PinnedCertificate.of(certificate)
    password = ""
    if asked.invitation is not None:
        with ledger.read() as reader:
            joining = with_pin(directory_in_force(reader)[1], asked.request, asked.invitation, pin)
        password = ready(joining)
    login = issue(asked.request) if asked.request.login else ""

    def pinned(directory: Directory) -> Directory:
        return with_agency(directory, with_pin(directory, asked.request, asked.invitation, pin))

    def answered(writer: Writer, version: int) -> None:
        secret = sealed(password, asked.request, asked.signed) if password else ""
        _answer(
            writer, asked, seal, operator, outcome="approved", directory=version, password=secret, login=login
        )
        also(writer, version)

    reason = "an agency joins" if asked.invitation else "an agency renews its key"
    return change_directory(ledger, pinned, seal, operator=operator, reason=reason, also=answered)


def _approve_login(
    ledger: Ledger, asked: Waiting, seal: Seal, login: str, operator: Operator, also: Also
) -> int:
    with ledger.append() as writer:
        if refused := renewed_login_refused(writer, asked.request):
            fix = "Decline it, and invite the agency again"
            raise Misconfigured(Problem("the request", "login", str(refused), fix))
        version = directory_in_force(writer)[1].version
        _answer(writer, asked, seal, operator, outcome="approved", directory=version, login=login)
        also(writer, version)
    return version


def decline(
    ledger: Ledger, asked: Waiting, seal: Seal, *, operator: Operator, reason: str, also: Also = nothing_more
) -> None:
    """Answer a request with no; `also` enters more with it, and is given no version of the directory (0)."""
    with ledger.append() as writer:
        _answer(writer, asked, seal, operator, outcome="declined", reason=reason)
        also(writer, 0)


def decline_waiting(
    writer: Writer, agency: AgencyCode, seal: Seal, *, operator: Operator, reason: str, renewals: bool
) -> None:
    """Answer what an agency asked and nobody has answered with no: its renewals, or its requests to join."""
    for asked in waiting(writer):
        if asked.request.agency == agency and (asked.invitation is None) == renewals:
            _answer(writer, asked, seal, operator, outcome="declined", reason=reason)


def change_directory(
    ledger: Ledger,
    change: Callable[[Directory], Directory],
    seal: Seal,
    *,
    operator: Operator,
    reason: str,
    also: Also = nothing_more,
) -> int:
    """Put the directory in force as changed, as its next version, and return that; `also` enters more with it.

    Raises Misconfigured for a change after which the directory is not sound, and Transient where others change it all
    the time.
    """
    for _ in range(_ATTEMPTS):
        with ledger.read() as reader:
            before, directory = directory_in_force(reader)
        changed = replace(change(directory), version=directory.version + 1)
        require_sound(changed)
        prepared = Prepared.of(changed)
        _require_readable(records_of(directory), prepared.records)
        with ledger.append() as writer:
            if writer.latest_seq(Kind.DIRECTORY) == before:
                directory_entry(writer, prepared, seal, operator=operator, reason=reason)
                also(writer, changed.version)
                return changed.version
    raise Transient("the directory was changed by others at the same time")


def with_agency(directory: Directory, agency: Agency) -> Directory:
    """Return the directory with this agency in the place of the one with its code, if there is one."""
    return replace(directory, agencies={**directory.agencies, agency.code: agency})


def _require_readable(old: Records, new: Records) -> None:
    """Raise Misconfigured for a record that no router could read once it is in force."""
    require_readable(new, [key for key, line in changes_between(old, new).items() if line is not None])


def _waiting(reader: Reader, entry: Entry) -> Waiting:
    signed = reader.must_document(entry).decode()
    invitation = entry.body.get("invitation")
    return Waiting(entry, read_request(signed), signed, reader.entry_at(invitation) if invitation else None)


def _answer(
    writer: Writer,
    asked: Waiting,
    seal: Seal,
    operator: Operator,
    *,
    outcome: Outcome,
    directory: int = 0,
    **said: Any,
) -> None:
    if writer.enrolments.answer_to(asked.name) is not None:
        fix = "Look at `saraban-bus agency waiting`"
        raise Misconfigured(Problem("the request", "(whole)", "has been answered already", fix))
    answer = Answer(
        agency=asked.request.agency,
        request=asked.name,
        outcome=outcome,
        directory=directory,
        **said,
    )
    writer.entry(
        Kind.ENROLMENT_ANSWERED,
        agency=asked.request.agency,
        document=sign_answer(answer, seal).encode(),
        request=asked.name,
        outcome=outcome,
        directory=directory or None,
        reason=said.get("reason"),
        **operator.fields(),
    )
