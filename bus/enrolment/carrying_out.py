"""Carrying out what stewards ordered: what the order does and what became of it are entered in one append.

So an order is done once, whoever is killed when: either nothing of it is in the ledger, and it is done anew, or all of
it is. The broker is made ready before, which may be repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from bus import logs
from bus.directory import Agency, Directory
from bus.documents.seal import Seal
from bus.enrolment.deciding import Also, Waiting, approve, change_directory, decline, waiting, with_agency
from bus.enrolment.logins import Issue
from bus.enrolment.order_refusals import OrderRefusal, OrderRefused
from bus.enrolment.orders import Act, Order, agency_of, outcome_of, read_order, require_possible
from bus.errors import BusError, Misconfigured
from bus.failpoints import reached
from bus.ledger.entry import Entry, Kind
from bus.ledger.store import Ledger, Writer

_log = logs.get("enrolment")


@dataclass(frozen=True, slots=True)
class Means:
    """What orders need and the console has not."""

    seal: Seal
    ready: Callable[[Agency], str]
    """Makes the broker ready for an agency that joins, and returns its password."""
    issue: Issue


@dataclass(frozen=True, slots=True)
class Done:
    """What became of an order."""

    outcome: Literal["done", "refused"]
    detail: OrderRefusal | None = None
    """Why it was refused."""
    directory: int | None = None
    """The version that it put in force."""


class _OutcomeKnown(BusError):
    """Another process has carried the order out."""

    for_logs = True


def carry_out(ledger: Ledger, entry: Entry, means: Means) -> Done | None:
    """Do what an entry orders, and enter what became of it; None where another process has done so.

    What cannot be done is refused, with a code, and that is entered. Raises Transient when ledger or broker is away,
    and whatever fault it meets: then nothing is entered, and the order waits.
    """
    try:
        return _done(ledger, read_order(entry), means)
    except OrderRefused as refused:
        return _refused(ledger, entry, refused.refusal)
    except _OutcomeKnown:
        return None


def _done(ledger: Ledger, order: Order, means: Means) -> Done:
    with ledger.read() as reader:
        require_possible(reader, order)
        asked = [one for one in waiting(reader) if one.name == order.request] if order.act.answers else []
    made: list[int] = []

    def entered(writer: Writer, version: int) -> None:
        reached("enrolment.before-order-done")
        _require_waiting(writer, order.seq)
        made.append(version)
        writer.entry(
            Kind.ORDER_DONE, agency=order.agency, order=order.seq, outcome="done", directory=version or None
        )

    try:
        if order.act.answers:
            _answer(ledger, order, asked[0], means, entered)
        else:
            _change(ledger, order, means.seal, entered)
    except Misconfigured as wrong:
        with ledger.read() as reader:
            require_possible(reader, order)  # somebody else may have decided meanwhile
        _log.error("order-impossible", order=order.seq, agency=order.agency, reason=wrong)
        raise OrderRefused(OrderRefusal.IMPOSSIBLE) from wrong
    return Done("done", directory=made[-1] or None)


def _answer(ledger: Ledger, order: Order, asked: Waiting, means: Means, entered: Also) -> None:
    operator = order.operator
    if order.act is Act.DECLINE:
        decline(ledger, asked, means.seal, operator=operator, reason=order.reason, also=entered)
    else:
        approve(ledger, asked, means.seal, means.ready, operator=operator, issue=means.issue, also=entered)


def _change(ledger: Ledger, order: Order, seal: Seal, entered: Also) -> None:
    def changed(directory: Directory) -> Directory:
        agency = directory.agencies.get(order.agency)
        if agency is None:
            raise OrderRefused(OrderRefusal.AGENCY)
        if agency.active is (order.act is Act.RESUME):
            raise OrderRefused(OrderRefusal.ALREADY)
        return with_agency(
            directory, replace(agency, state="suspended" if order.act is Act.SUSPEND else "active")
        )

    change_directory(ledger, changed, seal, operator=order.operator, reason=order.reason, also=entered)


def _refused(ledger: Ledger, entry: Entry, why: OrderRefusal) -> Done | None:
    try:
        with ledger.append() as writer:
            _require_waiting(writer, entry.seq)
            agency = agency_of(entry)
            writer.entry(Kind.ORDER_DONE, agency=agency, order=entry.seq, outcome="refused", detail=why)
    except _OutcomeKnown:
        return None
    return Done("refused", why)


def _require_waiting(writer: Writer, number: int) -> None:
    if outcome_of(writer, number) is not None:
        raise _OutcomeKnown(f"order {number} has an outcome already")
