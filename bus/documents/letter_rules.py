"""What must hold of a letter beyond its schema: by itself, and by whom it names.

These are the rules of the router's gate 7. They stand here so that an adapter can tell an office beforehand what the
bus would refuse, by the same lines that refuse it. Each rule yields what it refuses and nothing else; a gate takes the
first of them, a dry run all. What several parts of a letter may get wrong is one refusal that names them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from bus.codes import Codes
from bus.directory import Directory
from bus.documents.letter import Letter
from bus.documents.recipients import NoRecipientSet, Recipient, RecipientSet
from bus.errors import RefusalCode, Refused
from bus.identifiers import AgencyCode
from bus.thai import LAST_GREGORIAN_YEAR

MOST_EXPLICIT = 500
EARLIEST = date(1941, 1, 1)
"""Years before 2484 BE began in April and cannot be told apart from later ones."""
AHEAD_OF_DATE = timedelta(days=31)
AHEAD_OF_SENDING = timedelta(days=1)
TEST_KIND = "test"
EXCLUDED_SECRECY = "004"
SEALED_SECRECY = frozenset({"002", "003"})
_NAMED = 50
"""Agencies that a refusal names; a circular may go to ten thousand that do not read it."""


@dataclass(frozen=True, slots=True)
class Addressees:
    """Whom a letter reaches, in the order of their codes, and what forbids that it is sent to them."""

    recipients: tuple[Recipient, ...]
    """Every addressee's inbox once, `to` before `copy`, without due times: those need the calendar."""
    refusals: tuple[Refused, ...]


def refusals_of(letter: Letter, codes: Codes, now: datetime) -> Iterator[Refused]:
    """Yield what is wrong with a letter by itself."""
    yield from not_understood(extension.must_understand for extension in letter.extensions)
    yield from _secrecy(letter)
    yield from _codes(letter, codes)
    yield from wrong_date("CorrespondenceDate", letter.date, (now + AHEAD_OF_DATE).date())
    yield from wrong_date("SendDate", letter.sent_at.date(), (now + AHEAD_OF_SENDING).date())
    if letter.due_by:
        yield from wrong_date("DueBy", letter.due_by.date(), None)
    for reference in letter.content.references if letter.content else ():
        if reference.date:
            latest = (now + AHEAD_OF_DATE).date()
            yield from wrong_date("ReferenceCorrespondence/CorrespondenceDate", reference.date, latest)
    yield from _files(letter, codes)


def addressees(letter: Letter, sender: AgencyCode, directory: Directory) -> Addressees:
    """Return whom an agency's letter reaches by this directory.

    Groups and topics are resolved; a sub-unit without an inbox goes to its parent; all unknown ones are named at once.
    """
    unknown: list[str] = []
    found: dict[AgencyCode, tuple[AgencyCode, str]] = {}
    for receiver in letter.receivers:
        named = directory.addressed(agency=receiver.agency, group=receiver.group, topic=receiver.topic)
        if named is None:
            unknown.append(receiver.group or receiver.topic or "")
        for code in named or ():
            inbox = directory.inbox_of(code)
            if inbox is None:
                unknown.append(code)
            elif inbox not in found or receiver.role == "to":
                found[inbox] = (code, receiver.role)
    refusals = list(_forbidden(letter, sender, unknown, found, directory))
    if letter.kind != TEST_KIND:
        found.pop(sender, None)
    recipients = tuple(
        Recipient(agency=agency, addressed=code, role=role, on_hold=not directory.agencies[agency].active)
        for agency, (code, role) in sorted(found.items())
    )
    return Addressees(recipients, tuple(refusals))


def too_many_named(count: int) -> Iterator[Refused]:
    """Yield the refusal of a letter that itself names so many addressees."""
    if count > MOST_EXPLICIT:
        yield Refused(RefusalCode.RECIPIENT_TOO_MANY, str(count), where="ReceiverParty")


def frozen(recipients: tuple[Recipient, ...]) -> RecipientSet:
    """Return the set of these recipients. Raises Refused when they are too many for one letter, or for one message."""
    try:
        return RecipientSet.of(recipients)
    except NoRecipientSet as error:
        raise Refused(RefusalCode.RECIPIENT_TOO_MANY, str(error), where="ReceiverParty") from error


def unread(version: str, listeners: Iterable[AgencyCode], directory: Directory) -> Iterator[Refused]:
    """Yield the refusal that names those of the directory's agencies who do not read this version (`letter/1.1`).

    What goes to an inbox goes there as it came; it is never written anew in another version.
    """
    known = (code for code in listeners if code in directory.agencies)
    if found := [code for code in known if not directory.reads(code, version)]:
        detail = f"{version}: {', '.join(found[:_NAMED])}{' …' if len(found) > _NAMED else ''}"
        yield Refused(RefusalCode.TYPE_UNREAD_VERSION, detail, where="/@version")


def not_understood(flags: Iterable[bool]) -> Iterator[Refused]:
    """Yield the refusal of extensions of which one must be understood, which none is here."""
    if any(flags):
        yield Refused(RefusalCode.TYPE_EXTENSION, where="Extension")


def wrong_date(name: str, value: date, latest: date | None) -> Iterator[Refused]:
    """Yield the refusal of a date that is of the Buddhist era, too old, or later than `latest`."""
    if value.year > LAST_GREGORIAN_YEAR:
        yield Refused(RefusalCode.DATE_BUDDHIST_YEAR, f"{name} {value}", where=name)
    elif value < EARLIEST or (latest and value > latest):
        yield Refused(RefusalCode.DATE_OUT_OF_RANGE, f"{name} {value}", where=name)


def _forbidden(
    letter: Letter,
    sender: AgencyCode,
    unknown: list[str],
    found: dict[AgencyCode, tuple[AgencyCode, str]],
    directory: Directory,
) -> Iterator[Refused]:
    if unknown:
        yield Refused(RefusalCode.RECIPIENT_UNKNOWN, ", ".join(unknown), where="ReceiverParty")
    elif not found:
        yield Refused(RefusalCode.RECIPIENT_GROUP_EMPTY, where="ReceiverParty")
    if letter.kind != TEST_KIND and set(found) == {sender}:
        yield Refused(RefusalCode.RECIPIENT_ONLY_SELF, sender, where="ReceiverParty")
    if letter.sealed:  # what should be and is not is refused by itself
        missing = [code for code in dict.fromkeys((sender, *found)) if not directory.agencies[code].sealed]
        if missing:
            yield Refused(RefusalCode.SECRECY_NOT_ENROLLED, ", ".join(missing), where="SecretCode")


def _secrecy(letter: Letter) -> Iterator[Refused]:
    if letter.secrecy == EXCLUDED_SECRECY:
        yield Refused(RefusalCode.SECRECY_EXCLUDED, letter.secrecy, where="SecretCode")
    if letter.secrecy in SEALED_SECRECY and letter.sealed is None:
        yield Refused(RefusalCode.SECRECY_UNSEALED, letter.secrecy, where="SecretCode")


def _codes(letter: Letter, codes: Codes) -> Iterator[Refused]:
    relations = [reference.relation for reference in letter.content.references] if letter.content else []
    wrong = [
        f"{name} {value}"
        for name, value, known in (
            ("KindCode", letter.kind, codes.kinds),
            ("SecretCode", letter.secrecy, codes.secrecy),
            ("SpeedCode", letter.speed, codes.speed),
            ("AcknowledgementCode", letter.acknowledgement, ("receipt", "registration")),
            *(("RoleCode", receiver.role, ("to", "copy")) for receiver in letter.receivers),
            *(("RelationCode", relation, codes.relations) for relation in relations),
        )
        if value not in known
    ]
    if wrong:
        yield Refused(RefusalCode.CODE_UNKNOWN, ", ".join(wrong))


def _files(letter: Letter, codes: Codes) -> Iterator[Refused]:
    refused = [
        f"{file.name} ({file.media_type})"
        for file in letter.all_files
        if file.media_type not in codes.media_types
    ]
    if refused:
        yield Refused(RefusalCode.FILE_MEDIA_TYPE, ", ".join(refused), where="MainFile, AttachmentFile")
    sizes: dict[str, int] = {}
    for file in letter.all_files:
        if sizes.setdefault(file.digest, file.size) != file.size:
            yield Refused(RefusalCode.FILE_TWICE, file.name, where="AttachmentFile")
            return
