"""The gates, in order.

`examine` is the auditor's checklist and the code at once: gates 1 to 7, none of which writes. Gate 8 stands in
`recording.py`, because it runs under the append lock. A gate raises Rejected or stays silent; what a gate cannot
decide because something is away raises Transient, and the submission is taken again later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bus.calendar import Calendar
from bus.codes import Codes
from bus.depot.holds import Check, Held
from bus.directory import Directory
from bus.documents import schema, signing, xml
from bus.documents.claims import claims_of
from bus.documents.letter import Letter
from bus.documents.notice import Notice, Terms
from bus.documents.signing import Verified, is_letter, is_notice
from bus.documents.statements import TYPE, is_statement
from bus.documents.xml import UUID_FORM, Envelope
from bus.errors import Rejected, RejectionCode, Transient
from bus.ledger.entry import timestamp
from bus.ledger.reading import Reader
from bus.ledger.rows import Verdict
from bus.router import policy, transitions
from bus.router.answers import Answers
from bus.router.delivery import Accepted, Delivery, Examined, Heard, Passed, Refused, Repeated, Stated
from bus.router.statements import examine_statement
from bus.thai import now

_TYPES = ("letter", "notice", TYPE)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the gates judge by: the versions in force, the codes, and the bus's voice to answer with."""

    directory: Directory
    calendar: Calendar
    codes: Codes
    answers: Answers


class _Stop(Exception):
    """Carries a Rejected together with what was known of the submission when a gate refused it."""

    def __init__(
        self,
        reason: Rejected,
        agency: str | None,
        document: Verified[Any] | None,
        envelope: Envelope | None,
    ) -> None:
        self.reason = reason
        self.agency = agency
        self.document = document
        self.envelope = envelope


def examine(
    deliveries: Sequence[Delivery], rules: Rules, reader: Reader
) -> list[Passed | Examined | Exception]:
    """Take submissions through gates 1 to 7, but for their files, and return, in order, what became of each.

    An unexpected exception of one submission is returned in its place: a bug parks that one and no other.
    Raises Transient when the ledger is away; then nothing is known of any of them.
    """
    reader.foresee([hint for one in deliveries if (hint := _hint(one))])
    return [_guarded(delivery, rules, reader) for delivery in deliveries]


def _hint(delivery: Delivery) -> tuple[str, str, str] | None:
    """What a message announces about itself, if it can be true: anybody may write anything there."""
    if delivery.agency is None or delivery.announced is None:
        return None
    type_, id_ = delivery.announced
    return (delivery.agency, type_, id_) if type_ in _TYPES and UUID_FORM.fullmatch(id_) else None


def files_of(found: Iterable[Passed | Examined | Exception]) -> list[Check]:
    """Return what the depot is to be asked: every file of every letter that passed, in order."""
    return [
        Check(one.agency, file.digest, file.size)
        for one in found
        if isinstance(one, Passed)
        for file in one.letter.document.all_files
    ]


def conclude(
    found: Sequence[Passed | Examined | Exception], said: Iterable[Held], rules: Rules
) -> list[Examined | Exception]:
    """Finish gate 7 with the depot's words on `files_of(found)`, and sign the acceptances."""
    words = iter(said)
    return [_concluded(one, words, rules) if isinstance(one, Passed) else one for one in found]


def _gates(delivery: Delivery, rules: Rules, reader: Reader) -> Passed | Examined:
    agency: str | None = delivery.agency
    document: Verified[Any] | None = None
    envelope: Envelope | None = None
    try:
        # Before any XML: exchange and validated user-id must agree, and name an agency of the directory.
        agency = _origin(delivery, rules.directory)
        if is_statement(delivery.raw):
            return _statement(delivery, agency, rules, reader)
        # 1 size and well-formedness · 2 known type and version
        envelope = xml.open_envelope(delivery.raw)
        # 3 the schema
        _not_too_many(envelope)
        schema.check(envelope)
        # 4 answered already? Before anything that depends on time or state.
        digest = envelope.digest
        verdict = reader.verdict_on(agency, envelope.type, envelope.id)
        if verdict and verdict.digest == digest and _stands(verdict):
            return Repeated(delivery=delivery, agency=agency, answer=verdict.answer)
        # 5 the signature, against the certificate pinned for the agency that the exchange names, as of the receipt
        verified = signing.verify(
            envelope, rules.directory.pins(agency), delivery.received_at, by_octets=True
        )
        # 6 the verified document is the validated one (signing.verify sees to it), and names that agency as its author
        _author(verified.document, agency, rules.directory)
        document = verified
        if verdict and verdict.digest != verified.digest:
            raise Rejected(RejectionCode.ID_CONFLICT, envelope.id)
        # 7 policy: the files are asked for afterwards, for all submissions in one question
        if is_letter(verified):
            return _letter(delivery, agency, verified, rules)
        if is_notice(verified):
            return _notice(delivery, agency, verified, rules, reader)
        raise Rejected(RejectionCode.TYPE_UNKNOWN_ROOT)
    except Rejected as reason:
        raise _Stop(reason, agency, document, envelope) from reason


def _guarded(delivery: Delivery, rules: Rules, reader: Reader) -> Passed | Examined | Exception:
    try:
        return _gates(delivery, rules, reader)
    except _Stop as stop:
        try:
            found = refused(delivery, stop.reason, stop.agency, stop.document, rules)
            return replace(found, claims=claims_of(stop.envelope)) if stop.envelope else found
        except Exception as error:
            return error
    except Transient:
        raise
    except Exception as error:
        return error


def _statement(delivery: Delivery, agency: str, rules: Rules, reader: Reader) -> Stated | Repeated:
    """The gates for what is no XML: the seal, the author, and an answer that there is already."""
    found = examine_statement(delivery, agency, rules.directory, reader)
    verdict = reader.verdict_on(agency, TYPE, str(found.statement.id))
    if verdict and verdict.digest == found.digest and _stands(verdict):
        return Repeated(delivery=delivery, agency=agency, answer=verdict.answer)
    return found


def _origin(delivery: Delivery, directory: Directory) -> str:
    agency = delivery.agency
    if agency is None or agency not in directory.agencies:
        raise Rejected(RejectionCode.IDENTITY_AGENCY_UNKNOWN)
    if delivery.user is None:
        raise Rejected(RejectionCode.IDENTITY_USER_MISSING)
    if delivery.user != agency:
        raise Rejected(RejectionCode.IDENTITY_USER_FOREIGN)
    if not directory.agencies[agency].active:
        raise Rejected(RejectionCode.IDENTITY_AGENCY_SUSPENDED)
    return agency


def _not_too_many(envelope: Envelope) -> None:
    receivers = envelope.root.findall("{*}ReceiverParty")
    if len(receivers) > policy.MOST_EXPLICIT:
        raise Rejected(RejectionCode.RECIPIENT_TOO_MANY, str(len(receivers)), where="ReceiverParty")


def _stands(verdict: Verdict) -> bool:
    return verdict.code is None or not RejectionCode(verdict.code).circumstantial


def _author(document: Letter | Notice, agency: str, directory: Directory) -> None:
    named = document.sender.agency if isinstance(document, Letter) else document.author
    if named != agency and directory.inbox_of(named) != agency:
        raise Rejected(RejectionCode.IDENTITY_SENDER_FOREIGN, named)


def _letter(delivery: Delivery, agency: str, verified: Verified[Letter], rules: Rules) -> Passed:
    letter = verified.document
    policy.letter_rules(letter, rules.codes, delivery.received_at)
    recipients = policy.resolve(letter, agency, rules.directory, rules.calendar, delivery.received_at)
    return Passed(
        delivery=delivery, agency=agency, letter=verified, directory=rules.directory, recipients=recipients
    )


def _notice(
    delivery: Delivery, agency: str, verified: Verified[Notice], rules: Rules, reader: Reader
) -> Heard:
    notice = verified.document
    policy.notice_rules(notice, rules.codes, delivery.received_at)
    letter = reader.letter_named(str(notice.letter_id), str(notice.letter_digest))
    if letter is None:
        raise Rejected(RejectionCode.NOTICE_LETTER_UNKNOWN, str(notice.letter_id), where="LetterID")
    state = reader.state_of(letter.letter)
    about = transitions.concerned(notice, agency, state)
    if not transitions.already_said(notice, verified.digest, about, state):
        transitions.permitted(notice, about, state)
    return Heard(
        delivery=delivery,
        agency=agency,
        notice=verified,
        directory=rules.directory,
        letter=letter,
        about=about,
    )


def _concluded(one: Passed, words: Iterator[Held], rules: Rules) -> Examined | Exception:
    wrong = [
        (file.name, word) for file in one.letter.document.all_files if (word := next(words)) is not Held.OK
    ]
    try:
        return _without_files(one, wrong, rules) if wrong else _accepted(one, rules)
    except Exception as error:
        return error


def _without_files(one: Passed, wrong: Sequence[tuple[str, Held]], rules: Rules) -> Refused:
    missing = [name for name, word in wrong if word is Held.MISSING]
    code = RejectionCode.FILE_MISSING if missing else RejectionCode.FILE_SIZE
    reason = Rejected(
        code, ", ".join(missing or [name for name, _ in wrong]), where="MainFile, AttachmentFile"
    )
    found = refused(one.delivery, reason, one.agency, one.letter, rules)
    number = one.letter.document.number
    return replace(found, claims={"number": number}) if number else found


def _accepted(one: Passed, rules: Rules) -> Accepted:
    letter = one.letter.document
    at = one.delivery.received_at
    receipt_due = rules.calendar.receipt_due(letter.speed, at)
    registers = letter.acknowledgement == "registration"
    registration_due = rules.calendar.registration_due(letter.speed, at, None) if registers else None
    terms = Terms(
        recipients=tuple(recipient.agency for recipient in one.recipients),
        directory_version=one.directory.version,
        calendar_version=rules.calendar.version,
        receipt_due_by=receipt_due,
        registration_due_by=registration_due,
    )
    acceptance = rules.answers.accepted(
        letter_id=letter.letter_id, digest=one.letter.digest, received_at=at, now=now(), terms=terms
    )
    return Accepted(
        delivery=one.delivery,
        agency=one.agency,
        letter=one.letter,
        directory=one.directory,
        recipients=one.recipients,
        calendar_version=rules.calendar.version,
        receipt_due=timestamp(receipt_due),
        registration_due=timestamp(registration_due) if registration_due else None,
        acceptance=acceptance,
    )


def refused(
    delivery: Delivery, reason: Rejected, agency: str | None, document: Verified[Any] | None, rules: Rules
) -> Refused:
    """Turn a refusal into an answer, signed; only a verified letter is named by its id and digest."""
    letter = document if document and isinstance(document.document, Letter) else None
    told = agency is not None and agency in rules.directory.inboxes
    refusal = rules.answers.refused(
        reason,
        submission=delivery.sha256,
        received_at=delivery.received_at,
        now=now(),
        letter_id=letter.document.letter_id if letter else None,
        digest=letter.digest if letter else None,
    )
    return Refused(
        delivery=delivery,
        agency=agency if told else None,
        reason=reason,
        refusal=refusal if told else None,
        document=document,
    )
