"""What the ledger's tables hold, as values: a verdict, an accepted letter, a consignment."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any, Self

from bus.errors import RefusalCode
from bus.identifiers import AgencyCode, ContentDigest, LetterId
from bus.thai import comparable


@dataclass(frozen=True, slots=True)
class Verdict:
    """The stored answer to a submission; `code` is the reason of a refusal, None of an acceptance."""

    entry: int
    digest: ContentDigest | None
    code: str | None
    answer: int

    def binds_other(self, digest: ContentDigest) -> bool:
        """Whether it binds the id to another content than this.

        What was refused for its version alone may be written in another version, which has another digest.
        """
        return self.digest != digest and self.code != RefusalCode.TYPE_UNREAD_VERSION


@dataclass(frozen=True, slots=True)
class LetterRow:
    """An accepted letter as the ledger's index has it."""

    letter: int
    sender: AgencyCode
    letter_id: LetterId
    digest: ContentDigest
    number: str | None
    number_normalised: str | None
    dated: str
    speed: str
    acknowledgement: str
    accepted_at: str
    receipt_due: str
    registration_due: str | None
    subject: str | None = None
    certificate: str | None = None
    """SHA-256 of the certificate that its signature was checked against."""

    def columns(self) -> dict[str, Any]:
        """What the table holds: all of this, and the form in which the subject is looked for."""
        form = None if self.subject is None else comparable(self.subject)
        return {name: getattr(self, name) for name in _OF_LETTER} | {"subject_comparable": form}


_OF_LETTER = tuple(one.name for one in fields(LetterRow))


@dataclass(frozen=True, slots=True)
class Head:
    """A signed head of the tree: how many entries, their root, when it was signed, and the note itself."""

    size: int
    at: str
    root: bytes
    note: str


@dataclass(frozen=True, slots=True)
class Consignment:
    """One numbered thing for one inbox, with its bytes."""

    agency: AgencyCode
    number: int
    entry: int
    letter: int | None
    type: str
    headers: dict[str, Any]
    body: bytes
    repeat: bool = False
    """Whether it was confirmed before and is only said again."""

    @classmethod
    def of(cls, row: Any, body: bytes) -> Self:
        """Return a row of the consignments with the bytes of its document as a value."""
        headers = json.loads(row.headers)
        return cls(row.agency, row.number, row.entry, row.letter, row.type, headers, body)
