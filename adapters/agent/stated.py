"""What a message states about itself and what it answers, read before or after it is believed."""

from __future__ import annotations

from datetime import datetime

from adapters.mailbox import Arrival, OutboxState, Receipted
from bus.documents.letter import Letter
from bus.documents.notice import Event, Notice
from bus.documents.signing import Verified
from bus.documents.xml import open_envelope
from bus.errors import BusError, RefusalCode, Refused
from bus.identifiers import AgencyCode, ContentDigest, LetterId


class Unreadable(BusError):
    """A message of the bus that does not have the form it should have."""


def the_notice(verified: Verified[Letter | Notice]) -> Notice:
    if not isinstance(verified.document, Notice):
        raise Refused(RefusalCode.TYPE_UNKNOWN_ROOT, "a letter where a notice is announced")
    return verified.document


def receipted(arrival: Arrival, notice: Notice, recipients: tuple[AgencyCode, ...] = ()) -> Receipted:
    """What the bus answered; `recipients` are those of an acceptance."""
    if notice.event == Event.ACCEPTED and notice.terms:
        return Receipted(
            state=OutboxState.ACCEPTED,
            verdict=arrival.body,
            entry=arrival.number("entry"),
            recipients=recipients,
            flags=arrival.header("flags") or None,
        )
    texts = " / ".join(text.value for text in notice.reason_texts)
    if notice.event == Event.REFUSED_BY_BUS:
        return Receipted(
            state=OutboxState.REFUSED,
            verdict=arrival.body,
            entry=arrival.number("entry"),
            refusal=notice.reason_code,
            refusal_detail=texts,
        )
    if notice.event == Event.PARKED:
        entry = arrival.number("entry")
        return Receipted(state=OutboxState.PARKED, verdict=arrival.body, entry=entry, refusal_detail=texts)
    raise Refused(RefusalCode.NOTICE_NOT_YOURS_TO_SAY, notice.event)


def verified_as_of(arrival: Arrival) -> datetime:
    """The time as of which certificates count: the bus's, for a letter may wait here long after it was accepted."""
    stated = arrival.header("verified-as-of")
    if not stated:
        return arrival.arrived_at
    try:
        at = datetime.fromisoformat(stated)
    except ValueError as exc:
        raise Unreadable("verified-as-of is no time") from exc
    if at.tzinfo is None:
        raise Unreadable("verified-as-of has no time zone")
    return at


def claimed(arrival: Arrival) -> tuple[LetterId, ContentDigest] | None:
    """The letter that should have come, as the bus states it; else what the bytes claim; None if neither can be had."""
    about, stated = arrival.header("about"), arrival.header("digest")
    if about and stated:
        return LetterId(about), ContentDigest(stated)
    try:
        envelope = open_envelope(arrival.body)
        digest = envelope.digest
    except Refused:
        return None
    return (LetterId(envelope.id), digest) if envelope.type == "letter" and envelope.id else None


def ascii(body: bytes) -> str:
    try:
        return body.decode("ascii")
    except UnicodeDecodeError as exc:
        raise Unreadable("no compact JWS") from exc
