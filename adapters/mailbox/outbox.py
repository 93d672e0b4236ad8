"""What this agency sends: letters and notices, from the moment they are put in until the bus has answered.

A document is put in unsealed; its signed bytes are stored before they are first published, and it is these bytes that
are resent until a verdict is there. No state is ever "failed": what is unknown stays due.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from sqlalchemy import String, bindparam, func, insert, or_, select, update

from adapters.mailbox.database import Database
from adapters.mailbox.drafts import letter_values, report_values
from adapters.mailbox.due import DUE, NEXT_DUE
from adapters.mailbox.entries import (
    LONGEST_PAUSE,
    REPORT,
    UNANSWERED,
    Attempt,
    OutboxEntry,
    OutboxFile,
    OutboxState,
    add,
    answer,
    of_the_seal,
    one,
    outgoing,
    same,
    show_anew,
    unseal,
)
from adapters.mailbox.files import FileStore, Fingerprint
from adapters.mailbox.keys import KeyState
from adapters.mailbox.prepared import Prepared, any_of
from adapters.mailbox.tables import notices, outbox, outbox_files
from bus.documents.letter import Letter
from bus.identifiers import ContentDigest, LetterId, RawDigest
from bus.thai import comparable, normalise_number


class Outbox:
    """Rows are added once, sealed once and answered; nothing is removed."""

    def __init__(self, database: Database, files: FileStore) -> None:
        self._database = database
        self._files = files

    def put_letter(self, letter: Letter, files: Sequence[Path], reference: str) -> OutboxEntry:
        """Put a letter in, with its files in the order of `letter.all_files`; the same one again is the same row.

        Raises AlreadyPut when the reference or the LetterID is taken by other content, and FileChanged when a file is
        not the one that the letter states.
        """
        values = letter_values(letter, reference)
        with self._database.reading() as connection:
            if known := same(connection, values):
                return known
        self.take_files(letter, files)
        with self._database.writing() as connection:
            if known := same(connection, values):
                return known
            row = add(connection, values)
            details = [
                {"outbox": row, "position": position, "name": f.name, "sha256": f.digest, "size": f.size}
                for position, f in enumerate(letter.all_files)
            ]
            _ADD_FILES.many(connection, details)
            self._database.added(outbox)
            return one(connection, row)

    def take_files(self, letter: Letter, files: Sequence[Path]) -> None:
        """Copy the files of a letter that is to be put in, which then takes no time; FileChanged as there."""
        for file, source in zip(letter.all_files, files, strict=True):
            self._files.take_in(source, Fingerprint(file.digest, file.size))

    def seal(
        self,
        row: OutboxEntry,
        raw: bytes,
        raw_sha256: RawDigest,
        sealed_with: str | None = None,
        digest: ContentDigest | None = None,
    ) -> OutboxEntry:
        """Keep the signed bytes, and give the row with them: what was published is replaced only after a refusal.

        `digest`: of the content in the version that was sealed, if it is another than it was put in with.
        """
        digest = digest or row.digest
        values = {"key": row.id, "raw": raw, "raw_sha256": raw_sha256, "with": sealed_with, "digest": digest}
        with self._database.writing() as connection:
            if not _SEAL.run(connection, values):
                return one(connection, row.id)
        sealed = replace(row, raw=raw, raw_sha256=raw_sha256, sealed_with=sealed_with, digest=digest)
        return replace(sealed, state=OutboxState.SEALED)

    def seal_anew(self, key: KeyState) -> int:
        """Send again what was refused for its seal, if something is known of the key that was not known then.

        Give how many that are. The same refusal, once more, is no news then.
        """
        since = or_(outbox.c.refused_under.is_(None), outbox.c.refused_under != str(key))
        refused = select(outbox.c.id, outbox.c.refusal).where(outbox.c.state == OutboxState.REFUSED, since)
        with self._database.writing() as connection:
            rows = [row.id for row in connection.execute(refused) if of_the_seal(row.refusal)]
            for row in rows:
                unseal(connection, row)
            return len(rows)

    def attempted(self, attempts: Sequence[Attempt]) -> bool:
        """Remember attempts to send, in one transaction; give whether that may have made something due at once.

        An answer that came meanwhile stands, whatever it asks for.
        """
        is_due = any(each.refused for each in attempts)
        with self._database.writing() as connection:
            for each in attempts:
                row = one(connection, each.row.id)
                if any(getattr(row, name) != getattr(each.row, name) for name in _BY_ANSWERS):
                    is_due = True
                    continue
                for position, at in each.uploaded.items():
                    _UPLOADED.run(connection, {"row": row.id, "file": position, "at": at})
                values = {"key": row.id, "due": each.next_attempt_at, "error": each.error}
                (_CONFIRMED if each.error is None else _FAILED).run(connection, values)
                if each.refused and row.state in UNANSWERED:
                    answer(connection, row, each.refused, None, told=each.refused.repeats(row))
        return is_due

    def put_report(self, report_id: str, octets: bytes, summary: str) -> None:
        """Put in what this adapter says about itself: it is sealed and sent until the bus has answered."""
        with self._database.writing() as connection:
            add(connection, report_values(report_id, octets, summary))
            self._database.added(outbox)

    def send_again(self, row: int) -> None:
        """Submit a refused or parked document once more, files included; sealed anew if it was refused for its seal.

        Whoever asks for it is told of the answer, even if that is the same once more.
        """
        again = (OutboxState.REFUSED, OutboxState.PARKED)
        values = {"state": OutboxState.SEALED, "next_attempt_at": 0.0, "attempts": 0, "last_error": None}
        with self._database.writing() as connection:
            known = one(connection, row)
            if known.state in again and (known.raw is None or of_the_seal(known.refusal)):
                unseal(connection, row)
            this = update(outbox).where(outbox.c.id == row, outbox.c.state.in_(again))
            connection.execute(this.values(**values))
            asked = update(outbox).where(outbox.c.id == row, outbox.c.state.in_(UNANSWERED))
            connection.execute(asked.values(refusal=None, refusal_detail=None))
            show_anew(connection, row)
            connection.execute(update(notices).where(notices.c.outbox == row).values(void=False))
            self._database.added(outbox)

    def due(
        self, at: float, limit: int, *, but: Sequence[int] = (), longest: float = LONGEST_PAUSE
    ) -> list[OutboxEntry]:
        """What is to be sent now, longest due first, except the rows in `but`.

        What is due later than the longest pause was put off by a clock that was ahead, and is due now.
        """
        values = {"at": at, "but": list(but), "most": limit, "bound": at + longest}
        return self._database.rows(DUE, outgoing, values)

    def next_due(self, *, but: Sequence[int] = ()) -> float | None:
        """When the next attempt falls due (Unix time), if anything but the rows in `but` is unanswered."""
        return self._database.scalar(NEXT_DUE, {"but": list(but)})

    def reporting(self) -> bool:
        """Whether something that this adapter says about itself is on its way."""
        query = select(outbox.c.id).where(outbox.c.type == REPORT, outbox.c.state.in_(UNANSWERED))
        return self._database.scalar(query.limit(1)) is not None

    def oldest(self, states: Collection[OutboxState]) -> str | None:
        """When the oldest of the documents in these states was put in, or refused before it was sent again."""
        since = func.max(outbox.c.created_at, func.coalesce(outbox.c.answered_at, ""))
        return self._database.scalar(select(func.min(since)).where(outbox.c.state.in_(states)))

    def get(self, row: int) -> OutboxEntry:
        """The row of this number, which is there."""
        with self._database.reading() as connection:
            return one(connection, row)

    def lookup(self, row: int) -> OutboxEntry | None:
        """The row of this number, None where there is none."""
        return self._database.first(select(outbox).where(outbox.c.id == row), outgoing)

    def find(self, key: str) -> OutboxEntry | None:
        """The letter or notice with this reference or document id."""
        return self._database.first(_FIND, outgoing, {"key": key})

    def letter(
        self, *, letter_id: LetterId | None = None, reference: str | None = None
    ) -> OutboxEntry | None:
        """The letter of ours with this id and this reference, whichever is given.

        A person has typed the reference: where none is so written, the only one that looks like it is meant.
        """
        letters = select(outbox).where(outbox.c.type == "letter")
        if letter_id is not None:
            letters = letters.where(outbox.c.document_id == letter_id)
        queries = [letters]
        if reference is not None:
            queries = [
                letters.where(outbox.c.reference == reference),
                letters.where(func.comparable(outbox.c.reference) == comparable(reference)),
            ]
        with self._database.reading() as connection:
            for query in queries:
                if found := connection.execute(query.limit(2)).mappings().all():
                    return outgoing(found[0]) if len(found) == 1 else None
        return None

    def letters(self, number: str | None = None, *, limit: int = 1000) -> list[OutboxEntry]:
        """Letters, newest first; only those of a number if one is given."""
        query = select(outbox).where(outbox.c.type == "letter").order_by(outbox.c.id.desc()).limit(limit)
        if number is not None:
            query = query.where(outbox.c.number_normal == normalise_number(number))
        return self._database.rows(query, outgoing)

    def counts(self) -> dict[str, dict[str, int]]:
        """How many letters and notices there are in each state."""
        query = select(outbox.c.type, outbox.c.state, func.count()).group_by(outbox.c.type, outbox.c.state)
        counted: dict[str, dict[str, int]] = {"letter": {}, "notice": {}, REPORT: {}}
        with self._database.reading() as connection:
            for kind, state, count in connection.execute(query):
                counted[kind][state] = count
        return counted

    def troubled(self, limit: int = 100) -> list[OutboxEntry]:
        """What the last attempt could not send, what the bus refused and what it has parked; newest first."""
        query = select(outbox).where(
            or_(
                outbox.c.last_error.is_not(None),
                outbox.c.state.in_((OutboxState.REFUSED, OutboxState.PARKED)),
            )
        )
        return self._database.rows(query.order_by(outbox.c.id.desc()).limit(limit), outgoing)

    def files(self, row: int) -> list[OutboxFile]:
        """The files of a letter, in order."""
        return self.files_of([row])[row]

    def files_of(self, rows: Sequence[int]) -> dict[int, list[OutboxFile]]:
        """The files of several documents, each one's in order."""
        found: dict[int, list[OutboxFile]] = {row: [] for row in rows}
        with self._database.reading() as connection:
            for row, *values in _FILES.all(connection, {"rows": list(rows)}):
                found[row].append(OutboxFile(**dict(zip(OutboxFile.__slots__, values, strict=True))))
        return found

    def shown(self, files: Collection[RawDigest], since: float) -> set[RawDigest]:
        """Those of these files that the depot has taken since then, with whichever letter; not in the future."""
        values = {"files": list(files), "since": since, "now": time.time()}
        with self._database.reading() as connection:
            return {row["sha256"] for row in _SHOWN.all(connection, values)}


_BY_ANSWERS = ("refusal", "attempts", "raw_sha256")
"""What an answer changes that has a document brought or sealed anew: no attempt of before counts after it."""
# Asked for every letter, and so built once.
_ADD_FILES = Prepared(insert(outbox_files))
_KEY = bindparam("key", type_=String)
_FIND = Prepared(select(outbox).where(or_(outbox.c.reference == _KEY, outbox.c.document_id == _KEY)))
_SEAL = Prepared(
    update(outbox)
    .where(outbox.c.id == bindparam("key"), outbox.c.raw.is_(None))
    .values(
        raw=bindparam("raw"),
        raw_sha256=bindparam("raw_sha256"),
        sealed_with=bindparam("with"),
        digest=bindparam("digest"),
        state=OutboxState.SEALED,
    )
)
_UPLOADED = Prepared(
    update(outbox_files)
    .where(outbox_files.c.outbox == bindparam("row"), outbox_files.c.position == bindparam("file"))
    .values(uploaded_at=bindparam("at"))
)
_TRIED = (
    update(outbox)
    .where(outbox.c.id == bindparam("key"), outbox.c.state.in_(UNANSWERED))
    .values(attempts=outbox.c.attempts + 1, next_attempt_at=bindparam("due"), last_error=bindparam("error"))
)
_FAILED, _CONFIRMED = Prepared(_TRIED), Prepared(_TRIED.values(state=OutboxState.SENT))
_FILES = Prepared(
    select(outbox_files.c.outbox, *(outbox_files.c[name] for name in OutboxFile.__slots__))
    .where(outbox_files.c.outbox.in_(any_of("rows")))
    .order_by(outbox_files.c.outbox, outbox_files.c.position)
)
_SHOWN = Prepared(
    select(outbox_files.c.sha256).where(
        outbox_files.c.sha256.in_(any_of("files")),
        outbox_files.c.uploaded_at.between(bindparam("since"), bindparam("now")),
    )
)
