"""A letter, a notice or a report as a row of the outbox."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from adapters.mailbox.entries import REPORT, OutboxState
from adapters.mailbox.pings import summary_of
from bus.documents import schema
from bus.documents.letter import Letter
from bus.documents.notice import Notice
from bus.documents.signing import Signed
from bus.documents.xml import build, content_digest, to_bytes, without
from bus.identifiers import ContentDigest
from bus.thai import normalise_number, now

_DIFFERS_EACH_TIME = {Letter: ("SendDate",), Notice: ("NoticeID", "EventTime")}
"""What two letters or notices that say the same do not share."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A document as it will be sent, and the SHA-256 of the certificate that its seal is verified with."""

    signed: Signed
    certificate: str


def notice_values(
    notice: Notice, reference: str, content_key: str | None = None, sealed: Sealed | None = None
) -> dict[str, Any]:
    """A notice as a row of the outbox; `content_key` if it is another one than the notice's own content gives."""
    values = _values(notice, content_key, reference) | {
        "type": "notice",
        "document_id": str(notice.notice_id),
        "letter_id": str(notice.letter_id) if notice.letter_id else None,
        "summary": notice.event,
    }
    return values if sealed is None else values | _sealed_values(sealed)


def letter_values(letter: Letter, reference: str) -> dict[str, Any]:
    """A letter as a row of the outbox."""
    return _values(letter, None, reference) | {
        "type": "letter",
        "document_id": str(letter.letter_id),
        "letter_id": str(letter.letter_id),
        "number": letter.number,
        "number_normal": normalise_number(letter.number) if letter.number else None,
        "date": letter.date.isoformat(),
        "subject": letter.content.subject if letter.content else None,
        "summary": summary_of(letter),
    }


def report_values(report_id: str, octets: bytes, summary: str) -> dict[str, Any]:
    """A report as a row of the outbox."""
    digest = ContentDigest(hashlib.sha256(octets).hexdigest())
    return {
        "type": REPORT,
        "reference": f"{REPORT}:{report_id}",
        "document_id": report_id,
        "content_key": digest,
        "document": octets,
        "digest": digest,
        "summary": summary,
        "state": OutboxState.WAITING,
        "created_at": now().isoformat(),
    }


def _sealed_values(sealed: Sealed) -> dict[str, Any]:
    return {
        "raw": sealed.signed.raw,
        "raw_sha256": hashlib.sha256(sealed.signed.raw).hexdigest(),
        "sealed_with": sealed.certificate,
        "digest": sealed.signed.digest,
        "state": OutboxState.SEALED,
    }


def _values(document: Letter | Notice, content_key: str | None, reference: str) -> dict[str, Any]:
    """What both types share. Refused if the document does not follow its schema: better told now than by the bus."""
    tree = build(document)
    schema.check_tree(tree)
    values = {
        "reference": reference,
        "document": to_bytes(tree),
        "digest": content_digest(tree),
        "state": OutboxState.WAITING,
        "created_at": now().isoformat(),
    }
    # Of the tree that is built already: nothing else is taken from it any more.
    same = content_key or content_digest(without(tree, _DIFFERS_EACH_TIME[type(document)]))
    return values | {"content_key": same}
