"""Gate 8 for a refusal: its entry with the raw bytes, and the signed refusal to the submitting agency.

What failed before gate 6 may be anything, from anybody who got hold of an agency's password: of its bytes no more than
`KEPT_BYTES` are kept, beside their hash and size, and beyond a number per agency and hour it is only counted.
"""

from __future__ import annotations

from typing import Any

from bus.documents.letter import Letter
from bus.documents.lifecycle import ONCE
from bus.documents.notice import Notice, ReasonText
from bus.documents.xml import open_envelope, read
from bus.errors import RefusalCode, Refused
from bus.identifiers import AgencyCode, ContentDigest, RawDigest
from bus.ledger.counting import ENTERED, TOLD, hour_of
from bus.ledger.entry import Kind, timestamp
from bus.ledger.rows import Verdict
from bus.ledger.store import Writer
from bus.router import policy, transitions
from bus.router.delivery import NoticeAccepted, SubmissionRefused
from bus.router.recording.consigning import Bound, Consigner, Stale, answer_headers, bound, still_unanswered

KEPT_BYTES = 4096

_WITNESS = "witness"
"""The type under which the refusal of a witness's key is remembered."""


def record_refusal(consigner: Consigner, found: SubmissionRefused, per_hour: int) -> str:
    """Write a refusal and answer it; the same one of the same bytes only repeats its answer.

    At most `per_hour` of an agency that failed before gate 6 are written. Raises Stale if the gates saw it otherwise.
    """
    writer, delivery = consigner.writer, found.delivery
    code = found.reason.code
    type_, id_, digest = _bound(found)
    conflict = code is RefusalCode.ID_CONFLICT
    accepted: Verdict | None = None
    witness = found.reason.where if code is RefusalCode.REPORT_COSIGNATURE else ""
    if found.agency and witness and (refused := writer.verdict_on(found.agency, _WITNESS, witness)):
        # A witness cosigns every few minutes, each time with other bytes: its key is refused once.
        return consigner.repeat(found.agency, refused.answer)
    if found.agency:
        if conflict and (holder := writer.verdict_on(found.agency, type_, id_)) and holder.code is None:
            # Who asks under an id that was accepted has lost the answer: it gets that again, beside the refusal.
            accepted = holder
            consigner.repeat(found.agency, holder.answer)
        known = writer.verdict_on_raw(found.agency, delivery.sha256)
        # The same bytes may meet another refusal now: what the message lacked before, such as its user-id, is no
        # property of the bytes. Only the same reason is the same answer.
        if known and known.code == code and (not code.circumstantial or _says_the_same(writer, known, found)):
            return consigner.repeat(found.agency, known.answer)
        if id_ and not conflict:
            still_unanswered(writer, found.agency, type_, id_, digest, fact=_is_fact(found))
    unproven = found.document is None
    if unproven and delivery.replay is None and not _has_room(writer, found, per_hour):
        return "counted"
    answer = consigner.number(found.agency) if found.agency else None
    entry = writer.entry(
        Kind.CONFLICT if conflict else Kind.REFUSED,
        agency=found.agency or delivery.agency,
        document=delivery.raw[:KEPT_BYTES] if unproven else delivery.raw,
        sha256=None if unproven else delivery.sha256,
        size=len(delivery.raw),
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
    if witness:
        binds: Bound = {"id": witness}
    else:
        binds = bound(writer, found.agency, type_, id_, digest) if id_ and not conflict else {}
    writer.submission(
        entry=entry,
        agency=found.agency,
        type=_WITNESS if witness else type_,
        raw=delivery.sha256,
        code=code.value,
        answer=answer,
        **binds,
    )
    consigner.consign(
        found.agency,
        answer,
        type="verdict",
        entry=entry,
        body=found.refusal.raw,
        headers=answer_headers(delivery, id_, [], digest=digest)
        | ({"accepted": accepted.entry} if accepted else {}),
    )
    return "refused"


def _says_the_same(writer: Writer, known: Verdict, found: SubmissionRefused) -> bool:
    """Whether what was judged anew is refused for the same circumstance, in the same words, as before."""
    entry = writer.entry_at(known.entry)
    said = writer.document(RawDigest(entry.body["refusal"])) if entry and "refusal" in entry.body else None
    return said is not None and found.refusal is not None and _words(said) == _words(found.refusal.raw)


def _words(refusal: bytes) -> tuple[ReasonText, ...]:
    document = read(open_envelope(refusal).root)
    return document.reason_texts if isinstance(document, Notice) else ()


def _has_room(writer: Writer, found: SubmissionRefused, per_hour: int) -> bool:
    """Count a refusal; tell whether it is also to be written."""
    agency, hour = found.agency or found.delivery.agency or AgencyCode(""), hour_of(writer.at)
    counts = writer.refusals.of(agency, hour)
    if counts.get(ENTERED, 0) < per_hour:
        if found.counted:
            raise Stale  # by another hour's count
        writer.refusals.add(agency, hour, ENTERED)
        return True
    if found.refusal and TOLD not in counts:
        if not found.counted:
            raise Stale  # it is this one's turn to be told that there will be no more
        writer.refusals.add(agency, hour, TOLD)
        writer.refusals.add(agency, hour, found.counted)
        return True
    writer.refusals.add(agency, hour, found.counted or found.reason.code)
    return False


def close_hours(writer: Writer) -> int:
    """Enter what was only counted in the hours that are over; return how many entries that made."""
    made = 0
    for (agency, hour), counts in writer.refusals.take_before(hour_of(writer.at)).items():
        codes = {code: count for code, count in sorted(counts.items()) if code not in (ENTERED, TOLD)}
        if codes:
            made += 1
            writer.entry(
                Kind.REFUSALS_COUNTED,
                agency=agency or None,
                hour=f"{hour}:00:00+07:00",
                entered=counts.get(ENTERED, 0),
                codes=codes,
            )
    return made


def permitted_now(writer: Writer, found: SubmissionRefused) -> NoticeAccepted | None:
    """Return a notice that the snapshot refused and the ledger, as it is under the lock, permits; None if it does not.

    A notice needs no signature of the bus, and so it is recorded at once. Raises Stale when there is another reason to
    refuse it now, which has to be signed.
    """
    if found.agency is None or found.document is None or found.reason.code not in transitions.BY_STATE:
        return None
    document, digest = found.document.document, found.document.digest
    if not isinstance(document, Notice):
        verdict = writer.verdict_on(found.agency, "letter", str(document.letter_id))
        bound_now = verdict is not None and verdict.binds_other(digest)
        if found.reason.code is RefusalCode.ID_CONFLICT and not bound_now:
            raise Stale
        return None
    try:
        place = transitions.place(document, digest, found.agency, writer)
        policy.read_by_all(found.document.version, place.listeners(document.event), found.directory)
    except Refused as reason:
        if reason.code is found.reason.code:
            return None
        raise Stale from reason
    return NoticeAccepted(
        delivery=found.delivery,
        agency=found.agency,
        notice=found.document,
        directory=found.directory,
        letter=place.letter,
        about=place.about,
    )


def _is_fact(found: SubmissionRefused) -> bool:
    """Whether it is a notice that is identified by what it says."""
    document = found.document.document if found.document else None
    return isinstance(document, Notice) and document.event in ONCE


def _bound(found: SubmissionRefused) -> tuple[str, str, ContentDigest]:
    if found.document is None:
        return "unread", "", ContentDigest("")
    document = found.document.document
    if isinstance(document, Letter):
        return "letter", str(document.letter_id), found.document.digest
    return "notice", str(document.notice_id), found.document.digest


def _claims(found: SubmissionRefused) -> dict[str, Any]:
    """What the entry says of a document's own words; what was verified stands there as `id` and `digest`."""
    kept = ("number",) if found.document else tuple(found.claims)
    return {name: found.claims[name] for name in kept if name in found.claims}
