"""A letter or a notice as a row of the outbox, before it is sealed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from adapters.mailbox.entries import OutboxState
from bus.documents import schema
from bus.documents.letter import Letter
from bus.documents.notice import Notice
from bus.documents.xml import build, content_digest, to_bytes
from bus.thai import normalise_number, now

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NIL = UUID(int=0)


def notice_values(notice: Notice, reference: str, content_key: str | None = None) -> dict[str, Any]:
    """A notice as a row of the outbox; `content_key` if it is another one than the notice's own content gives."""
    timeless = replace(notice, notice_id=_NIL, event_time=_EPOCH)
    return _values(notice, content_key or timeless, reference) | {
        "type": "notice",
        "document_id": str(notice.notice_id),
        "letter_id": str(notice.letter_id) if notice.letter_id else None,
        "summary": notice.event,
    }


def letter_values(letter: Letter, reference: str) -> dict[str, Any]:
    """A letter as a row of the outbox."""
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


def _values(document: Letter | Notice, content: str | Letter | Notice, reference: str) -> dict[str, Any]:
    """What both types share; `content` is the content key, or the document without what differs each time.

    Refused if the document does not follow its schema: better told now than by the bus.
    """
    tree = build(document)
    schema.check_tree(tree)
    return {
        "reference": reference,
        "content_key": content if isinstance(content, str) else content_digest(build(content)),
        "document": to_bytes(tree),
        "digest": content_digest(tree),
        "state": OutboxState.WAITING,
        "created_at": now().isoformat(),
    }
