"""Gate 8 for a refusal: its entry with the raw bytes, and the signed refusal to the submitting agency.

What failed before gate 6 may be anything, from anybody who got hold of an agency's password: of its bytes no more than
`KEPT_BYTES` are kept, beside their hash and size, and beyond a number per agency and hour it is only counted.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from bus.documents.letter import Letter
from bus.documents.lifecycle import ONCE
from bus.documents.notice import Notice, ReasonText
from bus.documents.signing import is_notice
from bus.documents.xml import open_envelope, read
from bus.errors import RefusalCode, Refused
from bus.identifiers import AgencyCode, ContentDigest, RawDigest
from bus.ledger.counting import ANSWERED, ENTERED, hour_of
from bus.ledger.entry import Kind, timestamp
from bus.ledger.rows import Verdict
from bus.ledger.store import Writer
from bus.router import policy, transitions
from bus.router.delivery import NoticeAccepted, SubmissionRefused
from bus.router.recording.consigning import Bound, Consigner, Stale, answer_headers, bound, still_unanswered

KEPT_BYTES = 4096

_WITNESS = "witness"
"""The type under which the refusal of a witness's key is remembered."""


class _Identity(NamedTuple):
    """Type, id and content digest of what was refused; id and digest are empty where nothing was verified."""

    type: str
    id: str
    digest: ContentDigest


def record_refusal(consigner: Consigner, found: SubmissionRefused, per_hour: int) -> str:
    """Write a refusal and answer it; the same one of the same bytes only repeats its answer.

    At most `per_hour` of an agency that failed before gate 6 are written. Raises Stale if the gates saw it otherwise.
    """
    writer = consigner.writer
    identity = _identity(found)
    holder: Verdict | None = None
    if found.agency:
        holder = _accepted_under_the_same_id(writer, found, identity)
        if holder:
            # Who asks under an id that was accepted has lost the answer: it gets that again, beside the refusal.
            consigner.repeat(found.agency, holder.answer)
        if known := _known_refusal(writer, found):
            return consigner.repeat(found.agency, known.answer)
        if identity.id and not _is_conflict(found):
            still_unanswered(
                writer, found.agency, identity.type, identity.id, identity.digest, fact=_is_fact(found)
            )
    unproven = found.document is None
    if unproven and found.delivery.replay is None and not _to_be_entered(writer, found, per_hour):
        return "counted"
    answer = consigner.number(found.agency) if found.agency else None
    entry = _enter(writer, found, identity, answer)
    if found.agency and answer is not None and found.refusal:
        _remember(writer, found, found.agency, identity, entry, answer)
        headers = answer_headers(found.delivery, identity.id, [], digest=identity.digest)
        if holder:
            headers["accepted"] = holder.entry
        consigner.consign(
            found.agency, answer, type="verdict", entry=entry, body=found.refusal.raw, headers=headers
        )
    return "refused"


def _accepted_under_the_same_id(
    writer: Writer, found: SubmissionRefused, identity: _Identity
) -> Verdict | None:
    """Return the verdict on the accepted document that holds the id of this one, if it is refused for that."""
    if not found.agency or not _is_conflict(found):
        return None
    holder = writer.verdict_on(found.agency, identity.type, identity.id)
    return holder if holder and holder.code is None else None


def _known_refusal(writer: Writer, found: SubmissionRefused) -> Verdict | None:
    """Return the refusal that already answers this submission."""
    agency, code = found.agency or AgencyCode(""), found.reason.code
    if witness := _witness(found):
        # A witness cosigns every few minutes, each time with other bytes: its key is refused once.
        return writer.verdict_on(agency, _WITNESS, witness)
    known = writer.verdict_on_raw(agency, found.delivery.sha256)
    # The same bytes may meet another refusal now: what the message lacked before, such as its user-id, is no property
    # of the bytes. Only the same reason is the same answer.
    if known and known.code == code and (not code.circumstantial or _of_the_same_words(writer, known, found)):
        return known
    return None


def _enter(writer: Writer, found: SubmissionRefused, identity: _Identity, answer: int | None) -> int:
    delivery, unproven = found.delivery, found.document is None
    return writer.entry(
        Kind.CONFLICT if _is_conflict(found) else Kind.REFUSED,
        agency=found.agency or delivery.agency,
        document=delivery.raw[:KEPT_BYTES] if unproven else delivery.raw,
        sha256=None if unproven else delivery.sha256,
        size=len(delivery.raw),
        code=found.reason.code.value,
        where=found.reason.where or None,
        rawSha256=delivery.sha256,
        type=identity.type,
        id=identity.id or None,
        digest=identity.digest or None,
        receivedAt=timestamp(delivery.received_at),
        refusal=writer.keep(found.refusal.raw) if found.refusal else None,
        answer=answer,
        **_claims(found),
    )


def _remember(
    writer: Writer, found: SubmissionRefused, agency: AgencyCode, identity: _Identity, entry: int, answer: int
) -> None:
    """Remember the verdict, and what it binds; a conflict binds nothing: the id belongs to who bore it first."""
    witness = _witness(found)
    binds: Bound = {}
    if witness:
        binds = {"id": witness}
    elif identity.id and not _is_conflict(found):
        binds = bound(writer, agency, identity.type, identity.id, identity.digest)
    writer.submission(
        entry=entry,
        agency=agency,
        type=_WITNESS if witness else identity.type,
        raw=found.delivery.sha256,
        code=found.reason.code.value,
        answer=answer,
        **binds,
    )


def _of_the_same_words(writer: Writer, known: Verdict, found: SubmissionRefused) -> bool:
    """Whether what was judged anew is refused for the same circumstance, in the same words, as before."""
    entry = writer.entry_at(known.entry)
    said = writer.document(RawDigest(entry.body["refusal"])) if entry and "refusal" in entry.body else None
    return said is not None and found.refusal is not None and _words(said) == _words(found.refusal.raw)


def _words(refusal: bytes) -> tuple[ReasonText, ...]:
    document = read(open_envelope(refusal).root)
    return document.reason_texts if isinstance(document, Notice) else ()


def _to_be_entered(writer: Writer, found: SubmissionRefused, per_hour: int) -> bool:
    """Count a refusal; tell whether it is also to be written."""
    agency, hour = found.agency or found.delivery.agency or AgencyCode(""), hour_of(writer.at)
    counts = writer.refusals.of(agency, hour)
    if counts.get(ENTERED, 0) < per_hour:
        if found.counted:
            raise Stale  # by another hour's count
        writer.refusals.add(agency, hour, ENTERED)
        return True
    if found.refusal and ANSWERED not in counts:
        if not found.counted:
            raise Stale  # it is this one's turn to be told that there will be no more
        writer.refusals.add(agency, hour, ANSWERED)
        writer.refusals.add(agency, hour, found.counted)
        return True
    writer.refusals.add(agency, hour, found.counted or found.reason.code)
    return False


def close_hours(writer: Writer) -> int:
    """Enter what was only counted in the hours that are over; return how many entries that made."""
    made = 0
    for (agency, hour), counts in writer.refusals.take_before(hour_of(writer.at)).items():
        codes = {code: count for code, count in sorted(counts.items()) if code not in (ENTERED, ANSWERED)}
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
    verified = found.document
    if found.agency is None or verified is None or found.reason.code not in transitions.BY_STATE:
        return None
    if not is_notice(verified):
        verdict = writer.verdict_on(found.agency, "letter", str(verified.document.letter_id))
        bound_now = verdict is not None and verdict.binds_other(verified.digest)
        if found.reason.code is RefusalCode.ID_CONFLICT and not bound_now:
            raise Stale
        return None
    try:
        place = policy.place_notice(verified, found.agency, found.directory, writer)
    except Refused as reason:
        if reason.code is found.reason.code:
            return None
        raise Stale from reason
    return NoticeAccepted(
        delivery=found.delivery,
        agency=found.agency,
        notice=verified,
        directory=found.directory,
        place=place,
    )


def _is_conflict(found: SubmissionRefused) -> bool:
    return found.reason.code is RefusalCode.ID_CONFLICT


def _witness(found: SubmissionRefused) -> str:
    """Return the name of the witness whose cosignature is refused; empty for any other refusal."""
    return found.reason.where if found.reason.code is RefusalCode.REPORT_COSIGNATURE else ""


def _is_fact(found: SubmissionRefused) -> bool:
    """Whether it is a notice that is identified by what it says."""
    document = found.document.document if found.document else None
    return isinstance(document, Notice) and document.event in ONCE


def _identity(found: SubmissionRefused) -> _Identity:
    if found.document is None:
        return _Identity("unread", "", ContentDigest(""))
    document, digest = found.document.document, found.document.digest
    if isinstance(document, Letter):
        return _Identity("letter", str(document.letter_id), digest)
    return _Identity("notice", str(document.notice_id), digest)


def _claims(found: SubmissionRefused) -> dict[str, Any]:
    """What the entry says of a document's own words; what was verified stands there as `id` and `digest`."""
    kept = ("number",) if found.document else tuple(found.claims)
    return {name: found.claims[name] for name in kept if name in found.claims}
