"""What stewards do: each act shows first what it will do, asks for a reason, and is an entry.

The console has neither the bus's seal nor the broker's administrator: what needs them is ordered here, and carried out
by `saraban-bus enrol` (bus/enrolment/orders.py).
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from bus.console.asked import Asked
from bus.console.pages.jobs import number_of
from bus.console.roles import OPERATORS, STEWARDS
from bus.enrolment.deciding import Waiting, waiting
from bus.enrolment.order_refusals import ORDER_WORDS
from bus.enrolment.orders import Act, order, outcome_of
from bus.identifiers import AgencyCode, RawDigest
from bus.ledger.entry import Entry, Kind
from bus.ledger.reading import Reader
from bus.pages.answers import Answer, Elsewhere, Listed, NoSuchPage, Page, Shown
from bus.pages.columns import About, Column, moment
from bus.views.agency import agency_in_force
from bus.views.asking import NotUnderstood
from bus.views.finding import head_of

MOST_REASON: Final = 500
_PAGE: Final = 50


def enrolments(asked: Asked) -> Answer:
    """The requests that nobody has answered, and the orders about them that wait."""
    with asked.site.ledger.read() as reader:
        found, head = [request_value(one) for one in waiting(reader)], head_of(reader)
    listed = Listed(_REQUESTS, found, About({"requests": "waiting"}, head))
    return Shown("enrolments.html", {"requests": found}, listed=listed)


def enrolment(asked: Asked) -> Answer:
    """One request: who asks, with which key, and what is to be compared before it is approved."""
    with asked.site.ledger.read() as reader:
        return Shown("enrolment.html", request_value(_request(reader, asked.path["request"])))


def approve(asked: Asked) -> Answer:
    """Order the approval of a request, by the fingerprint that the agency read out."""
    with asked.site.ledger.append() as writer:
        found = _request(writer, asked.path["request"])
        entered = order(
            writer,
            Act.APPROVE,
            found.request.agency,
            asked.person,
            asked.field("reason"),
            request=found.name,
            fingerprint=asked.field("fingerprint"),
        )
    return Elsewhere(f"/orders/{entered}")


def decline(asked: Asked) -> Answer:
    """Order that a request is declined."""
    with asked.site.ledger.append() as writer:
        found, reason = _request(writer, asked.path["request"]), reason_of(asked)
        entered = order(writer, Act.DECLINE, found.request.agency, asked.person, reason, request=found.name)
    return Elsewhere(f"/orders/{entered}")


def before_change(act: Act, asked: Asked) -> Answer:
    """What suspending or resuming an agency will do."""
    with asked.site.ledger.read() as reader:
        agency = agency_in_force(reader, AgencyCode(asked.path["code"]))
        if agency is None:
            raise NoSuchPage(asked.path["code"])
        activity = reader.agencies.activity(agency.code)
    value = {
        "act": act,
        "code": agency.code,
        "nameTh": agency.name_th,
        "nameEn": agency.name_en,
        "state": agency.state,
        "pending": activity.pending,
        "onHold": activity.on_hold,
    }
    return Shown("agency_change.html", value)


def change(act: Act, asked: Asked) -> Answer:
    """Order that an agency is suspended or resumed."""
    reason = reason_of(asked)
    with asked.site.ledger.append() as writer:
        code = AgencyCode(asked.path["code"])
        entered = order(writer, act, code, asked.person, reason)
    return Elsewhere(f"/orders/{entered}")


def orders(asked: Asked) -> Answer:
    """The orders of stewards, the newest first, and what became of each."""
    before = number_of(asked, "before")
    with asked.site.ledger.read() as reader:
        found = reader.acts.older((Kind.ORDERED,), before=before, limit=_PAGE)
        values, head = [order_value(reader, one) for one in found], head_of(reader)
    more = found[-1].seq if len(found) == _PAGE else None
    listed = Listed(_ORDERS, values, About({"before": before} if before else {}, head))
    return Shown("orders.html", {"orders": values}, {"before": more}, listed)


def one_order(asked: Asked) -> Answer:
    """One order and what became of it; a page that a script asks for anew while it waits."""
    with asked.site.ledger.read() as reader:
        entry = reader.entry_at(int(asked.path["number"]))
        if entry is None or entry.kind is not Kind.ORDERED:
            raise NoSuchPage(f"order {asked.path['number']}")
        return Shown("order.html", order_value(reader, entry))


def reason_of(asked: Asked) -> str:
    """Return the reason that a form gives. Raises NotUnderstood where it gives none, or a very long one."""
    reason = asked.field("reason")
    if not reason or len(reason) > MOST_REASON:
        raise NotUnderstood(f"reason: say why, in {MOST_REASON} characters at the most")
    return reason


def request_value(one: Waiting) -> dict[str, Any]:
    """Return a request as plain values."""
    invitation = one.invitation.body if one.invitation is not None else {}
    kind = "join" if one.invitation is not None else "login" if one.request.renews_login else "renewal"
    return {
        "request": one.name,
        "entry": one.entry.seq,
        "at": one.entry.body["at"],
        "agency": one.request.agency,
        "kind": kind,
        "nameTh": invitation.get("name_th"),
        "nameEn": invitation.get("name_en"),
        "invitedBy": invitation.get("operator"),
        "fingerprint": one.request.fingerprint,
        "byItself": one.approves_itself,
    }


def order_value(reader: Reader, entry: Entry) -> dict[str, Any]:
    """Return an order and what became of it as plain values."""
    body, done = entry.body, outcome_of(reader, entry.seq)
    code = done.body.get("code") if done is not None else None
    words = next((said for refusal, said in ORDER_WORDS.items() if refusal == code), None)
    return {
        "order": entry.seq,
        "at": body["at"],
        "act": body.get("act"),
        "agency": body.get("agency"),
        "request": body.get("request"),
        "reason": body.get("reason"),
        "person": body.get("operator"),
        "role": body.get("role"),
        "method": body.get("method"),
        "outcome": done.body.get("outcome") if done is not None else None,
        "doneAt": done.body["at"] if done is not None else None,
        "code": code,
        "why": [words.th, words.en] if words is not None else None,
    }


def _request(reader: Reader, name: str) -> Waiting:
    for one in waiting(reader):
        if one.name == RawDigest(name):
            return one
    raise NoSuchPage(name)


_REQUESTS: Final = (
    Column("entry", "entry", "ลำดับในบัญชี", plain=True),
    Column("agency", "agency", "หน่วยงาน"),
    Column("nameTh", "name", "ชื่อ"),
    Column("kind", "kind", "ชนิด"),
    Column("at", "asked at", "ขอเมื่อ", moment),
    Column("fingerprint", "fingerprint", "ลายนิ้วมือของกุญแจ"),
)
_ORDERS: Final = (
    Column("order", "entry", "ลำดับในบัญชี", plain=True),
    Column("act", "act", "การกระทำ"),
    Column("agency", "agency", "หน่วยงาน"),
    Column("person", "ordered by", "ผู้สั่ง"),
    Column("at", "ordered at", "สั่งเมื่อ", moment),
    Column("reason", "reason", "เหตุผล"),
    Column("outcome", "outcome", "ผล"),
    Column("code", "code", "รหัส"),
)

PAGES = (
    Page("/enrolments", STEWARDS, enrolments, csv=True),
    Page("/enrolments/{request}", STEWARDS, enrolment),
    Page("/enrolments/{request}/approve", STEWARDS, approve, act=True),
    Page("/enrolments/{request}/decline", STEWARDS, decline, act=True),
    Page("/agencies/{code}/suspend", STEWARDS, partial(before_change, Act.SUSPEND)),
    Page("/agencies/{code}/suspend", STEWARDS, partial(change, Act.SUSPEND), act=True),
    Page("/agencies/{code}/resume", STEWARDS, partial(before_change, Act.RESUME)),
    Page("/agencies/{code}/resume", STEWARDS, partial(change, Act.RESUME), act=True),
    Page("/orders", OPERATORS, orders, csv=True),
    Page("/orders/{number:int}", OPERATORS, one_order),
)
