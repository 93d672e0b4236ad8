"""The gates, in order.

`examine` is the auditor's checklist and the code at once: gates 1 to 7, none of which writes. Gate 8 stands in
`recording`, because it runs under the append lock. A gate raises Refused or stays silent; what a gate cannot
decide because something is away raises Transient, and the submission is taken again later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from bus.calendar import Calendar
from bus.codes import Codes
from bus.directory import Directory
from bus.documents import signing
from bus.documents.letter import Letter
from bus.documents.lifecycle import ONCE
from bus.documents.notice import Notice
from bus.documents.reports import TYPE, is_report
from bus.documents.signing import Verified, is_letter, is_notice
from bus.documents.xml import UUID_FORM, Document
from bus.errors import RefusalCode, Refused, Transient
from bus.identifiers import AgencyCode, RawDigest
from bus.ledger.reading import Reader
from bus.ledger.rows import Verdict
from bus.router import policy
from bus.router.answers import Answers
from bus.router.delivery import (
    Delivery,
    Duplicate,
    LetterChecked,
    NoticeAccepted,
    Outcome,
    ReportAccepted,
    SubmissionRefused,
)
from bus.router.inspecting import Inspected, open_submission
from bus.router.refusing import Refusals
from bus.router.reports import examine_report

NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
NOT_INSPECTED: Final[Mapping[RawDigest, Inspected | Exception]] = MappingProxyType({})
_TYPES = ("letter", "notice", TYPE)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the gates judge by: the versions in force, the codes, and the bus's own seal to answer with."""

    directory: Directory
    calendar: Calendar
    codes: Codes
    answers: Answers
    refusals_per_hour: int = 500
    """How many submissions of an agency that fail before gate 6 are each entered and answered."""


class _Stop(Exception):
    """Carries a Refused together with what was known of the submission when a gate refused it."""

    def __init__(
        self,
        reason: Refused,
        agency: AgencyCode | None,
        document: Verified[Any] | None,
        claims: Mapping[str, str],
    ) -> None:
        self.reason = reason
        self.agency = agency
        self.document = document
        self.claims = claims


def examine(
    deliveries: Sequence[Delivery],
    rules: Rules,
    reader: Reader,
    inspected: Mapping[RawDigest, Inspected | Exception] = NOT_INSPECTED,
) -> list[LetterChecked | Outcome | Exception]:
    """Take submissions through gates 1 to 7, but for their files, and return, in order, what became of each.

    `inspected` is what was found of their bytes already (inspectors.py); what is not there is inspected here.

    An unexpected exception of one submission is returned in its place: a bug parks that one and no other.
    Raises Transient when the ledger is away; then nothing is known of any of them.
    """
    reader.prefetch([hint for one in deliveries if (hint := _hint(one))])
    refusals = Refusals(rules.answers, rules.directory, rules.refusals_per_hour, reader)
    found: list[LetterChecked | Outcome | Exception] = []
    answered: dict[tuple[object, ...], Duplicate] = {}
    for one in deliveries:
        same = (one.agency, one.user, one.asked, one.replay, one.sha256)
        # Of the same bytes in one batch that have their answer already, the first is opened.
        outcome = _again(answered.get(same), one) or _guarded(
            one, rules, reader, refusals, inspected.get(one.sha256)
        )
        if isinstance(outcome, Duplicate):
            answered[same] = outcome
        found.append(outcome)
    return found


def to_be_inspected(delivery: Delivery) -> bool:
    """Whether the gates may come to look into a submission: what its message alone decides is not opened."""
    known = delivery.agency is not None and delivery.user == delivery.agency
    return known and not delivery.asked and not is_report(delivery.raw)


def _again(known: Duplicate | None, delivery: Delivery) -> Duplicate | None:
    return replace(known, delivery=delivery) if known else None


def _hint(delivery: Delivery) -> tuple[AgencyCode, str, str] | None:
    """What a message announces about itself, if it can be true: anybody may write anything there."""
    if delivery.agency is None or delivery.announced is None:
        return None
    type_, id_ = delivery.announced
    return (delivery.agency, type_, id_) if type_ in _TYPES and UUID_FORM.fullmatch(id_) else None


def _gates(
    delivery: Delivery, rules: Rules, reader: Reader, inspected: Inspected | Exception | None
) -> LetterChecked | Outcome:
    agency: AgencyCode | None = delivery.agency
    document: Verified[Any] | None = None
    claims: Mapping[str, str] = NOTHING
    try:
        # Before any XML: exchange and validated user-id must agree, and name an agency of the directory.
        agency = _origin(delivery, rules.directory)
        _require_no_property(delivery)
        if is_report(delivery.raw):
            return _report(delivery, agency, rules, reader)
        if isinstance(inspected, Exception):
            raise inspected
        # 1 size and well-formedness · 2 known type and version · 3 the schema
        found = inspected or open_submission(delivery.raw)
        claims = found.claims
        if found.refusal:
            raise found.refusal
        # 4 answered already? Before anything that depends on time or state.
        verdict = reader.verdict_on(agency, found.type, found.id)
        if verdict and verdict.digest == found.digest and _stands(verdict):
            return Duplicate(delivery=delivery, agency=agency, answer=verdict.answer)
        # 5 the signature, against what is pinned for the agency that the exchange names, as of the receipt
        verified = _verified(delivery, agency, found, rules.directory)
        # 6 the verified document is the validated one (signing.check sees to it), and names that agency as its author
        _require_author(verified.document, agency, rules.directory)
        document = verified
        if verdict and verdict.binds_other(verified.digest) and not _identified_by_fact(verified.document):
            raise Refused(RefusalCode.ID_CONFLICT, _taken(found.id, verdict))
        # 7 policy; its end, the files, is asked for afterwards, for all submissions in one question (concluding.py)
        if is_letter(verified):
            return _letter(delivery, agency, verified, rules)
        if is_notice(verified):
            return _notice(delivery, agency, verified, rules, reader)
        raise Refused(RefusalCode.TYPE_UNKNOWN_ROOT)
    except Refused as reason:
        raise _Stop(reason, agency, document, claims) from reason


def _guarded(
    delivery: Delivery,
    rules: Rules,
    reader: Reader,
    refusals: Refusals,
    inspected: Inspected | Exception | None,
) -> LetterChecked | Outcome | Exception:
    try:
        return _gates(delivery, rules, reader, inspected)
    except _Stop as stop:
        try:
            found = refusals.refuse(delivery, stop.reason, stop.agency, stop.document)
            return _claimed(found, stop.claims)
        except Transient:
            raise
        except Exception as error:
            return error
    except Transient:
        raise
    except Exception as error:
        return error


def _claimed(
    found: SubmissionRefused | Duplicate, claims: Mapping[str, str]
) -> SubmissionRefused | Duplicate:
    """Add what a document says of itself, where its refusal will be an entry and not a count."""
    if isinstance(found, Duplicate) or found.only_counted:
        return found
    return replace(found, claims=claims)


def _verified(
    delivery: Delivery, agency: AgencyCode, found: Inspected, directory: Directory
) -> Verified[Document]:
    document, fingerprint = signing.believe(
        found.signature(), directory.pins(agency), delivery.received_at, directory.vouched(agency)
    )
    return Verified(
        document=document,
        version=found.version,
        digest=found.digest,
        raw=delivery.raw,
        fingerprint=fingerprint,
    )


def _report(
    delivery: Delivery, agency: AgencyCode, rules: Rules, reader: Reader
) -> ReportAccepted | Duplicate:
    """The gates for what is no XML: the seal, the author, and an answer that there is already."""
    found = examine_report(delivery, agency, rules.directory, reader)
    verdict = reader.verdict_on(agency, TYPE, str(found.report.id))
    if verdict and verdict.digest == found.digest and _stands(verdict):
        return Duplicate(delivery=delivery, agency=agency, answer=verdict.answer)
    if verdict and verdict.binds_other(found.digest):
        raise Refused(RefusalCode.ID_CONFLICT, f"entry {verdict.entry}", where="id")
    return found


def _origin(delivery: Delivery, directory: Directory) -> AgencyCode:
    agency = delivery.agency
    if agency is None or agency not in directory.agencies:
        raise Refused(RefusalCode.IDENTITY_AGENCY_UNKNOWN)
    if delivery.user is None:
        raise Refused(RefusalCode.IDENTITY_USER_MISSING)
    if delivery.user != agency:
        raise Refused(RefusalCode.IDENTITY_USER_FOREIGN)
    if not directory.agencies[agency].active:
        raise Refused(RefusalCode.IDENTITY_AGENCY_SUSPENDED)
    return agency


def _require_no_property(delivery: Delivery) -> None:
    # Refused and not ignored: an expiration works in the broker, before anybody has seen the message. What is judged by
    # this alone is not opened, for it may have come back from where poisonous submissions are.
    if delivery.asked:
        raise Refused(RefusalCode.MESSAGE_PROPERTY, ", ".join(delivery.asked))


def _stands(verdict: Verdict) -> bool:
    return verdict.code is None or not RefusalCode(verdict.code).circumstantial


def _identified_by_fact(document: Letter | Notice) -> bool:
    """Whether it is a notice that is identified by what it says and not by its id alone."""
    return isinstance(document, Notice) and document.event in ONCE


def _taken(id_: str, verdict: Verdict) -> str:
    """Say whose the id is: who has lost its mailbox learns from it that its letter was accepted long ago."""
    if verdict.code is not None:
        return id_
    return f"{id_}: accepted already, entry {verdict.entry} · รับเข้าระบบแล้ว รายการที่ {verdict.entry}"


def _require_author(document: Letter | Notice, agency: AgencyCode, directory: Directory) -> None:
    named = document.sender.agency if isinstance(document, Letter) else document.author
    if not directory.speaks_for(agency, named):
        raise Refused(RefusalCode.IDENTITY_SENDER_FOREIGN, named)


def _letter(
    delivery: Delivery, agency: AgencyCode, verified: Verified[Letter], rules: Rules
) -> LetterChecked:
    recipients = policy.check_letter(
        verified, agency, rules.directory, rules.calendar, rules.codes, delivery.received_at
    )
    return LetterChecked(
        delivery=delivery, agency=agency, letter=verified, directory=rules.directory, recipients=recipients
    )


def _notice(
    delivery: Delivery, agency: AgencyCode, verified: Verified[Notice], rules: Rules, reader: Reader
) -> NoticeAccepted:
    place = policy.check_notice(verified, agency, rules.directory, rules.codes, delivery.received_at, reader)
    return NoticeAccepted(
        delivery=delivery,
        agency=agency,
        notice=verified,
        directory=rules.directory,
        place=place,
    )
