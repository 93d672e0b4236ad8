"""Merging an agency into another: nothing may be on its way to or from it, for nobody would move that on.

Routers take from the intake queues of agencies that have an inbox, and publish to their inboxes: what still lay in the
queues of one that has none any more would stay there.
"""

from __future__ import annotations

from bus.broker.topology import inbox_queue, intake_queue, user_of
from bus.directory import Agency
from bus.enrolment.brokers import management_of
from bus.errors import Misconfigured, Problem
from bus.identifiers import AgencyCode
from bus.ledger.reading import Reader
from bus.settings.bus import BusSettings

_FIX = "Let its adapter fetch and answer everything, end it, wait ten seconds, and merge then"


def require_drained(settings: BusSettings, agency: Agency) -> None:
    """Raise Misconfigured unless an agency's queues are empty and its adapter has ended; Transient without a broker."""
    broker = settings.brokers[agency.cluster]
    left = []
    with management_of(broker) as management:
        for queue in (inbox_queue(agency.code), intake_queue(agency.code)):
            there = management.find("queues", broker.vhost, queue)
            if there and (count := there.get("messages")) != 0:
                left.append(f"{queue} has {'an unknown number of' if count is None else count} messages")
            if there and queue == inbox_queue(agency.code) and there.get("consumers") != 0:
                left.append("its adapter is connected")
    if left:
        raise _not_drained(agency.code, ", ".join(left))


def require_nothing_waits(reader: Reader, agency: AgencyCode) -> None:
    """Raise Misconfigured if the ledger has anything that is yet to be published to an agency."""
    if reader.agencies.waiting_for(agency, 1):
        raise _not_drained(agency, "consignments wait to be published to it")


def lock_out(settings: BusSettings, agency: Agency) -> None:
    """Remove an agency's user, so that it puts nothing more where nobody fetches it; queues stay, as always."""
    broker = settings.brokers[agency.cluster]
    with management_of(broker) as management:
        if management.find("users", user_of(agency.code)) is not None:
            management.delete("users", user_of(agency.code))


def _not_drained(agency: AgencyCode, left: str) -> Misconfigured:
    return Misconfigured(Problem("agency merge", agency, left, _FIX))
