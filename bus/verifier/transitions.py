"""What may be said about a letter, by whom, of whom and after what, and what became of it at each recipient.

The bus refuses what may not be said before it makes an entry of it; here its entries are asked whether it did. This is
the verifier's own account of the life of a letter: it shares no line with the bus, and has to come to the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple

from bus.verifier.deadlines import BOTH, RECEIPT, REGISTRATION, fault_of_extension, fault_of_overdue
from bus.verifier.documents import Body, time_of
from bus.verifier.findings import Broken


class _Event(NamedTuple):
    """What one event means: whose it is, what it replaces, and what it makes of the letter."""

    of_itself: bool
    """Said by a recipient of itself, or by the sender of some of its recipients."""
    matter: str
    """What it is about: of each matter the newest word counts."""
    outcome: str = ""
    rank: int = 0
    closes: tuple[str, ...] = ()
    once: bool = False


_EVENTS = {
    "handover-failed": _Event(True, "failure", "handover-failed", 1, BOTH, once=True),
    "delivered": _Event(True, "receipt", "delivered", 2, (RECEIPT,), once=True),
    "settled": _Event(False, "settlement", "settled", 3, BOTH),
    "registered": _Event(True, "answer", "registered", 4, BOTH),
    "refused": _Event(True, "answer", "refused", 4, BOTH),
    "misdirected": _Event(True, "answer", "misdirected", 4, BOTH),
    "transferred": _Event(True, "answer", "transferred", 4, BOTH),
    "withdrawal-granted": _Event(True, "withdrawal", "withdrawn", 5, BOTH),
    "withdrawal-declined": _Event(True, "withdrawal"),
    "withdrawal-requested": _Event(False, "withdrawal"),
    "number-disputed": _Event(False, "dispute"),
    "opened": _Event(True, "opened", once=True),
    "under-action": _Event(True, "action", once=True),
}
OF_ITSELF = frozenset(name for name, event in _EVENTS.items() if event.of_itself)
"""What a recipient says of itself."""
_ACTS = frozenset({"consigned", "consignment-failed", "granted", "read"})
"""What the bus did, and who looked: entries without a signed document."""
_CLOCKS = timedelta(minutes=1)
"""How far the clocks of two machines of the bus may be apart."""


@dataclass(slots=True)
class _Recipient:
    """What has been said about the letter at one recipient."""

    consignment: int
    """The number under which the letter itself went into its inbox."""
    carried: str
    due: str | None = None
    """By when its clerk has to register."""
    consigned_at: str | None = None
    consigned_by: int | None = None
    newest: dict[str, Body] = field(default_factory=dict)
    """The entry that counts of each matter."""
    overdue: list[str] = field(default_factory=list)

    def said(self, matter: str) -> str | None:
        body = self.newest.get(matter)
        return body["event"] if body else None

    def counting(self) -> list[Body]:
        """The entries that say what became of the letter; a failure beside a receipt does not."""
        return [
            body
            for matter, body in self.newest.items()
            if not (matter == "failure" and "receipt" in self.newest)
        ]

    def is_open(self, deadline: str) -> bool:
        return not any(deadline in _EVENTS[body["event"]].closes for body in self.counting())

    def deciding(self) -> Body | None:
        """The entry that gives the outcome."""
        found = [body for body in self.counting() if _EVENTS[body["event"]].outcome]
        return max(found, key=lambda body: _EVENTS[body["event"]].rank, default=None)

    def outcome(self) -> str:
        body = self.deciding()
        return _EVENTS[body["event"]].outcome if body else self.carried

    def add(self, body: Body) -> None:
        matter = _EVENTS[body["event"]].matter
        self.newest[matter] = body
        if matter == "answer" or body["event"] == "withdrawal-granted":
            self.newest.pop("dispute", None)


class Story:
    """The entries about a letter, one after the other."""

    def __init__(self, accepted: Body) -> None:
        if accepted["kind"] != "accepted":
            raise Broken(f"the first entry about the letter is {accepted['kind']}, not its acceptance")
        self.sender: str = accepted["agency"]
        self.recipients = {
            code: _Recipient(
                one["consignment"],
                "on-hold" if one.get("onHold") else "accepted",
                one.get("registrationDue", accepted.get("registrationDue")),
            )
            for code, one in accepted["recipients"].items()
        }
        self._asks_registration = accepted["acknowledgement"] == REGISTRATION
        self._notices: set[tuple[str, str]] = set()

    def fault_of(self, body: Body) -> str | None:
        """Say why an entry may not follow; None if it may."""
        kind = body["kind"]
        if kind == "notice":
            return self._fault_of_notice(body)
        if kind == "overdue":
            return fault_of_overdue(body, self.recipients)
        if kind == "deadline-extended":
            return fault_of_extension(body, self.recipients) if self._asks_registration else "extends nothing"
        if kind == "consigned":
            # A notice is consigned to the sender too.
            strangers = [code for code in body["recipients"] if code not in {*self.recipients, self.sender}]
            return f"names {', '.join(strangers)}, who are no parties" if strangers else None
        return None if kind in _ACTS else f"is of a kind that says nothing about a letter: {kind}"

    def add(self, body: Body) -> None:
        """Take an entry up."""
        kind = body["kind"]
        if kind == "notice":
            self._notices.add((body["agency"], body["noticeId"]))
            for code in body["about"]:
                self.recipients[code].add(body)
        elif kind == "overdue":
            for code in body["silent"]:
                self.recipients[code].overdue.append(body["deadline"])
        elif kind == "deadline-extended":
            for group in body["extended"]:
                for code in group["recipients"]:
                    self.recipients[code].due = group["due"]
        elif kind == "consigned":
            for code, numbers in body["recipients"].items():
                one = self.recipients.get(code)
                if one and one.consigned_at is None and one.consignment in numbers:
                    one.carried, one.consigned_at, one.consigned_by = "consigned", body["at"], body["seq"]

    def _fault_of_notice(self, body: Body) -> str | None:
        event, author, about = body["event"], body["agency"], body["about"]
        if (author, body["noticeId"]) in self._notices:
            return f"is notice {body['noticeId']} for the second time"
        if event not in _EVENTS:
            return f"says {event}, which is nobody's to say"
        if not about or (strangers := [code for code in about if code not in self.recipients]):
            return f"is about {', '.join(strangers) if about else 'nobody'}, not about recipients"
        if _EVENTS[event].of_itself:
            if about != [author]:
                return f"says {event} by {author} about {', '.join(about)}"
        elif author != self.sender:
            return f"says {event} by {author}, who is not the sender"
        for code in about:
            if wrong := _wrong(event, body.get("supersedes"), self.recipients[code]):
                return f"says {event} about {code}, {wrong}"
        return None


def _wrong(event: str, supersedes: str | None, one: _Recipient) -> str | None:
    """What is wrong with an event as the next thing said about a recipient."""
    meaning, answer, withdrawal = _EVENTS[event], one.said("answer"), one.said("withdrawal")
    withdrawn = withdrawal == "withdrawal-granted"
    if withdrawn and (
        meaning.matter in ("answer", "dispute", "opened", "action") or event == "withdrawal-requested"
    ):
        return "and the letter was withdrawn"
    if event == "under-action" and answer not in (None, "registered"):
        return "which had turned the letter away"
    if event == "number-disputed" and answer != "registered":
        return "which has not registered the letter"
    if event == "withdrawal-requested" and answer == "registered":
        return "which has registered the letter"
    if event in ("withdrawal-granted", "withdrawal-declined") and withdrawal != "withdrawal-requested":
        return "and nobody had asked"
    if meaning.once and one.said(meaning.matter):
        return "for the second time"
    in_force = one.newest["answer"]["noticeId"] if meaning.matter == "answer" and answer else None
    return None if supersedes == in_force else "and does not supersede exactly the answer in force"


def require_permitted(entries: Sequence[Body]) -> None:
    """Raise Broken unless the entries about a letter, in order, are such as the bus may make after each other."""
    accepted, *later = entries
    story = Story(accepted)
    before = time_of(accepted["at"])
    _in_time(accepted)
    for body in later:
        at = time_of(body["at"])
        if at < before:
            raise Broken(f"entry {body['seq']} is older than the one before it")
        before = at
        if body["kind"] == "notice":
            _in_time(body)
        if fault := story.fault_of(body):
            raise Broken(f"entry {body['seq']} {fault}")
        story.add(body)


def outcomes_of(entries: Sequence[Body], name_of: Callable[[str], str]) -> list[dict[str, Any]]:
    """Return what became of the letter at each recipient, also at those never heard of. Raises Broken."""
    accepted, *later = entries
    try:
        story = Story(accepted)
        for body in later:
            if story.fault_of(body) is None:
                story.add(body)
        return [
            {
                "agency": code,
                "name": name_of(code),
                "role": accepted["recipients"][code]["role"],
                **_told(one, accepted["acknowledgement"]),
            }
            for code, one in story.recipients.items()
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise Broken(f"the entries cannot be followed: {error!r}") from error


def _told(one: _Recipient, asked: str) -> dict[str, Any]:
    deciding = one.deciding()
    facts: dict[str, Any] = {
        "outcome": one.outcome(),
        "entry": deciding["seq"] if deciding else one.consigned_by,
        "acknowledged": not one.is_open(asked if asked == REGISTRATION else RECEIPT),
        "disputed": "dispute" in one.newest,
    }
    times = {
        "receipt": "deliveredAt",
        "answer": "answeredAt",
        "settlement": "settledAt",
        "failure": "failedAt",
    }
    times |= {"opened": "openedAt", "action": "underActionAt"}
    facts |= {name: one.newest[matter]["at"] for matter, name in times.items() if matter in one.newest}
    if one.consigned_at:
        facts["consignedAt"] = one.consigned_at
    if answer := one.newest.get("answer"):
        facts |= {"answer": answer["event"], "receivingNumber": answer.get("number")}
    if withdrawal := one.newest.get("withdrawal"):
        facts["withdrawal"] = withdrawal["event"]
    if one.overdue:
        facts["overdue"] = one.overdue
    if one.due and asked == REGISTRATION:
        facts["registrationDue"] = one.due
    return facts


def _in_time(body: Body) -> None:
    if "receivedAt" in body and time_of(body["receivedAt"]) > time_of(body["at"]) + _CLOCKS:
        raise Broken(f"entry {body['seq']} was made before its document came")
