"""Gate 7: what the schema cannot know.

`judge_letter` and `judge_notice` are the gate as far as directory, codes and ledger decide; `require_files` is its end,
by what the depot knows of a letter's files, which is asked for many letters in one question. Each rule is a function
that raises Refused or stays silent; what several parts of a letter may get wrong is named at once, not one by one.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from bus.calendar import Calendar
from bus.codes import Codes
from bus.depot.presence import Presence
from bus.directory import Directory
from bus.documents.letter import Letter
from bus.documents.notice import Notice
from bus.documents.recipients import NoRecipientSet, Recipient, RecipientSet
from bus.documents.signing import Verified
from bus.errors import RefusalCode, Refused
from bus.identifiers import AgencyCode
from bus.ledger.entry import timestamp
from bus.ledger.reading import Reader
from bus.router import transitions
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


def check_letter(
    verified: Verified[Letter],
    agency: AgencyCode,
    directory: Directory,
    calendar: Calendar,
    codes: Codes,
    at: datetime,
) -> RecipientSet:
    """Return the recipient set of an agency's letter. Raises Refused; its files are not looked for yet."""
    letter = verified.document
    letter_rules(letter, codes, at)
    recipients = frozen(resolve(letter, agency, directory, calendar, at))
    read_by_all(verified.version, recipients.codes, directory)
    return recipients


def check_notice(
    verified: Verified[Notice],
    agency: AgencyCode,
    directory: Directory,
    codes: Codes,
    at: datetime,
    reader: Reader,
) -> transitions.Place:
    """Return where an agency's notice falls in the life of its letter. Raises Refused."""
    notice_rules(verified.document, codes, at)
    return place_notice(verified, agency, directory, reader)


def place_notice(
    verified: Verified[Notice], agency: AgencyCode, directory: Directory, reader: Reader
) -> transitions.Place:
    """Judge what depends on the ledger's state, which may have changed since. Raises Refused."""
    place = transitions.place(verified.document, verified.digest, agency, reader)
    read_by_all(verified.version, place.listeners(verified.document.event), directory)
    return place


def require_files(letter: Letter, found: Iterable[Presence]) -> None:
    """Raise Refused unless the depot has every file of the letter (`found`, in their order), each of its size."""
    wrong = [
        (file.name, presence)
        for file, presence in zip(letter.all_files, found, strict=True)
        if presence is not Presence.OK
    ]
    if missing := [name for name, presence in wrong if presence is Presence.MISSING]:
        raise Refused(RefusalCode.FILE_MISSING, ", ".join(missing), where="MainFile, AttachmentFile")
    if wrong:
        names = ", ".join(name for name, _ in wrong)
        raise Refused(RefusalCode.FILE_SIZE, names, where="MainFile, AttachmentFile")


def letter_rules(letter: Letter, codes: Codes, now: datetime) -> None:
    """Raise Refused for what is wrong with a letter by itself."""
    _understood(extension.must_understand for extension in letter.extensions)
    _secrecy(letter)
    _codes(letter, codes)
    _date("CorrespondenceDate", letter.date, (now + AHEAD_OF_DATE).date())
    _date("SendDate", letter.sent_at.date(), (now + AHEAD_OF_SENDING).date())
    if letter.due_by:
        _date("DueBy", letter.due_by.date(), None)
    for reference in letter.content.references if letter.content else ():
        if reference.date:
            _date("ReferenceCorrespondence/CorrespondenceDate", reference.date, (now + AHEAD_OF_DATE).date())
    _files(letter, codes)


def notice_rules(notice: Notice, codes: Codes, now: datetime) -> None:
    """Raise Refused for what is wrong with a notice by itself."""
    _understood(extension.must_understand for extension in notice.extensions)
    if notice.event not in codes.events:
        raise Refused(RefusalCode.CODE_UNKNOWN, f"EventCode {notice.event}", where="EventCode")
    _date("EventTime", notice.event_time.date(), (now + AHEAD_OF_SENDING).date())
    if notice.registration:
        _date("RegisteredAt", notice.registration.registered_at.date(), (now + AHEAD_OF_SENDING).date())
    if notice.letter_id is None or notice.letter_digest is None:
        raise Refused(RefusalCode.NOTICE_INCOMPLETE, "LetterID, LetterDigest", where="LetterID")


def resolve(
    letter: Letter, sender: AgencyCode, directory: Directory, calendar: Calendar, at: datetime
) -> tuple[Recipient, ...]:
    """Return whom a letter goes to: every addressee's inbox once, `to` before `copy`, in code order.

    Groups and topics are resolved against this directory version; a sub-unit without an inbox goes to its parent.
    Raises Refused that names all unknown addressees at once.
    """
    unknown: list[str] = []
    addressed: dict[AgencyCode, tuple[AgencyCode, str]] = {}
    for receiver in letter.receivers:
        codes = directory.addressed(agency=receiver.agency, group=receiver.group, topic=receiver.topic)
        if codes is None:
            unknown.append(receiver.group or receiver.topic or "")
        for code in codes or ():
            inbox = directory.inbox_of(code)
            if inbox is None:
                unknown.append(code)
            elif inbox not in addressed or receiver.role == "to":
                addressed[inbox] = (code, receiver.role)
    if unknown:
        raise Refused(RefusalCode.RECIPIENT_UNKNOWN, ", ".join(unknown), where="ReceiverParty")
    if not addressed:
        raise Refused(RefusalCode.RECIPIENT_GROUP_EMPTY, where="ReceiverParty")
    if letter.kind != TEST_KIND:
        _someone_else(addressed, sender)
        addressed.pop(sender, None)
    if letter.secrecy in SEALED_SECRECY or letter.sealed:
        _enrolled([sender, *addressed], directory)
    general = calendar.registration_due(letter.speed, at, None)
    return tuple(
        Recipient(
            agency=agency,
            addressed=code,
            role=role,
            on_hold=not directory.agencies[agency].active,
            registration_due=_own_due(calendar.registration_due(letter.speed, at, agency), general),
        )
        for agency, (code, role) in sorted(addressed.items())
    )


def frozen(recipients: tuple[Recipient, ...]) -> RecipientSet:
    """Return the set of these recipients. Raises Refused when they are too many for one letter, or for one message."""
    try:
        return RecipientSet.of(recipients)
    except NoRecipientSet as error:
        raise Refused(RefusalCode.RECIPIENT_TOO_MANY, str(error), where="ReceiverParty") from error


def read_by_all(version: str, listeners: Iterable[AgencyCode], directory: Directory) -> None:
    """Raise Refused that names those of the directory's agencies who do not read this version (`letter/1.1`).

    What goes to an inbox goes there as it came; it is never written anew in another version.
    """
    known = (code for code in listeners if code in directory.agencies)
    if unread := [code for code in known if not directory.reads(code, version)]:
        detail = f"{version}: {', '.join(unread[:_NAMED])}{' …' if len(unread) > _NAMED else ''}"
        raise Refused(RefusalCode.TYPE_UNREAD_VERSION, detail, where="/@version")


def _own_due(own: datetime, general: datetime) -> str | None:
    return timestamp(own) if own != general else None


def _someone_else(addressed: dict[AgencyCode, tuple[AgencyCode, str]], sender: AgencyCode) -> None:
    if set(addressed) == {sender}:
        raise Refused(RefusalCode.RECIPIENT_ONLY_SELF, sender, where="ReceiverParty")


def _enrolled(agencies: list[AgencyCode], directory: Directory) -> None:
    missing = [code for code in agencies if not directory.agencies[code].sealed]
    if missing:
        raise Refused(RefusalCode.SECRECY_NOT_ENROLLED, ", ".join(missing), where="SecretCode")


def _understood(flags: Iterable[bool]) -> None:
    if any(flags):
        raise Refused(RefusalCode.TYPE_EXTENSION, where="Extension")


def _secrecy(letter: Letter) -> None:
    if letter.secrecy == EXCLUDED_SECRECY:
        raise Refused(RefusalCode.SECRECY_EXCLUDED, letter.secrecy, where="SecretCode")
    if letter.secrecy in SEALED_SECRECY and letter.sealed is None:
        raise Refused(RefusalCode.SECRECY_UNSEALED, letter.secrecy, where="SecretCode")


def _codes(letter: Letter, codes: Codes) -> None:
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
        raise Refused(RefusalCode.CODE_UNKNOWN, ", ".join(wrong))


def _date(name: str, value: date, latest: date | None) -> None:
    if value.year > LAST_GREGORIAN_YEAR:
        raise Refused(RefusalCode.DATE_BUDDHIST_YEAR, f"{name} {value}", where=name)
    if value < EARLIEST or (latest and value > latest):
        raise Refused(RefusalCode.DATE_OUT_OF_RANGE, f"{name} {value}", where=name)


def _files(letter: Letter, codes: Codes) -> None:
    refused = [
        f"{file.name} ({file.media_type})"
        for file in letter.all_files
        if file.media_type not in codes.media_types
    ]
    if refused:
        raise Refused(RefusalCode.FILE_MEDIA_TYPE, ", ".join(refused), where="MainFile, AttachmentFile")
    sizes: dict[str, int] = {}
    for file in letter.all_files:
        if sizes.setdefault(file.digest, file.size) != file.size:
            raise Refused(RefusalCode.FILE_TWICE, file.name, where="AttachmentFile")
