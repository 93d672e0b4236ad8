"""Gate 8 for a refusal: its entry with the raw bytes, and the signed refusal to the submitting agency."""

from __future__ import annotations

from bus.documents.letter import Letter
from bus.documents.notice import Notice
from bus.documents.xml import DocumentType
from bus.errors import Rejected, RejectionCode
from bus.ledger.entry import Kind, timestamp
from bus.ledger.rows import Verdict
from bus.ledger.store import Writer
from bus.router import transitions
from bus.router.delivery import Heard, Refused
from bus.router.recording.hand import Hand, Stale, answer_headers, bound, still_unanswered


def refuse(hand: Hand, found: Refused) -> str:
    """Write a refusal and answer it; a permanent one of the same bytes only repeats its answer."""
    writer, delivery = hand.writer, found.delivery
    code = found.reason.code
    type_, id_, digest = _bound(found)
    conflict = code is RejectionCode.ID_CONFLICT
    accepted: Verdict | None = None
    if found.agency:
        if conflict and (holder := writer.verdict_on(found.agency, type_, id_)) and holder.code is None:
            # Who asks under an id that was accepted has lost the answer: it gets that again, beside the refusal.
            accepted = holder
            hand.repeat(found.agency, holder.answer)
        known = writer.verdict_on_raw(found.agency, delivery.sha256)
        # The same bytes may meet another refusal now: what the message lacked before, such as its user-id, is no
        # property of the bytes. Only the same reason is the same answer.
        if known and known.code == code and not code.circumstantial:
            return hand.repeat(found.agency, known.answer)
        if id_ and not conflict:
            still_unanswered(writer, found.agency, type_, id_, digest, fact=_is_fact(found))
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
    )
    if found.agency is None or answer is None or found.refusal is None:
        return "refused"
    # A conflict binds nothing: the id belongs to the document that bore it first.
    binds = bound(writer, found.agency, type_, id_, digest) if id_ and not conflict else {}
    writer.submission(
        entry=entry,
        agency=found.agency,
        type=type_,
        raw=delivery.sha256,
        code=code.value,
        answer=answer,
        **binds,
    )
    hand.give(
        found.agency,
        answer,
        type="verdict",
        entry=entry,
        body=found.refusal.raw,
        headers=answer_headers(delivery, id_, [], digest=digest)
        | ({"accepted": accepted.entry} if accepted else {}),
    )
    return "refused"


def permitted_now(writer: Writer, found: Refused) -> Heard | None:
    """Return a notice that the snapshot refused and the ledger, as it is under the lock, permits; None if it does not.

    A notice needs no signature of the bus, and so it is heard at once. Raises Stale when there is another reason to
    refuse it now, which has to be signed.
    """
    if found.agency is None or found.document is None or found.reason.code not in transitions.BY_STATE:
        return None
    document, digest = found.document.document, found.document.digest
    if not isinstance(document, Notice):
        verdict = writer.verdict_on(found.agency, "letter", str(document.letter_id))
        if found.reason.code is RejectionCode.ID_CONFLICT and (verdict is None or verdict.digest == digest):
            raise Stale
        return None
    try:
        place = transitions.place(document, digest, found.agency, writer)
    except Rejected as reason:
        if reason.code is found.reason.code:
            return None
        raise Stale from reason
    return Heard(
        delivery=found.delivery,
        agency=found.agency,
        notice=found.document,
        directory=found.directory,
        letter=place.letter,
        about=place.about,
    )


def _is_fact(found: Refused) -> bool:
    """Whether it is a machine's notice, which is identified by what it says."""
    document = found.document.document if found.document else None
    return isinstance(document, Notice) and document.event in transitions.MACHINE


def _bound(found: Refused) -> tuple[DocumentType | str, str, str]:
    if found.document is None:
        return "unread", "", ""
    document = found.document.document
    if isinstance(document, Letter):
        return "letter", str(document.letter_id), found.document.digest
    return "notice", str(document.notice_id), found.document.digest
