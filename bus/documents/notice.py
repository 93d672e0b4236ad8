"""A notice: one small signed statement about a letter, all versions of notice/1 as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from bus.documents.binding import attribute, element, text
from bus.documents.letter import Extension
from bus.identifiers import AgencyCode, ContentDigest, RawDigest

BUS = AgencyCode("bus")
"""The author code of the bus itself; every other author is an agency's ten digits."""


class Event(StrEnum):
    """What a notice says. `config/codes/events.toml` gives each its Thai and English name and its ETSI event."""

    ACCEPTED = "accepted"
    REFUSED_BY_BUS = "refused-by-bus"
    PARKED = "parked"
    OVERDUE_RECEIPT = "overdue-receipt"
    OVERDUE_REGISTRATION = "overdue-registration"
    DELIVERED = "delivered"
    HANDOVER_FAILED = "handover-failed"
    REGISTERED = "registered"
    REFUSED = "refused"
    MISDIRECTED = "misdirected"
    NUMBER_DISPUTED = "number-disputed"
    WITHDRAWAL_REQUESTED = "withdrawal-requested"
    WITHDRAWAL_GRANTED = "withdrawal-granted"
    WITHDRAWAL_DECLINED = "withdrawal-declined"
    TRANSFERRED = "transferred"
    SETTLED = "settled"
    OPENED = "opened"
    UNDER_ACTION = "under-action"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """เลขรับ: the clerk's receiving number; it repeats every year and per unit, so both belong to it."""

    number: str = element("AcceptID")
    registered_at: datetime = element("RegisteredAt")
    year: int = element("RegisterYear")
    """Buddhist era."""
    unit: str | None = element("UnitName", default=None)
    officer: str | None = element("OfficerName", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonText:
    language: str = attribute("lang")
    """`th` or `en`."""
    value: str = text()


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherMeans:
    """How a letter reached its recipient when it did not go by the bus."""

    code: str = element("Code")
    reference: str | None = element("Reference", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Officer:
    """The officer who did what a notice says; the signature over the notice is the agency's, not the officer's."""

    name: str = element("Name")
    job_title: str | None = element("JobTitle", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the bus froze when it accepted a letter."""

    recipients_digest: RawDigest = element("RecipientsDigest")
    """Names the recipient set (recipients.py): with each recipient its role, the code addressed, hold and due time."""
    recipient_count: int = element("RecipientCount")
    recipients: tuple[AgencyCode, ...] = element("RecipientID", default=())
    """Each of them, where they are few; nobody where they are many."""
    directory_version: int = element("DirectoryVersion")
    calendar_version: int = element("CalendarVersion")
    receipt_due_by: datetime | None = element("ReceiptDueBy", default=None)
    registration_due_by: datetime | None = element("RegistrationDueBy", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One statement about one letter (or about one unreadable submission)."""

    notice_id: UUID = element("NoticeID")
    event: str = element("EventCode")
    event_uri: str | None = element("EventURI", default=None)
    """`http://uri.etsi.org/19522/Event/<Name>` (ETSI EN 319 522-3), where ETSI has such an event."""
    author: AgencyCode = element("Author")
    """Ten digits of an agency, or `bus`."""
    letter_id: UUID | None = element("LetterID", default=None)
    letter_digest: ContentDigest | None = element("LetterDigest", default=None)
    """Lower-case hexadecimal digest of the letter; goes together with `letter_id`."""
    submission_digest: RawDigest | None = element("SubmissionDigest", default=None)
    """SHA-256 of the raw bytes of a submission that could not be read as a letter; instead of the two above."""
    about: tuple[AgencyCode, ...] = element("AcceptDepartment", default=())
    """Codes of the recipients that the notice is about."""
    event_time: datetime = element("EventTime")
    received_time: datetime | None = element("ReceivedTime", default=None)
    ledger_time: datetime | None = element("LedgerTime", default=None)
    supersedes: UUID | None = element("Supersedes", default=None)
    registration: Registration | None = element("Registration", default=None)
    reason_code: str | None = element("ReasonCode", default=None)
    reason_texts: tuple[ReasonText, ...] = element("ReasonText", default=())
    suggested_receiver: AgencyCode | None = element("SuggestedReceiver", default=None)
    successor: AgencyCode | None = element("Successor", default=None)
    officer: Officer | None = element("Officer", since="1.1", default=None)
    terms: Terms | None = element("Terms", default=None)
    examined_through: datetime | None = element("ExaminedThrough", default=None)
    other_means: OtherMeans | None = element("OtherMeans", default=None)
    extensions: tuple[Extension, ...] = element("Extension", default=())
