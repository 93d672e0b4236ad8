"""A letter's state: a fold over its entries, stored nowhere.

Per recipient: `on-hold` or `accepted` → `consigned` → `delivered` (machine receipt) → a clerk's answer (registered,
refused, misdirected, transferred) or `handover-failed`, or `settled` by other means. Beside that line stand a disputed
number, a withdrawal and what became overdue: none of them undoes what was acknowledged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bus.documents.notice import Event
from bus.ledger.entry import Entry, Kind

ANSWERS = frozenset({Event.REGISTERED, Event.REFUSED, Event.MISDIRECTED, Event.TRANSFERRED})
"""The clerk's answers; one is in force per recipient, a correction supersedes it."""
FINAL = ANSWERS | {Event.HANDOVER_FAILED, Event.SETTLED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A notice, as far as the state of a letter depends on it."""

    entry: int
    notice_id: str
    event: str
    author: str
    digest: str
    at: str
    number: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientState:
    """How far a letter has come with one recipient."""

    agency: str
    role: str
    addressed: str
    consignment: int
    on_hold: bool = False
    registration_due: str | None = None
    consigned_at: str | None = None
    receipt: Said | None = None
    failure: Said | None = None
    answer: Said | None = None
    settled: Said | None = None
    disputed: Said | None = None
    withdrawal: Said | None = None
    """The newest word on a withdrawal: requested, granted or declined."""
    overdue: tuple[str, ...] = ()
    said: tuple[Said, ...] = field(default=(), repr=False)

    @property
    def status(self) -> str:
        """The recipient's place in the letter's life, in one word."""
        if self.withdrawal and self.withdrawal.event == Event.WITHDRAWAL_GRANTED:
            return "withdrawn"
        for word in (self.answer, self.settled, self.failure, self.receipt):
            if word:
                return "disputed" if word is self.answer and self.disputed else word.event
        if self.consigned_at:
            return "consigned"
        return "on-hold" if self.on_hold else "accepted"

    @property
    def acknowledged(self) -> bool:
        """Whether the recipient has confirmed the letter or the matter is closed otherwise."""
        return bool(self.receipt or self.answer or self.settled or self.failure or self.status == "withdrawn")

    @property
    def closed(self) -> bool:
        """Whether the recipient's final outcome is known (a registration may still be corrected)."""
        return bool(self.answer or self.settled or self.failure or self.status == "withdrawn")


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterState:
    """A letter and every recipient of its frozen set."""

    letter: int
    sender: str
    letter_id: str
    digest: str
    asks_registration: bool
    recipients: Mapping[str, RecipientState]

    def silent(self, deadline: str, due: str | None = None) -> list[str]:
        """Return the recipients that have not done by now what `deadline` (receipt, registration) asks for.

        With `due`, only those whose registration was due by then and who have not been listed as overdue before.
        """
        if deadline == "receipt":
            return [code for code, one in self.recipients.items() if not one.acknowledged]
        silent = {code: one for code, one in self.recipients.items() if not one.closed}
        if due is None:
            return list(silent)
        return [
            code
            for code, one in silent.items()
            if deadline not in one.overdue and (one.registration_due or "") <= due
        ]

    @property
    def unacknowledged(self) -> list[str]:
        """Return the recipients from whom the acknowledgement that the letter asks for has not come."""
        return self.silent("registration" if self.asks_registration else "receipt")


def fold(entries: Iterable[Entry]) -> LetterState:
    """Return the state of the letter whose entries these are, from its acceptance on, in order."""
    stream = iter(entries)
    state = accepted(next(stream))
    recipients = dict(state.recipients)
    for entry in stream:
        advance(recipients, entry)
    return replace(state, recipients=recipients)


def advance(recipients: dict[str, RecipientState], entry: Entry) -> None:
    """Bring the states of those whom one more entry concerns up to date."""
    for code in _concerned(entry, recipients):
        recipients[code] = _step(recipients[code], entry)


def deadlines_of(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the (deadline, due time) pairs of an acceptance; an agency's closures give it a later time of its own."""
    found = [("receipt", body["receiptDue"])]
    if body.get("registrationDue"):
        later = {one["registrationDue"] for one in body["recipients"].values() if "registrationDue" in one}
        found += [("registration", at) for at in sorted({body["registrationDue"], *later})]
    return found


def accepted(entry: Entry) -> LetterState:
    """Return the state of a letter that was just accepted."""
    body = entry.body
    recipients = {
        code: RecipientState(
            agency=code,
            role=one["role"],
            addressed=one.get("addressed", code),
            consignment=one["consignment"],
            on_hold=one.get("onHold", False),
            registration_due=one.get("registrationDue", body.get("registrationDue")),
        )
        for code, one in body["recipients"].items()
    }
    return LetterState(
        letter=body["seq"],
        sender=body["agency"],
        letter_id=body["letterId"],
        digest=body["digest"],
        asks_registration=body["acknowledgement"] == "registration",
        recipients=recipients,
    )


def _concerned(entry: Entry, recipients: Mapping[str, RecipientState]) -> list[str]:
    about: Iterable[str]
    match entry.body["kind"]:
        case Kind.NOTICE:
            about = entry.body["about"]
        case Kind.CONSIGNED:
            about = entry.body["recipients"]
        case Kind.OVERDUE:
            about = entry.body["silent"]
        case _:
            about = ()
    return [code for code in about if code in recipients]


def _step(recipient: RecipientState, entry: Entry) -> RecipientState:
    match entry.body["kind"]:
        case Kind.CONSIGNED:
            if recipient.consignment not in entry.body["recipients"][recipient.agency]:
                return recipient
            return replace(recipient, consigned_at=recipient.consigned_at or entry.body["at"], on_hold=False)
        case Kind.OVERDUE:
            return replace(recipient, overdue=(*recipient.overdue, entry.body["deadline"]))
        case _:
            return _hear(recipient, _said(entry.body))


def _said(body: Mapping[str, Any]) -> Said:
    return Said(
        entry=body["seq"],
        notice_id=body["noticeId"],
        event=body["event"],
        author=body["agency"],
        digest=body["digest"],
        at=body["at"],
        number=body.get("number"),
    )


def _hear(recipient: RecipientState, word: Said) -> RecipientState:
    said = (*recipient.said, word)
    match word.event:
        case Event.DELIVERED:
            return replace(recipient, said=said, receipt=recipient.receipt or word)
        case Event.HANDOVER_FAILED:
            return replace(recipient, said=said, failure=recipient.failure or word)
        case Event.SETTLED:
            return replace(recipient, said=said, settled=word)
        case Event.NUMBER_DISPUTED:
            return replace(recipient, said=said, disputed=word)
        case Event.WITHDRAWAL_REQUESTED | Event.WITHDRAWAL_GRANTED | Event.WITHDRAWAL_DECLINED:
            return replace(recipient, said=said, withdrawal=word)
        case _:
            # A clerk's answer or its correction: the newest is in force, and a dispute ends with it.
            return replace(recipient, said=said, answer=word, disputed=None)
