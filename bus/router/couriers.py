"""What a router knows of one agency's inbox while it publishes to it: what waits, what is under way, the circuit."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from bus.broker import topology
from bus.broker.messages import Outgoing
from bus.documents import recipients
from bus.identifiers import AgencyCode
from bus.ledger.entry import Kind
from bus.ledger.group import GroupCommit
from bus.ledger.rows import Consignment
from bus.ledger.store import Writer
from bus.ledger.work import strike_off
from bus.retry import CONSIGN
from bus.router.alarms import Alarms

OUTSTANDING = 32
_CONTENT_TYPES = {
    "entry": "application/json",
    "directory": "application/jose",
    recipients.TYPE: "application/json",
}
LANES = 256
"""Channels for closed circuits, and as many for open ones; a broker allows 2047 on a connection."""


@dataclass(slots=True)
class Courier:
    """What a router knows of one agency's inbox."""

    agency: AgencyCode
    place: int
    """Which lane is its own."""
    waiting: deque[Consignment] = field(default_factory=deque)
    in_flight: dict[int, asyncio.Future[None]] = field(default_factory=dict)
    """What is published and not answered, by number."""
    behind: bool = False
    """Whether some of what this router has leased was not kept in memory and waits in the database only."""
    failures: int = 0
    rounds: int = 0
    """How often it was begun anew: of the publishes of one round that fail, the first counts for all."""
    resume_at: float = 0.0
    pauses: Iterator[float] = field(default_factory=CONSIGN.backoff)

    @property
    def lane(self) -> str:
        return f"{'trial' if self.failures else 'inbox'}-{self.place}"

    @property
    def busy(self) -> bool:
        """Whether anything for this agency is in memory."""
        return bool(self.waiting or self.in_flight)

    @property
    def free_slots(self) -> int:
        # A circuit that was open is tried with one publish, not with a window of them.
        return (1 if self.failures else OUTSTANDING) - len(self.in_flight)


class Sent(NamedTuple):
    """One publish, and as what it was begun: over which connection of the link, in which round, on which lane."""

    courier: Courier
    consignment: Consignment
    connection: int
    rounds: int
    lane: str


def message_of(consignment: Consignment, head: str | None) -> Outgoing:
    """Return the consignment with the newest head of the ledger, for the recipient to hold against the next."""
    return Outgoing(
        exchange=topology.DELIVER,
        routing_key=consignment.agency,
        body=consignment.body,
        message_id=f"{consignment.agency}-{consignment.number}",
        type=consignment.type,
        headers={**consignment.headers, "checkpoint": head} if head else consignment.headers,
        content_type=_CONTENT_TYPES.get(consignment.type, "application/xml"),
    )


def give_up(consignment: Consignment, why: str, appends: GroupCommit, alarms: Alarms) -> None:
    """Strike off what the broker can never take, and enter that; to go on publishing it would hold up others."""
    agency, number, size = consignment.agency, consignment.number, len(consignment.body)
    if why == "rejected":
        alarms.ring("consignment-rejected", agency=agency, consignment=number, bytes=size)
    else:
        alarms.ring("consignment-too-large", agency=agency, consignment=number, bytes=size)

    def record(writer: Writer) -> None:
        # Entered once, also if it is asked for again.
        if strike_off(writer.connection, agency, number):
            record_failure(writer, consignment, why)

    alarms.watch(appends.submit(record), "record what is given up")


def note_failure(consignment: Consignment, reason: str, appends: GroupCommit, alarms: Alarms) -> None:
    """Enter that an inbox did not take a consignment."""
    failed = appends.submit(lambda writer: record_failure(writer, consignment, reason))
    alarms.watch(failed, "record a failed consignment")


def record_failure(writer: Writer, consignment: Consignment, reason: str) -> None:
    writer.entry(
        Kind.CONSIGNMENT_FAILED,
        agency=consignment.agency,
        letter=consignment.letter,
        number=consignment.number,
        reason=reason,
    )
