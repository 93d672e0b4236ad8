"""Gate 8 for a notice: its entry, a copy to those whom it concerns, and an unsigned answer to its author."""

from __future__ import annotations

from bus.documents.lifecycle import ONCE
from bus.documents.notice import Notice
from bus.errors import Refused
from bus.identifiers import AgencyCode
from bus.ledger.entry import Kind, canonical, timestamp
from bus.ledger.store import Writer
from bus.router import transitions
from bus.router.delivery import NoticeAccepted
from bus.router.recording.consigning import Consigner, Stale, answer_headers, bound, still_unanswered
from bus.router.transitions import Place


def record_notice(consigner: Consigner, found: NoticeAccepted) -> str:
    """Write a notice and tell whom it concerns. Raises Stale when what was said meanwhile does not permit it."""
    writer, notice, delivery = consigner.writer, found.notice.document, found.delivery
    notice_id = str(notice.notice_id)
    still_unanswered(
        writer, found.agency, "notice", notice_id, found.notice.digest, fact=notice.event in ONCE
    )
    place = _place_now(writer, found)
    same = place.same
    if same and (before := writer.verdict_on_raw(found.agency, delivery.sha256)) and before.code is None:
        return consigner.repeat(found.agency, before.answer)
    binds = bound(writer, found.agency, "notice", notice_id, found.notice.digest)
    answer = consigner.number(found.agency)
    # A fact that stands already was said under another id or before a restore: the answer names its entry.
    duplicate = same is not None
    entry = same.entry if same else _notice_entry(consigner, found, notice, answer)
    writer.submission(
        entry=entry,
        agency=found.agency,
        type="notice",
        raw=delivery.sha256,
        answer=answer,
        **binds,
    )
    _forward(consigner, found, notice, entry, place.listeners(notice.event))
    body = canonical(
        {"entry": entry, "notice": notice_id, "digest": found.notice.digest, "duplicate": duplicate}
    )
    consigner.consign(
        found.agency,
        answer,
        type="entry",
        entry=entry,
        body=body.encode(),
        headers=answer_headers(delivery, notice_id, []),
    )
    return "duplicate" if duplicate else "notice-accepted"


def _place_now(writer: Writer, found: NoticeAccepted) -> Place:
    """Return where the notice falls by now: where the gates found it, unless something was said since. Raises Stale."""
    notice, place = found.notice.document, found.place
    unheard = writer.verdict_on(found.agency, "notice", str(notice.notice_id)) is None
    if unheard and writer.newest_of(place.letter.letter) == place.state.newest:
        return place
    try:
        return transitions.place(notice, found.notice.digest, found.agency, writer)
    except Refused as changed:
        raise Stale from changed


def _notice_entry(consigner: Consigner, found: NoticeAccepted, notice: Notice, answer: int) -> int:
    delivery = found.delivery
    said = notice.registration
    return consigner.writer.entry(
        Kind.NOTICE,
        agency=found.agency,
        letter=found.place.letter.letter,
        document=delivery.raw,
        sha256=delivery.sha256,
        noticeId=str(notice.notice_id),
        event=notice.event,
        digest=found.notice.digest,
        certificate=found.notice.fingerprint,
        about=list(found.place.about),
        eventTime=timestamp(notice.event_time),
        receivedAt=timestamp(delivery.received_at),
        supersedes=str(notice.supersedes) if notice.supersedes else None,
        number=said.number if said else None,
        registeredAt=timestamp(said.registered_at) if said else None,
        reason=notice.reason_code,
        directory=found.directory.version,
        answer=answer,
    )


def _forward(
    consigner: Consigner, found: NoticeAccepted, notice: Notice, entry: int, listeners: tuple[AgencyCode, ...]
) -> None:
    numbers = consigner.writer.numbers(listeners)
    for agency in listeners:
        consigner.consign(
            agency,
            numbers[agency],
            type="notice",
            entry=entry,
            letter=found.place.letter.letter,
            body=found.delivery.raw,
            kept=found.delivery.sha256,
            headers={
                "verified-as-of": timestamp(found.delivery.received_at),
                "sender": found.agency,
                "about": str(notice.letter_id),
            },
            on_hold=not found.directory.agencies[agency].active
            if agency in found.directory.agencies
            else False,
        )
