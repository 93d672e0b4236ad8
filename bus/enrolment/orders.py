"""Orders: what a steward wants done that needs the bus's seal or the broker's administrator.

The console has neither. It enters an order into the ledger; `saraban-bus enrol`, which has both, carries it out
(carrying_out.py) and enters what became of it. Whoever can write to the ledger as the console could enter an order
that no steward gave: so whatever is asked of an order here is asked again before it is carried out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, get_args
from unicodedata import category

from bus.enrolment.order_refusals import OrderRefusal, OrderRefused
from bus.identifiers import AgencyCode, RawDigest
from bus.ledger.entry import Entry, Kind
from bus.ledger.reading import Reader
from bus.ledger.store import Writer
from bus.operators import Method, Operator, Role
from bus.router.activation import directory_in_force

FEWEST_DIGITS: Final = 16
"""Of a fingerprint that was compared: so many hexadecimal digits are beyond what a thief can search for."""
MOST_REASON: Final = 1_000
_NO_TEXT = ("Cc", "Cs")
"""Unicode's categories of control characters and of halves of characters."""
_CODE = re.compile("[0-9]{10}", re.ASCII)
_DIGEST = re.compile("[0-9a-f]{64}", re.ASCII)
_FINGERPRINT = re.compile(f"[0-9a-f]{{{FEWEST_DIGITS},64}}", re.ASCII)


class Act(StrEnum):
    """What can be ordered."""

    APPROVE = "approve"
    """A request to join, to renew a key, or to renew the certificate for the broker."""
    DECLINE = "decline"
    SUSPEND = "suspend"
    RESUME = "resume"

    @property
    def answers(self) -> bool:
        """Whether it answers a request; otherwise it changes the state of an agency."""
        return self in (Act.APPROVE, Act.DECLINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order as it stands in the ledger."""

    seq: int = field(compare=False)
    at: datetime = field(compare=False)
    act: Act
    agency: AgencyCode
    operator: Operator = field(compare=False)
    reason: str = field(compare=False)
    """Why; of an approval it may be empty, whose reason is the fingerprint."""
    request: RawDigest | None = None
    """The request that is answered."""
    fingerprint: str | None = None
    """What the steward compared with the agency, of an approval: lower case, its beginning or all of it."""

    @property
    def about(self) -> tuple[str, bool]:
        """What one order at a time may wait for: a request, or the state of an agency."""
        return (self.request or self.agency, self.act.answers)


def order(
    writer: Writer,
    act: Act,
    agency: AgencyCode,
    operator: Operator,
    reason: str,
    request: RawDigest | None = None,
    fingerprint: str | None = None,
) -> int:
    """Enter a steward's order and return its number, by which what becomes of it is asked (`outcome_of`).

    `request` is the SHA-256 of the request that is approved or declined; `fingerprint` what the steward compared, of
    an approval, as it was typed. The same order that waits already is not entered twice: its number is returned.
    Raises OrderRefused, and then nothing is entered.
    """
    compared = fingerprint if fingerprint is None else re.sub(r"[\s:]", "", fingerprint).lower()
    wanted = Order(
        seq=0,
        at=writer.at,
        act=act,
        agency=agency,
        operator=operator,
        reason=reason.strip(),
        request=request,
        fingerprint=compared,
    )
    _require_form(wanted)
    if act.answers:
        _require_request(writer, wanted)
    for other in waiting_orders(writer):
        if other.about == wanted.about:
            if other.act is act:
                return other.seq
            raise OrderRefused(OrderRefusal.CONTRADICTS)
    require_possible(writer, wanted)
    return writer.entry(
        Kind.ORDERED,
        agency=agency,
        act=act,
        request=request,
        fingerprint=compared,
        reason=wanted.reason or None,
        **operator.fields(),
    )


def waiting_entries(reader: Reader, after: int = 0) -> list[Entry]:
    """Return the entries of orders of which nothing has become yet, in order, of those behind a number."""
    done = {entry.body.get("order") for entry in _every(reader, Kind.ORDER_DONE, after)}
    return [entry for entry in _every(reader, Kind.ORDERED, after) if entry.seq not in done]


def waiting_orders(reader: Reader) -> list[Order]:
    """Return the orders of which nothing has become yet, in order, without those that nobody can read."""
    found = []
    for entry in waiting_entries(reader):
        try:
            found.append(read_order(entry))
        except OrderRefused:
            continue
    return found


def outcome_of(reader: Reader, number: int) -> Entry | None:
    """Return the entry that says what became of an order; None while it waits."""
    # What became of an order comes after it.
    return next(
        (one for one in _every(reader, Kind.ORDER_DONE, number) if one.body.get("order") == number), None
    )


def read_order(entry: Entry) -> Order:
    """Return what an entry orders. Raises OrderRefused for one that is no order of a steward."""
    body = entry.body
    try:
        role, method = body.get("role"), body["method"]
        if method not in get_args(Method):
            raise ValueError(method)
        found = Order(
            seq=entry.seq,
            at=entry.at,
            act=Act(body["act"]),
            agency=AgencyCode(_text(body["agency"])),
            operator=Operator(_text(body["operator"]), None if role is None else Role(role), method),
            reason=_text(body.get("reason", "")),
            request=None if "request" not in body else RawDigest(_text(body["request"])),
            fingerprint=None if "fingerprint" not in body else _text(body["fingerprint"]),
        )
    except (KeyError, ValueError) as wrong:
        raise OrderRefused(OrderRefusal.UNREADABLE) from wrong
    _require_form(found)
    return found


def agency_of(entry: Entry) -> AgencyCode | None:
    """Return the agency that an entry names, if it does; of one that nobody can read, too."""
    named = entry.body.get("agency")
    return AgencyCode(named) if isinstance(named, str) and _CODE.fullmatch(named) else None


def require_possible(reader: Reader, wanted: Order) -> None:
    """Raise OrderRefused for what cannot be done by the directory and the requests of this snapshot."""
    if wanted.act.answers:
        _require_request(reader, wanted)
        return
    known = directory_in_force(reader)[1].agencies if reader.latest_seq(Kind.DIRECTORY) else {}
    agency = known.get(wanted.agency)
    if agency is None:
        raise OrderRefused(OrderRefusal.AGENCY)
    if agency.active is (wanted.act is Act.RESUME):
        raise OrderRefused(OrderRefusal.ALREADY)


def _require_form(wanted: Order) -> None:
    if wanted.operator.role is not Role.STEWARD or not wanted.operator.name.strip():
        raise OrderRefused(OrderRefusal.ROLE)
    reason = wanted.reason
    needed = wanted.act is not Act.APPROVE
    if (
        len(reason) > MOST_REASON
        or any(category(one) in _NO_TEXT for one in reason)
        or (needed and not reason)
    ):
        raise OrderRefused(OrderRefusal.REASON)
    if not _CODE.fullmatch(wanted.agency):
        raise OrderRefused(OrderRefusal.AGENCY)
    fits = (
        (wanted.request is not None) is wanted.act.answers
        and (wanted.fingerprint is not None) is (wanted.act is Act.APPROVE)
        and (wanted.request is None or _DIGEST.fullmatch(wanted.request))
    )
    if not fits:
        raise OrderRefused(OrderRefusal.UNREADABLE)
    if wanted.fingerprint is not None and not _FINGERPRINT.fullmatch(wanted.fingerprint):
        raise OrderRefused(OrderRefusal.FINGERPRINT)


def _require_request(reader: Reader, wanted: Order) -> None:
    request = RawDigest(str(wanted.request))
    asked = reader.enrolments.requested(request)
    if asked is None or asked.body["agency"] != wanted.agency:
        raise OrderRefused(OrderRefusal.NO_REQUEST)
    if reader.enrolments.answer_to(request) is not None:
        raise OrderRefused(OrderRefusal.ANSWERED)
    if wanted.fingerprint is not None and not asked.body["fingerprint"].startswith(wanted.fingerprint):
        raise OrderRefused(OrderRefusal.FINGERPRINT)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("no text")
    return value


def _every(reader: Reader, kind: Kind, after: int) -> Iterator[Entry]:
    while some := reader.entries(after=after, kind=kind):
        yield from some
        after = some[-1].seq
