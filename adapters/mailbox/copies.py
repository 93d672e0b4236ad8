"""Documents of this agency's own that the bus gives back, because this mailbox was brought back from before them.

A copy is believed by this agency's own seal. A letter or notice that is not here any more is here again; a letter that
the office has laid out once more meanwhile is found to be the same, or another one under the same id.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, update

from adapters.mailbox import entries
from adapters.mailbox.arrivals import conclude
from adapters.mailbox.drafts import letter_values, notice_values
from adapters.mailbox.entries import OutboxEntry, OutboxState, Receipted
from adapters.mailbox.messages import Arrival, ArrivalState
from adapters.mailbox.notices import record
from adapters.mailbox.tables import outbox
from bus.documents.letter import Letter
from bus.documents.notice import Notice
from bus.documents.signing import Verified
from bus.errors import RefusalCode

_ANSWER_WITHIN = 60.0
"""Seconds for the answer, which is here or on its way, until the copy is submitted to be answered again."""


def take_copy(connection: Connection, arrival: Arrival, verified: Verified[Letter | Notice]) -> None:
    """Put a document that this agency sealed back into its place, for its answer to find it there."""
    document = verified.document
    letter = isinstance(document, Letter)
    document_id = str(document.letter_id if isinstance(document, Letter) else document.notice_id)
    values = (
        letter_values(document, _reference(connection, document))
        if isinstance(document, Letter)
        else notice_values(document, f"copy:{document_id}")
    )
    sealed = {
        "raw": arrival.body,
        "raw_sha256": hashlib.sha256(arrival.body).hexdigest(),
        "sealed_with": verified.fingerprint,
        "digest": verified.digest,
        "next_attempt_at": time.time() + _ANSWER_WITHIN,
    }
    known = entries.by_document(connection, document_id)
    if known is None:
        _add(connection, document, values | sealed | {"state": OutboxState.SENT})
    elif letter and known.digest != verified.digest:
        _compare(connection, arrival, known, values, sealed)
    conclude(connection, arrival.id, ArrivalState.DONE)


def _add(connection: Connection, document: Letter | Notice, values: dict[str, Any]) -> None:
    row = entries.add(connection, values)
    if isinstance(document, Notice):
        record(connection, document, outbox=row)


def _compare(
    connection: Connection,
    arrival: Arrival,
    known: OutboxEntry,
    values: dict[str, Any],
    sealed: dict[str, Any],
) -> None:
    """The office has laid it out again: but for the time of sending it is the same letter, or it is another one."""
    if known.state is OutboxState.ACCEPTED:
        return
    if known.content_key == values["content_key"]:
        same = {"document": values["document"]} | sealed
        answered = {"state": OutboxState.SENT, "refusal": None, "refusal_detail": None, "last_error": None}
        connection.execute(update(outbox).where(outbox.c.id == known.id).values(**same, **answered))
        return
    if known.state is OutboxState.REFUSED:
        return
    refused = Receipted(
        state=OutboxState.REFUSED,
        verdict=known.verdict,
        entry=known.entry,
        refusal=RefusalCode.ID_CONFLICT,
        refusal_detail=known.refusal_detail
        or f"accepted already, entry {arrival.number('entry')}, with other content",
    )
    entries.answer(connection, replace(known, refusal=None), refused, arrival.id)


def _reference(connection: Connection, letter: Letter) -> str:
    """The office's own key for a letter, if the letter bears it and it is free."""
    wanted = letter.sender_reference
    if wanted and entries.by_reference(connection, wanted) is None:
        return wanted
    return f"copy:{letter.letter_id}"
