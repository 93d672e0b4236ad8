"""What this agency sends: letters and notices, from the moment they are put in until the bus has answered.

A document is put in unsealed; its signed bytes are stored before they are first published, and it is these bytes that
are resent until a verdict is there. No state is ever "failed": what is unknown stays due.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, or_, select, update

from adapters.mailbox.files import FileStore, Fingerprint
from adapters.mailbox.store import Store
from adapters.mailbox.submissions import (
    UNANSWERED,
    Outgoing,
    OutgoingFile,
    Standing,
    add,
    letter_values,
    one,
    outgoing,
    same,
)
from adapters.mailbox.tables import notices, outbox, outbox_files
from bus.documents.letter import Letter
from bus.thai import normalise_number


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
        values = letter_values(letter, reference)
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
            put = one(connection, row)
        self._store.added()
        return put

    def seal(self, row: int, raw: bytes, submission: str) -> None:
        """Keep the signed bytes, once: bytes that may have been published are never replaced."""
        with self._store.writing() as connection:
            connection.execute(
                update(outbox)
                .where(outbox.c.id == row, outbox.c.raw.is_(None))
                .values(raw=raw, submission=submission, state=Standing.SEALED)
            )

    def uploaded(self, row: int, position: int, at: float) -> None:
        """Remember that the depot has the file."""
        with self._store.writing() as connection:
            connection.execute(
                update(outbox_files)
                .where(outbox_files.c.outbox == row, outbox_files.c.position == position)
                .values(uploaded_at=at)
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
                update(outbox_files).where(outbox_files.c.outbox == row).values(uploaded_at=None)
            )
            connection.execute(update(notices).where(notices.c.outbox == row).values(void=False))
        self._store.added()

    def due(self, at: float, limit: int, *, but: Sequence[int] = ()) -> list[Outgoing]:
        """What is to be sent now, longest due first, except the rows in `but`."""
        query = (
            select(outbox)
            .where(outbox.c.state.in_(UNANSWERED), outbox.c.next_attempt_at <= at, outbox.c.id.not_in(but))
            .order_by(outbox.c.next_attempt_at, outbox.c.id)
            .limit(limit)
        )
        with self._store.reading() as connection:
            return [outgoing(row) for row in connection.execute(query).mappings()]

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
        return outgoing(found) if found else None

    def letters(self, number: str | None = None, *, limit: int = 1000) -> list[Outgoing]:
        """Letters, newest first; only those of a number if one is given."""
        query = select(outbox).where(outbox.c.type == "letter").order_by(outbox.c.id.desc()).limit(limit)
        if number is not None:
            query = query.where(outbox.c.number_normal == normalise_number(number))
        with self._store.reading() as connection:
            return [outgoing(row) for row in connection.execute(query).mappings()]

    def counts(self) -> dict[str, dict[str, int]]:
        """How many letters and notices there are in each state."""
        query = select(outbox.c.type, outbox.c.state, func.count()).group_by(outbox.c.type, outbox.c.state)
        counted: dict[str, dict[str, int]] = {"letter": {}, "notice": {}}
        with self._store.reading() as connection:
            for kind, state, count in connection.execute(query):
                counted[kind][state] = count
        return counted

    def troubled(self, limit: int = 100) -> list[Outgoing]:
        """What the last attempt could not send, what the bus refused and what it has parked; newest first."""
        query = select(outbox).where(
            or_(outbox.c.last_error.is_not(None), outbox.c.state.in_((Standing.REFUSED, Standing.PARKED)))
        )
        with self._store.reading() as connection:
            rows = connection.execute(query.order_by(outbox.c.id.desc()).limit(limit)).mappings()
            return [outgoing(row) for row in rows]

    def files(self, row: int) -> list[OutgoingFile]:
        """The files of a letter, in order."""
        query = select(outbox_files).where(outbox_files.c.outbox == row).order_by(outbox_files.c.position)
        with self._store.reading() as connection:
            rows = connection.execute(query).mappings().all()
        return [OutgoingFile(**{k: v for k, v in row.items() if k != "outbox"}) for row in rows]
