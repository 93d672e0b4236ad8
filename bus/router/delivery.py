"""What a submission is at each stage; unverified things have types that nothing later accepts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bus.directory import Directory
from bus.documents.letter import Letter
from bus.documents.notice import Notice
from bus.documents.recipients import RecipientSet
from bus.documents.reports import Report
from bus.documents.signing import Signed, Verified
from bus.errors import RefusalCode, Refused
from bus.identifiers import AgencyCode, ContentDigest, RawDigest
from bus.router.transitions import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A submission as it came from the broker: bytes, and where they came from."""

    raw: bytes
    agency: AgencyCode | None
    """The agency whose submit exchange took it: only that agency's user can write there."""
    user: AgencyCode | None
    """The user-id, validated by the broker; None if the message bears none."""
    received_at: datetime
    announced: tuple[str, str] | None = None
    """The (type, id) that the message's properties state: a hint for looking things up early, and nothing more."""
    asked: tuple[str, ...] = ()
    """What the message's properties ask of the broker: nothing that is obeyed, and a reason to refuse it."""
    exceeding: bool = False
    """Whether the answer is to tell the agency that it has exceeded its share."""
    replay: int | None = None
    """The ledger number of the request by which an operator sends a parked submission through the gates again."""
    parked: int | None = None
    sha256: RawDigest = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha256", RawDigest(hashlib.sha256(self.raw).hexdigest()))


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterAccepted:
    """A letter that passed gates 1 to 7, with the acceptance that its sender will get."""

    delivery: Delivery
    agency: AgencyCode
    letter: Verified[Letter]
    number: str | None
    """Its number in the form in which numbers are compared."""
    directory: Directory
    recipients: RecipientSet
    calendar_version: int
    receipt_due: str
    registration_due: str | None
    acceptance: Signed


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeAccepted:
    """A notice that passed gates 1 to 7."""

    delivery: Delivery
    agency: AgencyCode
    notice: Verified[Notice]
    directory: Directory
    place: Place
    """Where it fell in the life of its letter when the gates looked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionRefused:
    """A submission that a gate refused, with the refusal that the submitting agency will get."""

    delivery: Delivery
    agency: AgencyCode | None
    """None when no agency can be told: the exchange belongs to nobody in the directory."""
    reason: Refused
    refusal: Signed | None
    document: Verified[Any] | None
    """What was verified, if the submission got past gate 6: then the verdict binds its id."""
    directory: Directory
    counted: RefusalCode | None = None
    """Why it was refused, if the agency's hour had no room when the gates looked: it is counted, or told so."""
    claims: Mapping[str, str] = field(default_factory=dict)
    """What it says of itself, verified or not (bus/documents/claims.py): to be found by, and for nothing else."""

    @property
    def only_counted(self) -> bool:
        """Whether it is to be counted and nobody told: it will have no entry."""
        return self.counted is not None and self.refusal is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """A submission that has its verdict already: the same answer is sent again."""

    delivery: Delivery
    agency: AgencyCode
    answer: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterChecked:
    """A letter past gate 7 but for its files, which the depot is asked about."""

    delivery: Delivery
    agency: AgencyCode
    letter: Verified[Letter]
    directory: Directory
    recipients: RecipientSet


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportAccepted:
    """A report of an agency's machine that passed gates 1 to 7."""

    delivery: Delivery
    agency: AgencyCode
    report: Report
    digest: ContentDigest
    """SHA-256 of its octets."""


Outcome = LetterAccepted | NoticeAccepted | ReportAccepted | SubmissionRefused | Duplicate
