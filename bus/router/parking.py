"""Parked submissions: a fault of the bus met them, so they are kept whole, told of, and can be replayed.

The broker puts a submission that a router could not get past (rejected, or redelivered too often because routers
died over it) into `router.parked`. From there its bytes go into the ledger, with an entry and a signed notice to the
submitting agency, which is known by the validated user-id; only then is the message acknowledged. A replay is asked
for by an operator with a reason, is an entry itself, and takes the same gates as any submission.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bus.broker import topology
from bus.broker.messages import Incoming
from bus.documents.signing import Signed
from bus.identifiers import AgencyCode
from bus.ledger.entry import Entry, Kind, timestamp
from bus.ledger.reading import Reader
from bus.ledger.store import Writer
from bus.operators import Operator
from bus.router.delivery import Delivery
from bus.thai import now


def origin(incoming: Incoming) -> tuple[AgencyCode | None, AgencyCode | None]:
    """Return (agency by the submit exchange, agency by the user-id).

    A message that was dead-lettered has lost its exchange; its x-death header could be forged. Its user-id is the
    broker's word that this user published it, and that user can write to its own submit exchange only.
    """
    user = topology.agency_of_user(incoming.user_id) if incoming.user_id else None
    exchange = topology.agency_of_exchange(incoming.exchange)
    return (exchange or (user if incoming.exchange == topology.DEAD else None), user)


def expired(incoming: Incoming) -> bool:
    """Whether a message came here because its publisher had it expire, and not because a router met a fault.

    An agency may forge the header that says so: then its message is refused for the property that it claims to have
    borne, unopened, as the agency asked.
    """
    deaths = incoming.headers.get("x-death")
    return any(
        isinstance(death, Mapping) and death.get("reason") == "expired"
        for death in (deaths if isinstance(deaths, list) else ())
    )


def park(writer: Writer, delivery: Delivery, word: Signed, inboxes: Collection[AgencyCode]) -> int:
    """Enter a parked submission and tell the submitting agency; return the entry's number.

    The same bytes, parked already and not replayed since, are not entered twice.
    """
    agency = delivery.user or delivery.agency
    if still := writer.parked.still(delivery.sha256, agency):
        return still
    number = writer.numbers([agency])[agency] if agency and agency in inboxes else None
    parked = writer.entry(
        Kind.PARKED,
        agency=agency,
        document=delivery.raw,
        rawSha256=delivery.sha256,
        receivedAt=timestamp(delivery.received_at),
        answer=number,
    )
    if agency and number:
        headers = {"raw-sha256": delivery.sha256}
        kept = writer.keep(word.raw)
        writer.consign(agency, number, type="verdict", entry=parked, document=kept, headers=headers)
    return parked


def request_replay(writer: Writer, parked: int, *, operator: Operator, reason: str) -> int:
    """Enter an operator's request to send a parked submission through the gates again; return its number.

    Raises LookupError when nothing is parked under that number.
    """
    if parked not in {entry.seq for entry in writer.parked.waiting()}:
        raise LookupError(parked)
    return writer.entry(Kind.REPLAY_REQUESTED, parked=parked, reason=reason, **operator.fields())


def replays(reader: Reader) -> list[Delivery]:
    """Return the submissions whose replay was asked for, as deliveries."""
    return [_delivery(reader, request) for request in reader.parked.replays_wanted()]


def replay_failed(writer: Writer, delivery: Delivery, error: str) -> None:
    """Enter that a replay met a fault again; the submission stays parked."""
    if delivery.replay is None or not writer.parked.replay_wanted(delivery.replay):
        return
    writer.entry(
        Kind.REPLAYED,
        agency=delivery.agency,
        request=delivery.replay,
        parked=delivery.parked,
        outcome="parked",
        error=error,
    )


def _delivery(reader: Reader, request: Entry) -> Delivery:
    parked = reader.entry_at(request.body["parked"])
    if parked is None:
        raise LookupError(request.body["parked"])
    raw = reader.must_document(parked)
    agency = parked.body.get("agency")
    return Delivery(
        raw=raw, agency=agency, user=agency, received_at=now(), replay=request.seq, parked=parked.seq
    )
