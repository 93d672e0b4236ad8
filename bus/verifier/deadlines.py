"""What the bus may enter of a letter's deadlines: who was silent when one had passed, and whose was made later.

Whether an extension follows from the calendar is checked by `saraban-bus ledger verify`, for packs carry no calendar.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from bus.verifier.documents import Body, time_of

RECEIPT, REGISTRATION = "receipt", "registration"
BOTH = (RECEIPT, REGISTRATION)


class Recipient(Protocol):
    """What has been said about the letter at one recipient, as far as deadlines depend on it."""

    @property
    def due(self) -> str | None: ...
    @property
    def overdue(self) -> Sequence[str]: ...
    def is_open(self, deadline: str) -> bool: ...


def fault_of_overdue(body: Body, recipients: Mapping[str, Recipient]) -> str | None:
    """Say why these recipients may not be called silent by now; None if they may."""
    deadline = body["deadline"]
    if deadline not in BOTH:
        return f"is about an unknown deadline: {deadline}"
    for code in body["silent"]:
        if code not in recipients:
            return f"names {code}, who is no recipient"
        if not recipients[code].is_open(deadline):
            return f"calls {code} silent, who had answered"
        if deadline == REGISTRATION and _is_later(recipients[code].due, body["due"]):
            return f"calls {code} silent at {body['due']}, and it was due at {recipients[code].due}"
    return f"is older than {body['due']}, which had to pass" if _is_later(body["due"], body["at"]) else None


def fault_of_extension(body: Body, recipients: Mapping[str, Recipient]) -> str | None:
    """Say why these times may not be extended; None if they may: only later, of who owes a registration."""
    if body["deadline"] != REGISTRATION:
        return f"extends what is never extended: {body['deadline']}"
    named = [code for group in body["extended"] for code in group["recipients"]]
    if not named or len(set(named)) != len(named):
        return "extends nobody's time, or somebody's twice"
    for group in body["extended"]:
        if not _is_later(group["due"], group["was"]):
            return f"makes a time earlier: {group['was']}, then {group['due']}"
        for code in group["recipients"]:
            one = recipients.get(code)
            if one is None:
                return f"names {code}, who is no recipient"
            if one.due != group["was"]:
                return f"extends {group['was']} for {code}, and it was due at {one.due}"
            if REGISTRATION in one.overdue or not one.is_open(REGISTRATION):
                return f"extends the time of {code}, from whom no registration was to come"
    return None


def _is_later(one: str | None, other: str) -> bool:
    return one is not None and time_of(one) > time_of(other)
