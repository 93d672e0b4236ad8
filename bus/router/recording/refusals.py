"""Gate 8 for a refusal: its entry with the raw bytes, and the signed refusal to the submitting agency."""

from __future__ import annotations

from typing import Any

from bus.documents.letter import Letter
from bus.documents.xml import DocumentType
from bus.errors import RejectionCode
from bus.ledger.entry import Kind, timestamp
from bus.router.delivery import Refused
from bus.router.recording.hand import Hand, answer_headers, still_unanswered

_WITNESS = "witness"
"""The type under which the refusal of a witness's key is remembered."""


def refuse(hand: Hand, found: Refused) -> str:
    """Write a refusal and answer it; a permanent one of the same bytes only repeats its answer."""
    writer, delivery = hand.writer, found.delivery
    code = found.reason.code
    type_, id_, digest = _bound(found)
    conflict = code is RejectionCode.ID_CONFLICT
    witness = found.reason.where if code is RejectionCode.STATEMENT_COSIGNATURE else ""
    if found.agency and witness and (refused := writer.verdict_on(found.agency, _WITNESS, witness)):
        # A witness cosigns every few minutes, each time with other bytes: its key is refused once.
        return hand.repeat(found.agency, refused.answer)
    if found.agency:
        known = writer.verdict_on_raw(found.agency, delivery.sha256)
        # The same bytes may meet another refusal now: what the message lacked before, such as its user-id, is no
        # property of the bytes. Only the same reason is the same answer.
        if known and known.code == code and not code.circumstantial:
            return hand.repeat(found.agency, known.answer)
        if id_ and not conflict:
            still_unanswered(writer, found.agency, type_, id_, digest)
    answer = hand.number(found.agency) if found.agency else None
    entry = writer.entry(
        Kind.CONFLICT if conflict else Kind.REFUSED,
        agency=found.agency or delivery.agency,
        document=delivery.raw,
        code=code.value,
        where=found.reason.where or None,
        submission=delivery.sha256,
        type=type_,
        id=id_ or None,
        digest=digest or None,
        receivedAt=timestamp(delivery.received_at),
        refusal=writer.keep(found.refusal.raw) if found.refusal else None,
        answer=answer,
        **_claims(found),
    )
    if found.agency is None or answer is None or found.refusal is None:
        return "refused"
    # A conflict binds nothing: the id belongs to the document that bore it first.
    bound = {"id": id_, "digest": digest} if id_ and not conflict else {"id": witness} if witness else {}
    writer.submission(
        entry=entry,
        agency=found.agency,
        type=_WITNESS if witness else type_,
        raw=delivery.sha256,
        code=code.value,
        answer=answer,
        **bound,
    )
    hand.give(
        found.agency,
        answer,
        type="verdict",
        entry=entry,
        body=found.refusal.raw,
        headers=answer_headers(delivery, id_, []),
    )
    return "refused"


def _bound(found: Refused) -> tuple[DocumentType | str, str, str]:
    if found.document is None:
        return "unread", "", ""
    document = found.document.document
    if isinstance(document, Letter):
        return "letter", str(document.letter_id), found.document.digest
    return "notice", str(document.notice_id), found.document.digest


def _claims(found: Refused) -> dict[str, Any]:
    """What the entry says of a document's own words; what was verified stands there as `id` and `digest`."""
    kept = ("number",) if found.document else tuple(found.claims)
    return {name: found.claims[name] for name in kept if name in found.claims}
