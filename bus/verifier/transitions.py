"""Whether the entries about a letter may follow each other: who says what, of whom, and after what.

The bus refuses what may not be said before it makes an entry of it; here its entries are asked whether it did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from bus.verifier.documents import Body, time_of
from bus.verifier.findings import Broken

_ANSWERS = frozenset({"registered", "refused", "misdirected", "transferred"})
OF_ITSELF = _ANSWERS | {"delivered", "handover-failed", "withdrawal-granted", "withdrawal-declined"}
"""What a recipient says of itself."""
_OF_OTHERS = frozenset({"number-disputed", "withdrawal-requested", "settled"})
"""What the sender says of some of its recipients, or of all."""
_ACTS = frozenset({"consigned", "consignment-failed", "granted", "read"})
"""What the bus did, and who looked: entries without a signed document."""
_CLOCKS = timedelta(minutes=1)
"""How far the clocks of two machines of the bus may be apart."""


@dataclass(slots=True)
class _Standing:
    """Where a recipient stands."""

    answer: Body | None = None
    delivered: bool = False
    closed: bool = False
    withdrawal: str | None = None


def require_permitted(entries: Sequence[Body]) -> None:
    """Raise Broken unless the entries about a letter, in order, are such as the bus may make after each other."""
    accepted, *later = entries
    if accepted["kind"] != "accepted":
        raise Broken(f"the first entry about the letter is {accepted['kind']}, not its acceptance")
    standing = {code: _Standing() for code in accepted["recipients"]}
    heard: set[tuple[str, str]] = set()
    before = time_of(accepted["at"])
    _in_time(accepted)
    for body in later:
        at = time_of(body["at"])
        if at < before:
            raise Broken(f"entry {body['seq']} is older than the one before it")
        before = at
        fault = _fault_of(body, accepted["agency"], standing, heard)
        if fault:
            raise Broken(f"entry {body['seq']} {fault}")


def _in_time(body: Body) -> None:
    if "receivedAt" in body and time_of(body["receivedAt"]) > time_of(body["at"]) + _CLOCKS:
        raise Broken(f"entry {body['seq']} was made before its document came")


def _fault_of(
    body: Body, sender: str, standing: dict[str, _Standing], heard: set[tuple[str, str]]
) -> str | None:
    kind = body["kind"]
    if kind == "notice":
        _in_time(body)
        if (said := (body["agency"], body["noticeId"])) in heard:
            return f"is notice {body['noticeId']} for the second time"
        heard.add(said)
        return _fault_of_notice(body, sender, standing)
    if kind == "overdue":
        return _fault_of_overdue(body, standing)
    if kind == "consigned":
        # A notice is consigned to the sender too.
        strangers = [code for code in body["recipients"] if code not in standing and code != sender]
        return f"names {', '.join(strangers)}, who are no parties" if strangers else None
    return None if kind in _ACTS else f"is of a kind that says nothing about a letter: {kind}"


def _fault_of_overdue(body: Body, standing: dict[str, _Standing]) -> str | None:
    if body["deadline"] not in ("receipt", "registration"):
        return f"is about an unknown deadline: {body['deadline']}"
    receipt = body["deadline"] == "receipt"
    for code in body["silent"]:
        one = standing.get(code)
        if one is None:
            return f"names {code}, who is no recipient"
        if one.closed or (receipt and one.delivered):
            return f"calls {code} silent, who had answered"
    return None


def _fault_of_notice(body: Body, sender: str, standing: dict[str, _Standing]) -> str | None:
    event, author, about = body["event"], body["agency"], body["about"]
    if not about or (strangers := [code for code in about if code not in standing]):
        return f"is about {', '.join(strangers) if about else 'nobody'}, not about recipients"
    if event in OF_ITSELF:
        if about != [author]:
            return f"says {event} by {author} about {', '.join(about)}"
        return _hear(body, standing[author])
    if event not in _OF_OTHERS:
        return f"says {event}, which is nobody's to say"
    if author != sender:
        return f"says {event} by {author}, who is not the sender"
    return next(filter(None, (_hear_sender(event, code, standing[code]) for code in about)), None)


def _hear(body: Body, one: _Standing) -> str | None:
    event, supersedes = body["event"], body.get("supersedes")
    if event in _ANSWERS:
        if one.withdrawal == "withdrawal-granted":
            return f"says {event} after the letter was withdrawn"
        if supersedes != (one.answer["noticeId"] if one.answer else None):
            return f"says {event} and does not supersede exactly the answer in force"
        one.answer, one.closed = body, True
    elif event == "delivered":
        if one.delivered:
            return "says delivered for the second time"
        one.delivered = True
    elif event == "handover-failed":
        one.closed = True
    else:
        if one.withdrawal != "withdrawal-requested":
            return f"says {event} although nobody asked"
        one.withdrawal = event
        one.closed = one.closed or event == "withdrawal-granted"
    return None


def _hear_sender(event: str, code: str, one: _Standing) -> str | None:
    registered = one.answer is not None and one.answer["event"] == "registered"
    if event == "number-disputed" and not registered:
        return f"disputes a number although {code} has not registered the letter"
    if event == "withdrawal-requested":
        if registered:
            return f"asks for withdrawal although {code} has registered the letter"
        one.withdrawal = event
    if event == "settled":
        one.closed = True
    return None
