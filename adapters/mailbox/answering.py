"""What the bus's answers do to what this mailbox has sent.

An answer belongs to a document by the document's id and content digest, whatever bytes it was sealed into: a mailbox
that was brought back from a backup seals anew what was sealed before. Only what the bus could not read is known by its
bytes alone. Of two answers the one with the higher entry of the ledger counts, in whatever order they come.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import Connection, update

from adapters.mailbox import entries
from adapters.mailbox.arrivals import LOST, conclude
from adapters.mailbox.entries import OutboxEntry, OutboxState, Receipted, of_the_seal
from adapters.mailbox.keys import KeyState
from adapters.mailbox.messages import Arrival, ArrivalState
from adapters.mailbox.notices import record
from adapters.mailbox.tables import outbox
from bus.documents.lifecycle import ONCE
from bus.documents.notice import Notice
from bus.errors import RefusalCode, Refused
from bus.identifiers import ContentDigest, as_letter_id

_WHILE_ASKED = 300.0
"""Seconds until a letter is sent again of which the bus says that it was accepted before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """The bus's unsigned word that something is in the ledger."""

    entry: int
    id: str
    digest: ContentDigest
    report: bool
    """Whether it answers what the adapter said of itself, and not a notice about a letter."""


def take_verdict(
    connection: Connection, arrival: Arrival, receipted: Receipted, notice: Notice, key: KeyState | None
) -> bool:
    """Take a verdict, and give whether something is to be sent now that had to wait for it.

    An acceptance is final: a later refusal of the same content is Refused here (P5). A refusal gives way to an
    acceptance, and is followed by another attempt if it was another key's.
    """
    row = _answered(connection, arrival, notice)
    if row is None:
        # The bus does not err: this mailbox has lost what it sent, or has sealed it anew since.
        _unplaced(connection, arrival, lost=receipted.state is OutboxState.ACCEPTED)
    elif _is_older(row, receipted) or (receipted.state, receipted.verdict) == (row.state, row.verdict):
        conclude(connection, arrival.id, ArrivalState.DUPLICATE)
    elif row.state is OutboxState.ACCEPTED:
        if receipted.state is not row.state:
            raise Refused(RefusalCode.NOTICE_NOT_YOURS_TO_SAY, "was accepted before")
        conclude(connection, arrival.id, ArrivalState.DUPLICATE)
    else:
        due = _settle(connection, arrival, row, receipted, notice, key)
        conclude(connection, arrival.id, ArrivalState.DONE)
        return due
    return False


def _settle(
    connection: Connection,
    arrival: Arrival,
    row: OutboxEntry,
    receipted: Receipted,
    notice: Notice,
    key: KeyState | None,
) -> bool:
    refused = receipted.state is OutboxState.REFUSED
    accepted = arrival.number("accepted")
    if refused and receipted.refusal == RefusalCode.ID_CONFLICT and accepted and row.type == "letter":
        _wait_for_copy(connection, row, receipted, accepted)
        return False
    if refused and key and of_the_seal(receipted.refusal) and row.sealed_with != key.fingerprint:
        entries.unseal(connection, row.id)
        return True
    if refused and receipted.refusal == RefusalCode.FILE_MISSING:
        # The depot had them once: it was brought back from a copy of before. What is refused again is refused; but one
        # that comes before the files are there again is about a submission of before.
        if row.refusal != RefusalCode.FILE_MISSING:
            _bring_anew(connection, row.id)
            return True
        if row.state is OutboxState.SEALED:
            return False
    told = receipted.repeats(row)
    entries.answer(connection, row, receipted, arrival.id, told=told, under=str(key or ""))
    if row.type == "letter" and receipted.state is OutboxState.ACCEPTED:
        record(connection, notice, arrival=arrival.id, entry=receipted.entry)
    return _lets_another_go(row)


def _lets_another_go(row: OutboxEntry) -> bool:
    """Whether what clerks have said since about the same letter had to wait for the answer to this (due.py)."""
    return row.type == "notice" and row.summary not in ONCE


def _bring_anew(connection: Connection, row: int) -> None:
    """Have the depot brought the files of a letter that it has no more, and send the same bytes once more."""
    values = {"state": OutboxState.SEALED, "attempts": 0, "next_attempt_at": 0.0, "last_error": None}
    refused = {"refusal": RefusalCode.FILE_MISSING, "refusal_detail": None}
    connection.execute(update(outbox).where(outbox.c.id == row).values(**values, **refused))
    entries.show_anew(connection, row)


def _wait_for_copy(connection: Connection, row: OutboxEntry, receipted: Receipted, accepted: int) -> None:
    """Keep a letter undecided whose id was accepted before: the bus's copy will tell whether it is the same letter."""
    values = {
        "last_error": f"accepted already, entry {accepted}; compared with the copy that the bus has",
        "next_attempt_at": time.time() + _WHILE_ASKED,
        "verdict": receipted.verdict,
        "refusal": receipted.refusal,
        "refusal_detail": receipted.refusal_detail,
    }
    connection.execute(update(outbox).where(outbox.c.id == row.id).values(**values))


def _answered(connection: Connection, arrival: Arrival, notice: Notice) -> OutboxEntry | None:
    """The row that a verdict is about: by the content that it names, or by the bytes where it could not be read."""
    if notice.letter_digest:
        return entries.by_letter(connection, as_letter_id(notice.letter_id), notice.letter_digest)
    if row := entries.by_raw_sha256(connection, notice.submission_digest):
        return row
    row = entries.by_document(connection, arrival.header("about"))
    return row if row is not None and row.digest == arrival.header("digest") else None


def _is_older(row: OutboxEntry, receipted: Receipted) -> bool:
    """Whether the ledger had this answer before the one that is known."""
    if receipted.state is OutboxState.ACCEPTED or receipted.entry is None or row.entry is None:
        return False
    return receipted.entry < row.entry


def take_entry(connection: Connection, arrival: Arrival, stated: Entered) -> bool:
    """Take the unsigned answer that a notice or a report is in the ledger; give whether another can be sent now.

    Refused for a letter: that needs a seal.
    """
    row = entries.by_document(connection, stated.id)
    if row is None:
        _unplaced(connection, arrival, lost=not stated.report)
        return False
    if row.type == "letter":
        raise Refused(RefusalCode.SIGNATURE_MISSING, "an unsigned answer to a letter")
    if row.type == "notice" and stated.digest != row.digest and row.summary not in ONCE:
        raise Refused(RefusalCode.NOTICE_LETTER_UNKNOWN, "answers another content than this notice's")
    if row.state is OutboxState.ACCEPTED:
        conclude(connection, arrival.id, ArrivalState.DUPLICATE)
        return False
    entries.answer(connection, row, Receipted(state=OutboxState.ACCEPTED, entry=stated.entry), arrival.id)
    conclude(connection, arrival.id, ArrivalState.DONE)
    return _lets_another_go(row)


def _unplaced(connection: Connection, arrival: Arrival, *, lost: bool) -> None:
    detail = "answers nothing that this mailbox has"
    reason = LOST if lost else None
    conclude(connection, arrival.id, ArrivalState.UNPLACED, reason=reason, detail=detail)
