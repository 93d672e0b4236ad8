"""Parked submissions: a fault of the bus met them, so they are kept whole, told of, and can be replayed.

The broker puts a submission that a router could not get past (rejected, or redelivered too often because routers
died over it) into `router.parked`. From there its bytes go into the ledger, with an entry and a signed notice to the
submitting agency, which is known by the validated user-id; only then is the message acknowledged. A replay is asked
for by an operator with a reason, is an entry itself, and takes the same gates as any submission.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bus.broker import topology
from bus.broker.messages import Incoming
from bus.documents.signing import Signed
from bus.identifiers import AgencyCode, RawDigest
from bus.ledger.entry import Entry, Kind, timestamp
from bus.ledger.parked import EVERY, WhichParked
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
    return "expired" in _deaths(incoming)


def fault_of(incoming: Incoming, met: Mapping[RawDigest, str], sha256: RawDigest) -> str | None:
    """Return the class of the fault that a submission met, if this router `met` it; `delivery-limit` if none lived."""
    return met.get(sha256) or ("delivery-limit" if "delivery_limit" in _deaths(incoming) else None)


def _deaths(incoming: Incoming) -> Iterator[object]:
    deaths = incoming.headers.get("x-death")
    for death in deaths if isinstance(deaths, list) else ():
        if isinstance(death, Mapping):
            yield death.get("reason")


def park(
    writer: Writer,
    delivery: Delivery,
    word: Signed,
    inboxes: Collection[AgencyCode],
    fault: str | None = None,
) -> int:
    """Enter a parked submission and tell the submitting agency; return the entry's number.

    `fault` is the class of what it met, where that is known. The same bytes, parked already and not replayed since,
    are not entered twice.
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
        error=fault,
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
    if not writer.parked.is_waiting(parked):
        raise LookupError(parked)
    return writer.entry(Kind.REPLAY_REQUESTED, parked=parked, reason=reason, **operator.fields())


@dataclass(frozen=True, slots=True)
class Dry:
    """What asking for the replay of many would do, as of one moment."""

    parked: Sequence[int]
    """Those that would be asked for, in order."""
    asked: Sequence[int]
    """Those whose replay was asked for already, and is not carried out yet: they would be passed over."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for in one append."""

    requests: Mapping[int, int]
    """By what is parked, the number of the request."""
    passed_over: Sequence[int]
    """Those that were not asked for: no longer parked, or asked for before."""


def dry_run(reader: Reader, which: WhichParked = EVERY, *, after: int = 0, limit: int | None = None) -> Dry:
    """Return what would be asked for, of those behind a number, and at the most so many."""
    seqs = [entry.seq for entry in reader.parked.waiting(which, after=after, limit=limit)]
    before = reader.parked.asked_for(after=after)
    return Dry([seq for seq in seqs if seq not in before], [seq for seq in seqs if seq in before])


def request_replays(writer: Writer, parked: Sequence[int], *, operator: Operator, reason: str) -> Asked:
    """Enter an operator's request for each of many, in one append; what needs none any more is passed over."""
    wanted = sorted(set(parked))
    # A replay is asked for after its submission was parked.
    before = writer.parked.asked_for(after=wanted[0]) if wanted else set()
    left = writer.parked.still_waiting(wanted) - before
    requests = {
        seq: writer.entry(Kind.REPLAY_REQUESTED, parked=seq, reason=reason, **operator.fields())
        for seq in wanted
        if seq in left
    }
    return Asked(requests, [seq for seq in wanted if seq not in left])


def replays(reader: Reader, *, after: int = 0, limit: int | None = None) -> list[Delivery]:
    """Return the submissions whose replay was asked for, as deliveries, of the requests behind a number."""
    wanted = reader.parked.replays_wanted(after=after, limit=limit)
    return [delivery for request in wanted if (delivery := replay_of(reader, request))]


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


def replay_of(reader: Reader, request: Entry) -> Delivery | None:
    """Return what a request asks for, as a delivery; None where it names nothing that was parked.

    The console's role at the database can enter a request that no program of ours made.
    """
    named = request.body.get("parked")
    parked = reader.entry_at(named) if isinstance(named, int) else None
    if parked is None or parked.kind is not Kind.PARKED:
        return None
    raw = reader.must_document(parked)
    agency = parked.body.get("agency")
    return Delivery(
        raw=raw, agency=agency, user=agency, received_at=now(), replay=request.seq, parked=parked.seq
    )


def portions(parked: Sequence[int], per_minute: int) -> Iterator[tuple[Sequence[int], float]]:
    """Yield what is asked for in one append each, and the seconds to wait before the next, so many a minute."""
    size = -(-per_minute // 60)
    for start in range(0, len(parked), size):
        yield parked[start : start + size], 60 * size / per_minute if start + size < len(parked) else 0.0
