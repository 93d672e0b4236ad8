"""Rows of the outbox: what they hold, and what is done with one inside somebody's transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, bindparam, insert, or_, select, update

from adapters.mailbox.pings import answers_ping
from adapters.mailbox.prepared import Prepared, Row
from adapters.mailbox.tables import news, notices, outbox, outbox_files
from bus.errors import BusError, RefusalCode
from bus.identifiers import AgencyCode, ContentDigest, LetterId, RawDigest
from bus.thai import now


class OutboxState(StrEnum):
    """How far an outgoing document has come."""

    WAITING = "waiting"
    SEALED = "sealed"
    SENT = "sent"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    PARKED = "parked"


REPORT = "report"
"""A row that is about this adapter itself, and not about a letter."""
LONGEST_PAUSE = 900.0
"""Seconds between two attempts, at the most."""
UNANSWERED = (OutboxState.WAITING, OutboxState.SEALED, OutboxState.SENT)


class AlreadyPut(BusError):
    """The same reference or document id was put in before, with other content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEntry:
    """One row of the outbox."""

    id: int
    type: str
    reference: str
    document_id: str
    letter_id: LetterId | None
    """Of a notice: the letter that it is about."""
    content_key: str
    document: bytes
    digest: ContentDigest
    raw: bytes | None
    raw_sha256: RawDigest | None
    sealed_with: str | None
    number: str | None
    date: str | None
    subject: str | None
    summary: str
    state: OutboxState
    attempts: int
    next_attempt_at: float
    last_error: str | None
    created_at: str
    answered_at: str | None
    verdict: bytes | None
    entry: int | None
    recipients: tuple[AgencyCode, ...]
    """The recipients that the bus froze when it accepted the letter."""
    flags: str | None
    """What the bus noticed about it (`same-number`, `held`, …), joined by commas."""
    refusal: str | None
    refusal_detail: str | None

    @property
    def own_letter_id(self) -> LetterId:
        """Of a letter: what the document's id is."""
        return LetterId(self.document_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxFile:
    """A file of an outgoing letter."""

    position: int
    name: str
    sha256: RawDigest
    size: int
    uploaded_at: float | None
    """When the depot was last seen to have it (Unix time)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipted:
    """What the bus answered to one submission."""

    state: OutboxState
    verdict: bytes | None = None
    entry: int | None = None
    recipients: tuple[AgencyCode, ...] = ()
    flags: str | None = None
    refusal: str | None = None
    refusal_detail: str | None = None

    def repeats(self, row: OutboxEntry) -> bool:
        """Whether it is the refusal that the row has had before."""
        same = (row.refusal, row.refusal_detail) == (self.refusal, self.refusal_detail)
        return same and self.state is OutboxState.REFUSED


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What came of one attempt to send a row."""

    row: OutboxEntry
    """As it was when it was sent."""
    next_attempt_at: float
    error: str | None = None
    """Why it is not known whether the broker has it; None if it has confirmed."""
    uploaded: Mapping[int, float] = field(default_factory=dict)
    """When the depot took which file (position, Unix time)."""
    refused: Receipted | None = None
    """Why it will not be submitted as it is: the depot, or a proxy, does not take a file of it."""


def by_raw_sha256(connection: Connection, raw_sha256: RawDigest | None) -> OutboxEntry | None:
    """The row whose signed bytes have this SHA-256."""
    row = _BY_RAW_SHA256.first(connection, {"raw_sha256": raw_sha256})
    return outgoing(row) if row else None


def by_letter(
    connection: Connection, letter_id: LetterId, digest: ContentDigest | None
) -> OutboxEntry | None:
    """This agency's own letter of that id and digest."""
    row = _BY_LETTER.first(connection, {"document": letter_id, "digest": digest})
    return outgoing(row) if row else None


def by_document(connection: Connection, document_id: str) -> OutboxEntry | None:
    """The row of this document id."""
    row = _BY_DOCUMENT.first(connection, {"document": document_id})
    return outgoing(row) if row else None


def by_reference(connection: Connection, reference: str) -> OutboxEntry | None:
    """The row of this reference of the office."""
    row = connection.execute(select(outbox).where(outbox.c.reference == reference)).mappings().first()
    return outgoing(row) if row else None


def answer(
    connection: Connection,
    row: OutboxEntry,
    receipted: Receipted,
    arrival: int | None,
    *,
    told: bool = False,
    under: str | None = None,
) -> None:
    """Remember the answer of the bus, or of the way to it, and make it news for the office's system.

    `told`: it was told the same before, and this is no news; `under`: what was known of this adapter's certificate when
    it came.
    """
    at = now().isoformat()
    answered = {
        "row": row.id,
        "to_state": receipted.state,
        "to_verdict": receipted.verdict,
        "to_entry": receipted.entry,
        "to_recipients": json.dumps(receipted.recipients),
        "to_flags": receipted.flags,
        "to_refusal": receipted.refusal,
        "to_refusal_detail": receipted.refusal_detail,
        "to_answered_at": at,
        "to_under": under,
    }
    _ANSWER.run(connection, answered)
    void = receipted.state == OutboxState.REFUSED
    if void:
        show_anew(connection, row.id)
    if row.type == "notice":
        _ANSWERED_NOTICE.run(connection, {"row": row.id, "to_void": void, "to_entry": receipted.entry})
    if row.type != REPORT and not told and not answers_ping(connection, row.id):
        # What the machines say to each other is no news for an office.
        _NEWS.run(connection, {"kind": "answer", "outbox": row.id, "arrival": arrival, "at": at})


def unseal(connection: Connection, row: int) -> None:
    """Have a document sealed anew, with its id and its content as they are, and sent as if it had not been."""
    connection.execute(_UNSEAL, {"row": row})
    connection.execute(update(notices).where(notices.c.outbox == row).values(void=False))


def show_anew(connection: Connection, row: int) -> None:
    """Forget that the depot has the files of a row: whatever letter names one next brings it again."""
    connection.execute(_SHOW_ANEW, {"row": row})


def same(connection: Connection, values: Mapping[str, Any]) -> OutboxEntry | None:
    """The row that was put in before under this reference or id; AlreadyPut if its content is another."""
    keys = {"reference": values["reference"], "document": values["document_id"]}
    for row in _SAME.all(connection, keys):
        if row["content_key"] != values["content_key"]:
            raise AlreadyPut(
                f"reference {row['reference']} stands for another content already (document {row['document_id']})"
            )
        return outgoing(row)
    return None


def add(connection: Connection, values: Mapping[str, Any]) -> int:
    """Add a row that `same` did not find, and give its number."""
    return int(_ADD.one(connection, values)[0])


def one(connection: Connection, row: int) -> OutboxEntry:
    """The row of this number, which is there."""
    return outgoing(_ONE.one(connection, {"row": row}))


def of_the_seal(refusal: str | None) -> bool:
    """Whether the bus refused a key or a signature, and not what was sealed with it."""
    return refusal in set(RefusalCode) and RefusalCode(str(refusal)).of_the_seal


def outgoing(row: Row) -> OutboxEntry:
    """A row as a value."""
    values = {name: row[name] for name in OutboxEntry.__slots__}
    values["state"] = OutboxState(row["state"])
    values["recipients"] = tuple(json.loads(row["recipients"] or "[]"))
    return OutboxEntry(**values)


# Asked for every letter, and so built once.
_BY_RAW_SHA256 = Prepared(select(outbox).where(outbox.c.raw_sha256 == bindparam("raw_sha256")))
_OF_DOCUMENT = select(outbox).where(outbox.c.document_id == bindparam("document"))
_BY_DOCUMENT = Prepared(_OF_DOCUMENT)
_BY_LETTER = Prepared(_OF_DOCUMENT.where(outbox.c.type == "letter", outbox.c.digest == bindparam("digest")))
_ONE = Prepared(select(outbox).where(outbox.c.id == bindparam("row")))
_SAME = Prepared(
    select(outbox).where(
        or_(outbox.c.reference == bindparam("reference"), outbox.c.document_id == bindparam("document"))
    )
)
_ADD = Prepared(insert(outbox).returning(outbox.c.id))
_ANSWER = Prepared(
    update(outbox)
    .where(outbox.c.id == bindparam("row"))
    .values(
        state=bindparam("to_state"),
        verdict=bindparam("to_verdict"),
        entry=bindparam("to_entry"),
        recipients=bindparam("to_recipients"),
        flags=bindparam("to_flags"),
        refusal=bindparam("to_refusal"),
        refusal_detail=bindparam("to_refusal_detail"),
        answered_at=bindparam("to_answered_at"),
        refused_under=bindparam("to_under"),
        last_error=None,
    )
)
_UNSEAL = (
    update(outbox)
    .where(outbox.c.id == bindparam("row"))
    .values(
        state=OutboxState.WAITING,
        raw=None,
        raw_sha256=None,
        sealed_with=None,
        attempts=0,
        next_attempt_at=0.0,
        last_error=None,
    )
)
_ANSWERED_NOTICE = Prepared(
    update(notices)
    .where(notices.c.outbox == bindparam("row"))
    .values(void=bindparam("to_void"), entry=bindparam("to_entry"))
)
_NEWS = Prepared(insert(news))
_SHOW_ANEW = (
    update(outbox_files)
    .where(
        outbox_files.c.sha256.in_(
            select(outbox_files.c.sha256).where(outbox_files.c.outbox == bindparam("row"))
        )
    )
    .values(uploaded_at=None)
)
