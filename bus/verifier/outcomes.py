"""What became of a letter at each recipient of its frozen set, by the verified entries: also who was never heard of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bus.verifier.findings import Broken

_ANSWERS = ("registered", "refused", "misdirected", "transferred")
_WITHDRAWALS = ("withdrawal-requested", "withdrawal-granted", "withdrawal-declined")


def outcomes_of(entries: Sequence[dict[str, Any]], name_of: Callable[[str], str]) -> list[dict[str, Any]]:
    """Return each recipient's outcome; `entries` are those about the letter, in order. Raises Broken."""
    try:
        return _outcomes(entries, name_of)
    except (KeyError, TypeError, AttributeError) as error:
        raise Broken(f"the entries cannot be followed: {error!r}") from error


def _outcomes(entries: Sequence[dict[str, Any]], name_of: Callable[[str], str]) -> list[dict[str, Any]]:
    accepted = entries[0]
    asked = accepted["acknowledgement"]
    told: dict[str, dict[str, Any]] = {
        code: {
            "agency": code,
            "name": name_of(code),
            "role": one["role"],
            "outcome": "accepted",
            "entry": None,
        }
        for code, one in accepted["recipients"].items()
    }
    for body in entries[1:]:
        for code in _concerned(body):
            if code in told:
                _tell(told[code], body)
    for one in told.values():
        answered = any(key in one for key in ("answer", "settledAt", "withdrawnAt", "failedAt"))
        one["acknowledged"] = answered or (asked != "registration" and "deliveredAt" in one)
    return list(told.values())


_NAMED = {"notice": "about", "consigned": "recipients", "overdue": "silent"}
"""The kinds of entry that change what became of a letter, and where each says for whom."""


def _concerned(body: dict[str, Any]) -> list[str]:
    named = _NAMED.get(body["kind"])
    return list(body[named]) if named else []


def _tell(one: dict[str, Any], body: dict[str, Any]) -> None:
    at, seq = body["at"], body["seq"]
    if body["kind"] == "consigned":
        one.setdefault("consignedAt", at)
        if one["outcome"] == "accepted":
            one.update(outcome="consigned", entry=seq)
        return
    if body["kind"] == "overdue":
        one.setdefault("overdue", []).append(body["deadline"])
        return
    event = body["event"]
    if event == "delivered":
        one.setdefault("deliveredAt", at)
        if one["outcome"] in ("accepted", "consigned", "handover-failed"):
            one.update(outcome=event, entry=seq)
    elif event in _ANSWERS:
        one.update(answer=event, answeredAt=at, receivingNumber=body.get("number"), outcome=event, entry=seq)
        one.pop("disputed", None)
    elif event == "handover-failed":
        one.update(failedAt=at)
        if one["outcome"] in ("accepted", "consigned"):
            one.update(outcome=event, entry=seq)
    elif event == "withdrawal-granted":
        one.update(outcome="withdrawn", withdrawnAt=at, entry=seq)
    elif event in _WITHDRAWALS:
        one["withdrawal"] = event
    elif event == "settled":
        one.update(settledAt=at)
        if "answer" not in one:
            one.update(outcome=event, entry=seq)
    elif event == "number-disputed":
        one["disputed"] = True
