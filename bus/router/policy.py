"""Gate 7: what the schema cannot know.

`judge_letter` and `judge_notice` are the gate as far as directory, codes and ledger decide; `require_files` is its end,
by what the depot knows of a letter's files, which is asked for many letters in one question. What must hold of a letter
stands in `bus/documents/letter_rules.py`, where a dry run finds it too. A rule here raises Refused or stays silent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from bus.calendar import Calendar
from bus.codes import Codes
from bus.depot.presence import Presence
from bus.directory import Directory
from bus.documents import letter_rules as rules
from bus.documents.letter import Letter
from bus.documents.notice import Notice
from bus.documents.recipients import Recipient, RecipientSet
from bus.documents.signing import Verified
from bus.errors import RefusalCode, Refused
from bus.identifiers import AgencyCode
from bus.ledger.entry import timestamp
from bus.ledger.reading import Reader
from bus.router import transitions


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
    recipients = rules.frozen(resolve(letter, agency, directory, calendar, at))
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
    _none_of(rules.refusals_of(letter, codes, now))


def notice_rules(notice: Notice, codes: Codes, now: datetime) -> None:
    """Raise Refused for what is wrong with a notice by itself."""
    _none_of(rules.not_understood(extension.must_understand for extension in notice.extensions))
    if notice.event not in codes.events:
        raise Refused(RefusalCode.CODE_UNKNOWN, f"EventCode {notice.event}", where="EventCode")
    latest = (now + rules.AHEAD_OF_SENDING).date()
    _none_of(rules.wrong_date("EventTime", notice.event_time.date(), latest))
    if notice.registration:
        _none_of(rules.wrong_date("RegisteredAt", notice.registration.registered_at.date(), latest))
    if notice.letter_id is None or notice.letter_digest is None:
        raise Refused(RefusalCode.NOTICE_INCOMPLETE, "LetterID, LetterDigest", where="LetterID")


def resolve(
    letter: Letter, sender: AgencyCode, directory: Directory, calendar: Calendar, at: datetime
) -> tuple[Recipient, ...]:
    """Return whom a letter goes to, with their due times. Raises Refused that names all unknown addressees at once."""
    found = rules.addressees(letter, sender, directory)
    _none_of(found.refusals)
    general = calendar.registration_due(letter.speed, at, None)

    def with_due(one: Recipient) -> Recipient:
        # Few have closures of their own, and to reckon each of thousands walks through the calendar each time.
        if not calendar.closes(one.agency):
            return one
        own = calendar.registration_due(letter.speed, at, one.agency)
        return replace(one, registration_due=timestamp(own) if own != general else None)

    return tuple(map(with_due, found.recipients))


def read_by_all(version: str, listeners: Iterable[AgencyCode], directory: Directory) -> None:
    """Raise Refused that names those of the directory's agencies who do not read this version (`letter/1.1`)."""
    _none_of(rules.unread(version, listeners, directory))


def _none_of(refusals: Iterable[Refused]) -> None:
    for refusal in refusals:
        raise refusal
