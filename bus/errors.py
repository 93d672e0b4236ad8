"""The errors that may leave a module: refused for good, failing for now, or wrongly configured."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final


class BusError(Exception):
    """Root of every error that this project raises on purpose."""

    for_logs: ClassVar[bool] = False
    """Whether its message is a sentence of our own that quotes neither a document, an office nor a foreign error."""


class RefusalCode(StrEnum):
    """Stable names of the reasons for which a submission is refused.

    Each has its sentence and its advice, in Thai and English, in `config/codes/refusals.toml`.
    A code is never renamed and never given another meaning.
    """

    XML_TOO_LARGE = "xml.too-large"
    XML_NOT_WELL_FORMED = "xml.not-well-formed"
    XML_DTD = "xml.dtd"
    XML_FOREIGN_NODE = "xml.foreign-node"

    TYPE_UNKNOWN_ROOT = "type.unknown-root"
    TYPE_UNKNOWN_VERSION = "type.unknown-version"
    TYPE_UNREAD_VERSION = "type.unread-version"
    TYPE_EXTENSION = "type.extension"

    SCHEMA_ELEMENT = "schema.element"
    SCHEMA_VALUE = "schema.value"
    SCHEMA_ATTRIBUTE = "schema.attribute"

    SIGNATURE_MISSING = "signature.missing"
    SIGNATURE_SEVERAL = "signature.several"
    SIGNATURE_MISPLACED = "signature.misplaced"
    SIGNATURE_PROFILE = "signature.profile"
    SIGNATURE_ALGORITHM = "signature.algorithm"
    SIGNATURE_BROKEN = "signature.broken"

    KEY_UNKNOWN = "key.unknown"
    KEY_NOT_YET_VALID = "key.not-yet-valid"
    KEY_EXPIRED = "key.expired"
    KEY_REVOKED = "key.revoked"
    KEY_USAGE = "key.usage"
    KEY_WEAK = "key.weak"
    KEY_AUTHORITY = "key.authority"
    KEY_ORGANIZATION = "key.organization"
    KEY_REVOCATION_LIST_OLD = "key.revocation-list-old"

    IDENTITY_USER_MISSING = "identity.user-missing"
    IDENTITY_USER_FOREIGN = "identity.user-foreign"
    IDENTITY_AGENCY_UNKNOWN = "identity.agency-unknown"
    IDENTITY_AGENCY_SUSPENDED = "identity.agency-suspended"
    IDENTITY_SENDER_FOREIGN = "identity.sender-foreign"

    MESSAGE_PROPERTY = "message.property"
    MESSAGE_REJECTED = "message.rejected"
    REFUSALS_TOO_MANY = "refusals.too-many"

    SECRECY_UNSEALED = "secrecy.unsealed"
    SECRECY_NOT_ENROLLED = "secrecy.not-enrolled"
    SECRECY_EXCLUDED = "secrecy.excluded"
    CODE_UNKNOWN = "code.unknown"
    DATE_BUDDHIST_YEAR = "date.buddhist-year"
    DATE_OUT_OF_RANGE = "date.out-of-range"

    RECIPIENT_UNKNOWN = "recipient.unknown"
    RECIPIENT_ONLY_SELF = "recipient.only-self"
    RECIPIENT_GROUP_EMPTY = "recipient.group-empty"
    RECIPIENT_TOO_MANY = "recipient.too-many"

    FILE_MISSING = "file.missing"
    FILE_SIZE = "file.size"
    FILE_MEDIA_TYPE = "file.media-type"
    FILE_TWICE = "file.twice"
    FILE_TOO_LARGE = "file.too-large"
    FILE_REFUSED = "file.refused"

    ID_CONFLICT = "id.conflict"

    NOTICE_INCOMPLETE = "notice.incomplete"
    NOTICE_LETTER_UNKNOWN = "notice.letter-unknown"
    NOTICE_NOT_A_PARTY = "notice.not-a-party"
    NOTICE_NOT_YOURS_TO_SAY = "notice.not-yours-to-say"
    NOTICE_ALREADY_ANSWERED = "notice.already-answered"
    NOTICE_SUPERSEDES_FOREIGN = "notice.supersedes-foreign"
    NOTICE_WITHDRAWAL_TOO_LATE = "notice.withdrawal-too-late"
    NOTICE_NOTHING_TO_ANSWER = "notice.nothing-to-answer"

    REPORT_UNREADABLE = "report.unreadable"
    REPORT_COSIGNATURE = "report.cosignature"

    @property
    def circumstantial(self) -> bool:
        """Whether the refusal comes from the state of things, so that the same bytes, sent again, are judged anew."""
        return self in _CIRCUMSTANTIAL

    @property
    def of_the_seal(self) -> bool:
        """Whether the key, the signature or the version is refused: the same content, sealed anew, may pass."""
        return self.value.startswith(("key.", "signature.")) or self is RefusalCode.TYPE_UNREAD_VERSION


_CIRCUMSTANTIAL = frozenset(
    {
        RefusalCode.TYPE_UNREAD_VERSION,
        RefusalCode.IDENTITY_AGENCY_SUSPENDED,
        RefusalCode.KEY_UNKNOWN,
        RefusalCode.KEY_NOT_YET_VALID,
        RefusalCode.KEY_AUTHORITY,
        RefusalCode.KEY_ORGANIZATION,
        RefusalCode.KEY_REVOCATION_LIST_OLD,
        RefusalCode.REFUSALS_TOO_MANY,
        RefusalCode.MESSAGE_REJECTED,
        RefusalCode.SECRECY_NOT_ENROLLED,
        RefusalCode.CODE_UNKNOWN,
        RefusalCode.DATE_OUT_OF_RANGE,
        RefusalCode.RECIPIENT_UNKNOWN,
        RefusalCode.RECIPIENT_GROUP_EMPTY,
        RefusalCode.FILE_MISSING,
        RefusalCode.FILE_SIZE,
        RefusalCode.FILE_MEDIA_TYPE,
        RefusalCode.FILE_TOO_LARGE,
        RefusalCode.FILE_REFUSED,
        RefusalCode.NOTICE_LETTER_UNKNOWN,
        # What it supersedes may still be on its way: another router may have taken it from the intake.
        RefusalCode.NOTICE_SUPERSEDES_FOREIGN,
        RefusalCode.NOTICE_NOTHING_TO_ANSWER,
        RefusalCode.REPORT_COSIGNATURE,
    }
)


LONGEST_DETAIL: Final = 1000
"""Characters of what is said in detail about a refusal: it may quote the document."""


class Refused(BusError):
    """A submission is refused for good; the same bytes would be refused again.

    `detail` may quote the document: it goes to the submitting agency and never into a log.
    """

    for_logs = True

    def __init__(self, code: RefusalCode, detail: str = "", *, where: str = "") -> None:
        super().__init__(code.value)
        self.code = code
        self.detail = detail
        self.where = where

    def __reduce__(self) -> tuple[object, ...]:
        """As it goes from one process to another."""
        return type(self), (self.code, self.detail), {"where": self.where}


class Transient(BusError):
    """Something is away for now; the same attempt may succeed later, and nothing is known to have failed."""

    for_logs = True


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a configuration file: where it stands, what is wrong and how to mend it."""

    file: str
    key: str
    wrong: str
    fix: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key}: {self.wrong}. {self.fix}"


class Misconfigured(BusError):
    """A configuration cannot be used; it carries every mistake found, not only the first."""

    for_logs = True

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class NotUnderstood(ValueError):
    """A value that no question can be made of; the sentence says why, and what was perhaps meant."""
