"""What was said about letters: the recipients' receipts and registrations, the bus's deadlines, our own acts.

A notice of a machine is identified by what it says and not by its id: the same receipt, made again after a restore,
is the same fact. A clerk's notice is identified by its id, and superseded by one that names it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import Connection, String, and_, bindparam, insert, or_, select

from adapters.mailbox import entries
from adapters.mailbox.database import Database
from adapters.mailbox.drafts import Sealed, notice_values
from adapters.mailbox.entries import OutboxEntry
from adapters.mailbox.prepared import Prepared, Row
from adapters.mailbox.tables import news, notices, outbox
from bus.documents.lifecycle import ONCE, PASSED
from bus.documents.notice import Event, Notice
from bus.identifiers import AgencyCode, ContentDigest, LetterId

_BY_THE_BUS = (Event.ACCEPTED, *PASSED)
_RECEIPTS = UUID("6d0f1f0e-5f6c-5d0b-9f0b-0c3c7f4f5a51")
"""Name space (RFC 9562, section 5.5) of the ids of machine notices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRow:
    """One row of the notices: what of it a list shows and a state depends on."""

    id: int
    notice_id: str
    arrival: int | None
    outbox: int | None
    event: str
    author: AgencyCode
    about: tuple[AgencyCode, ...]
    letter_id: LetterId | None
    letter_digest: ContentDigest | None
    event_time: str
    supersedes: str | None
    receiving_number: str | None
    receiving_year: int | None
    receiving_unit: str | None
    registered_at: str | None
    officer: str | None
    reason_code: str | None
    reason_text: str | None
    suggested_receiver: AgencyCode | None
    successor: AgencyCode | None
    other_means: str | None
    entry: int | None
    void: bool
    """The bus refused it, so nobody else has got it."""


class Notices:
    """Notices in both directions; rows are added and never removed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def say(self, notice: Notice, reference: str, content_key: str | None = None) -> OutboxEntry:
        """Put an act of a clerk into the outbox; the same reference with the same content is the same act.

        `content_key` says what its content is, where the notice also holds what differs each time it is made.
        """
        with self._database.writing() as connection:
            row = say(connection, notice, reference, content_key)
            self._database.added(outbox)
        return row

    def about(
        self,
        letter_id: LetterId,
        digest: ContentDigest | None = None,
        *,
        authors: Collection[str] | None = None,
    ) -> list[NoticeRow]:
        """Everything said about a letter (by these authors), in the order of the ledger.

        Notices come in another order than they were entered, after a restore or through two routers. What the
        bus has not entered yet stands where it was said.
        """
        keys: dict[str, Any] = {"letter": letter_id, "digest": digest}
        if authors is None:
            return _in_order(self._database.rows(_ABOUT, row_of, keys))
        return _in_order(self._database.rows(_ABOUT_BY, row_of, keys | {"authors": list(authors)}))

    def get(self, row: int) -> NoticeRow:
        """The row of this number, which is there."""
        with self._database.reading() as connection:
            return row_of(_ONE.one(connection, {"row": row}))


def machine_notice_id(event: str, digest: ContentDigest, recipient: AgencyCode) -> UUID:
    """The id of a machine's notice, the same whenever it is made again."""
    return uuid5(_RECEIPTS, f"{event}\n{digest}\n{recipient}")


def identity_of(notice: Notice) -> str:
    """What makes two notices one and the same."""
    about = ",".join(sorted(notice.about))
    subject = notice.letter_digest or notice.submission_digest
    if notice.event in _BY_THE_BUS:
        # A circular's recipients are many: their codes, hashed.
        return f"{notice.event}:{subject}:{hashlib.sha256(about.encode()).hexdigest()}"
    if notice.event in ONCE:
        return f"{notice.event}:{subject}:{notice.author}"
    return f"{notice.author}:{notice.notice_id}"


def say(
    connection: Connection,
    notice: Notice,
    reference: str,
    content_key: str | None = None,
    sealed: Sealed | None = None,
) -> OutboxEntry:
    """Put a notice into the outbox, in the caller's transaction; a repeat is the row that is there.

    `content_key`: of a machine's notice, whose id is made of what it says. The one that the bus has given back, after a
    restore, may differ in its time and is the same.
    `sealed`: the notice with its seal, where that is made at once.
    """
    if content_key and (given_back := entries.by_document(connection, str(notice.notice_id))):
        return given_back
    values = notice_values(notice, reference, content_key, sealed)
    if known := entries.same(connection, values):
        return known
    row = entries.add(connection, values)
    record(connection, notice, outbox=row)
    return entries.one(connection, row)


def record(
    connection: Connection,
    notice: Notice,
    *,
    arrival: int | None = None,
    outbox: int | None = None,
    entry: int | None = None,
    is_news: bool = False,
) -> int | None:
    """Remember a notice, as news if it is some for the office; None if it was known."""
    identity = identity_of(notice)
    keys = {"identity": identity, "notice": str(notice.notice_id), "from": notice.author}
    if _KNOWN.first(connection, keys):
        return None
    values = _values(notice) | {"identity": identity, "arrival": arrival, "outbox": outbox, "entry": entry}
    row = int(_ADD.one(connection, values)[0])
    if is_news:
        at = notice.event_time.isoformat()
        _NEWS.run(connection, {"kind": "notice", "notice": row, "arrival": arrival, "at": at})
    return row


def _values(notice: Notice) -> dict[str, Any]:
    registration, means = notice.registration, notice.other_means
    values: dict[str, Any] = {
        "notice_id": str(notice.notice_id),
        "event": notice.event,
        "author": notice.author,
        "about": " ".join(notice.about),
        "letter_id": str(notice.letter_id) if notice.letter_id else None,
        "letter_digest": notice.letter_digest,
        "event_time": notice.event_time.isoformat(),
        "supersedes": str(notice.supersedes) if notice.supersedes else None,
        "reason_code": notice.reason_code,
        "reason_text": " / ".join(text.value for text in notice.reason_texts) or None,
        "suggested_receiver": notice.suggested_receiver,
        "successor": notice.successor,
        "other_means": f"{means.code} {means.reference or ''}".strip() if means else None,
        "void": False,
    }
    if registration:
        values |= {
            "receiving_number": registration.number,
            "receiving_year": registration.year,
            "receiving_unit": registration.unit,
            "registered_at": registration.registered_at.isoformat(),
            "officer": registration.officer,
        }
    if notice.officer:
        values["officer"] = ", ".join(filter(None, (notice.officer.name, notice.officer.job_title)))
    return values


def row_of(row: Row) -> NoticeRow:
    """Return the notice of a row of `notices`."""
    values = {name: row[name] for name in NoticeRow.__slots__}
    values["about"] = tuple(row["about"].split())
    values["void"] = bool(row["void"])
    return NoticeRow(**values)


def _in_order(rows: Sequence[NoticeRow]) -> list[NoticeRow]:
    """By entry; what has none comes after all that was known when it was said."""
    places, newest = {}, 0
    for each in rows:
        newest = max(newest, each.entry or 0)
        places[each.id] = (newest, 1) if each.entry is None else (each.entry, 0)
    return sorted(rows, key=lambda each: (*places[each.id], each.id))


# Asked for every notice, and so built once.
_KNOWN = Prepared(
    select(notices.c.id).where(
        or_(
            notices.c.identity == bindparam("identity"),
            and_(notices.c.notice_id == bindparam("notice"), notices.c.author == bindparam("from")),
        )
    )
)
_ADD = Prepared(insert(notices).returning(notices.c.id))
_ONE = Prepared(select(notices).where(notices.c.id == bindparam("row")))
_ABOUT_IT = (
    select(notices)
    .where(
        notices.c.letter_id == bindparam("letter"),
        or_(
            bindparam("digest", type_=String).is_(None),
            notices.c.letter_digest.is_(None),
            notices.c.letter_digest == bindparam("digest"),
        ),
    )
    .order_by(notices.c.id)
)
_ABOUT = Prepared(_ABOUT_IT)
_ABOUT_BY = _ABOUT_IT.where(notices.c.author.in_(bindparam("authors", expanding=True)))
_NEWS = Prepared(insert(news))
