"""What this agency sends: letters and notices, from the moment they are put in until the bus has answered.

A document is put in unsealed; its signed bytes are stored before they are first published, and it is these bytes that
are resent until a verdict is there. No state is ever "failed": what is unknown stays due.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, insert, or_, select, update

from adapters.mailbox.files import FileStore, Fingerprint
from adapters.mailbox.store import Store
from adapters.mailbox.tables import news, notices, outbox, outbox_files
from bus.documents.letter import Letter
from bus.documents.notice import Notice
from bus.documents.xml import build, content_digest, to_bytes
from bus.errors import BusError
from bus.thai import normalise_number, now

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NIL = UUID(int=0)


class Standing(StrEnum):
    """How far an outgoing document has come."""

    WAITING = "waiting"
    SEALED = "sealed"
    SENT = "sent"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    PARKED = "parked"


UNANSWERED = (Standing.WAITING, Standing.SEALED, Standing.SENT)


class AlreadyPut(BusError):
    """The same reference or document id was put in before, with other content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One row of the outbox."""

    id: int
    type: str
    reference: str
    document_id: str
    letter_id: str | None
    """Of a notice: the letter that it is about."""
    content_key: str
    document: bytes
    digest: str
    raw: bytes | None
    submission: str | None
    number: str | None
    date: str | None
    subject: str | None
    summary: str
    state: Standing
    attempts: int
    next_attempt_at: float
    last_error: str | None
    created_at: str
    answered_at: str | None
    verdict: bytes | None
    entry: int | None
    recipients: tuple[str, ...]
    """The recipients that the bus froze when it accepted the letter."""
    refusal: str | None
    refusal_detail: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingFile:
    """A file of an outgoing letter."""

    position: int
    name: str
    sha256: str
    size: int
    uploaded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipted:
    """What the bus answered to one submission."""

    state: Standing
    verdict: bytes | None = None
    entry: int | None = None
    recipients: tuple[str, ...] = ()
    refusal: str | None = None
    refusal_detail: str | None = None


class Outbox:
    """Rows are added once, sealed once and answered; nothing is removed."""

    def __init__(self, store: Store, files: FileStore) -> None:
        self._store = store
        self._files = files

    def put_letter(self, letter: Letter, files: Sequence[Path], reference: str) -> Outgoing:
        """Put a letter in, with its files in the order of `letter.all_files`; the same one again is the same row.

        Raises AlreadyPut when the reference or the LetterID is taken by other content, and FileChanged when a file is
        not the one that the letter states.
        """
        values = _letter_values(letter, reference)
        with self._store.reading() as connection:
            if known := same(connection, values):
                return known
        for file, source in zip(letter.all_files, files, strict=True):
            self._files.take_in(source, Fingerprint(file.digest, file.size))
        with self._store.writing() as connection:
            if known := same(connection, values):
                return known
            row = add(connection, values)
            details = [
                {"outbox": row, "position": position, "name": f.name, "sha256": f.digest, "size": f.size}
                for position, f in enumerate(letter.all_files)
            ]
            connection.execute(insert(outbox_files), details)
            return one(connection, row)

    def seal(self, row: int, raw: bytes, submission: str) -> None:
        """Keep the signed bytes, once: bytes that may have been published are never replaced."""
        with self._store.writing() as connection:
            connection.execute(
                update(outbox)
                .where(outbox.c.id == row, outbox.c.raw.is_(None))
                .values(raw=raw, submission=submission, state=Standing.SEALED)
            )

    def uploaded(self, row: int, position: int) -> None:
        """Remember that the depot has the file."""
        with self._store.writing() as connection:
            connection.execute(
                update(outbox_files)
                .where(outbox_files.c.outbox == row, outbox_files.c.position == position)
                .values(uploaded=True)
            )

    def attempted(self, row: int, *, confirmed: bool, next_attempt_at: float, error: str | None) -> None:
        """Remember an attempt to send; an answer that came meanwhile stands."""
        values: dict[str, Any] = {
            "attempts": outbox.c.attempts + 1,
            "next_attempt_at": next_attempt_at,
            "last_error": error,
        }
        if confirmed:
            values["state"] = Standing.SENT
        with self._store.writing() as connection:
            connection.execute(
                update(outbox).where(outbox.c.id == row, outbox.c.state.in_(UNANSWERED)).values(**values)
            )

    def send_again(self, row: int) -> None:
        """Submit a refused or parked document once more, files included: the same bytes, judged anew."""
        with self._store.writing() as connection:
            connection.execute(
                update(outbox)
                .where(outbox.c.id == row, outbox.c.state.in_((Standing.REFUSED, Standing.PARKED)))
                .values(state=Standing.SEALED, next_attempt_at=0.0, attempts=0, last_error=None)
            )
            connection.execute(
                update(outbox_files).where(outbox_files.c.outbox == row).values(uploaded=False)
            )
            connection.execute(update(notices).where(notices.c.outbox == row).values(void=False))

    def due(self, at: float, limit: int, *, but: Sequence[int] = ()) -> list[Outgoing]:
        """What is to be sent now, longest due first, except the rows in `but`."""
        query = (
            select(outbox)
            .where(outbox.c.state.in_(UNANSWERED), outbox.c.next_attempt_at <= at, outbox.c.id.not_in(but))
            .order_by(outbox.c.next_attempt_at, outbox.c.id)
            .limit(limit)
        )
        with self._store.reading() as connection:
            return [_outgoing(row) for row in connection.execute(query).mappings()]

    def next_due(self, *, but: Sequence[int] = ()) -> float | None:
        """When the next attempt falls due (Unix time), if anything but the rows in `but` is unanswered."""
        query = select(outbox.c.next_attempt_at).where(
            outbox.c.state.in_(UNANSWERED), outbox.c.id.not_in(but)
        )
        with self._store.reading() as connection:
            return connection.execute(query.order_by(outbox.c.next_attempt_at).limit(1)).scalar()

    def get(self, row: int) -> Outgoing:
        """The row of this number, which is there."""
        with self._store.reading() as connection:
            return one(connection, row)

    def find(self, key: str) -> Outgoing | None:
        """The letter or notice with this reference or document id."""
        with self._store.reading() as connection:
            query = select(outbox).where(or_(outbox.c.reference == key, outbox.c.document_id == key))
            found = connection.execute(query).mappings().first()
        return _outgoing(found) if found else None

    def letters(self, number: str | None = None, *, limit: int = 1000) -> list[Outgoing]:
        """Letters, newest first; only those of a number if one is given."""
        query = select(outbox).where(outbox.c.type == "letter").order_by(outbox.c.id.desc()).limit(limit)
        if number is not None:
            query = query.where(outbox.c.number_normal == normalise_number(number))
        with self._store.reading() as connection:
            return [_outgoing(row) for row in connection.execute(query).mappings()]

    def files(self, row: int) -> list[OutgoingFile]:
        """The files of a letter, in order."""
        query = select(outbox_files).where(outbox_files.c.outbox == row).order_by(outbox_files.c.position)
        with self._store.reading() as connection:
            rows = connection.execute(query).mappings().all()
        return [OutgoingFile(**{k: v for k, v in row.items() if k != "outbox"}) for row in rows]


def by_submission(connection: Connection, submission: str) -> Outgoing | None:
    """The row whose signed bytes have this SHA-256."""
    row = connection.execute(select(outbox).where(outbox.c.submission == submission)).mappings().first()
    return _outgoing(row) if row else None


def by_letter(connection: Connection, letter_id: str, digest: str) -> Outgoing | None:
    """This agency's own letter of that id and digest."""
    query = select(outbox).where(
        outbox.c.type == "letter", outbox.c.document_id == letter_id, outbox.c.digest == digest
    )
    row = connection.execute(query).mappings().first()
    return _outgoing(row) if row else None


def answer(connection: Connection, row: Outgoing, receipted: Receipted, arrival: int) -> None:
    """Remember the bus's answer, and make it news for the office's system."""
    connection.execute(
        update(outbox)
        .where(outbox.c.id == row.id)
        .values(
            state=receipted.state,
            verdict=receipted.verdict,
            entry=receipted.entry,
            recipients=json.dumps(receipted.recipients),
            refusal=receipted.refusal,
            refusal_detail=receipted.refusal_detail,
            answered_at=now().isoformat(),
            last_error=None,
        )
    )
    void = receipted.state == Standing.REFUSED
    connection.execute(
        update(notices).where(notices.c.outbox == row.id).values(void=void, entry=receipted.entry)
    )
    connection.execute(
        insert(news).values(kind="answer", outbox=row.id, arrival=arrival, at=now().isoformat())
    )


def notice_values(notice: Notice, reference: str) -> dict[str, Any]:
    """A notice as a row of the outbox."""
    timeless = replace(notice, notice_id=_NIL, event_time=_EPOCH)
    return _values(notice, timeless, reference) | {
        "type": "notice",
        "document_id": str(notice.notice_id),
        "letter_id": str(notice.letter_id) if notice.letter_id else None,
        "summary": notice.event,
    }


def same(connection: Connection, values: Mapping[str, Any]) -> Outgoing | None:
    """The row that was put in before under this reference or id; AlreadyPut if its content is another."""
    query = select(outbox).where(
        or_(outbox.c.reference == values["reference"], outbox.c.document_id == values["document_id"])
    )
    for row in connection.execute(query).mappings():
        if row["content_key"] != values["content_key"]:
            raise AlreadyPut(
                f"reference {row['reference']} stands for another content already (document {row['document_id']})"
            )
        return _outgoing(row)
    return None


def add(connection: Connection, values: Mapping[str, Any]) -> int:
    """Add a row that `same` did not find, and give its number."""
    return int(connection.execute(insert(outbox).values(**values).returning(outbox.c.id)).scalar_one())


def one(connection: Connection, row: int) -> Outgoing:
    """The row of this number, which is there."""
    return _outgoing(connection.execute(select(outbox).where(outbox.c.id == row)).mappings().one())


def _letter_values(letter: Letter, reference: str) -> dict[str, Any]:
    return _values(letter, replace(letter, sent_at=_EPOCH), reference) | {
        "type": "letter",
        "document_id": str(letter.letter_id),
        "letter_id": str(letter.letter_id),
        "number": letter.number,
        "number_normal": normalise_number(letter.number) if letter.number else None,
        "date": letter.date.isoformat(),
        "subject": letter.content.subject if letter.content else None,
        "summary": letter.kind,
    }


def _values(document: Letter | Notice, timeless: Letter | Notice, reference: str) -> dict[str, Any]:
    """What both types share; `timeless` is the document without what differs each time it is written anew."""
    tree = build(document)
    return {
        "reference": reference,
        "content_key": content_digest(build(timeless)),
        "document": to_bytes(tree),
        "digest": content_digest(tree),
        "state": Standing.WAITING,
        "created_at": now().isoformat(),
    }


def _outgoing(row: RowMapping) -> Outgoing:
    values = {name: row[name] for name in Outgoing.__slots__}
    values["state"] = Standing(row["state"])
    values["recipients"] = tuple(json.loads(row["recipients"] or "[]"))
    return Outgoing(**values)
