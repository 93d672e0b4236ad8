"""A letter's state: a fold over its entries, stored nowhere; `documents/lifecycle.py` says what the events mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from bus.documents import lifecycle
from bus.documents.lifecycle import Deadline, Progress, Slot
from bus.identifiers import AgencyCode, ContentDigest, LetterId
from bus.ledger.addressed import Addressed
from bus.ledger.entry import Entry, Kind


# Those two are tuples, because a circular's thousands are made two times over: a frozen dataclass takes three times as
# long to make.
class Fact(NamedTuple):
    """A notice, as far as the state of a letter depends on it."""

    entry: int
    notice_id: str
    event: str
    author: AgencyCode
    digest: ContentDigest
    at: str
    supersedes: str | None = None
    number: str | None = None


# Of a circular's thousands of recipients most have said nothing, and share one of these.
_ACCEPTED: Final[Progress[Fact]] = Progress(carried=lifecycle.ACCEPTED)
_ON_HOLD: Final[Progress[Fact]] = Progress(carried=lifecycle.ON_HOLD)
_CONSIGNED: Final[Progress[Fact]] = Progress(carried=lifecycle.CONSIGNED)
# An attribute of an enumeration is looked up for longer than a text is compared, and its hash is a call (Python 3.11).
NOTICE: Final = str(Kind.NOTICE)
CONSIGNED: Final = str(Kind.CONSIGNED)


class RecipientState(NamedTuple):
    """How far a letter has come with one recipient."""

    agency: AgencyCode
    role: str
    addressed: AgencyCode
    consignment: int
    registration_due: str | None = None
    """By when its clerk has to register: as frozen at the acceptance, or later by an extension."""
    consigned_at: str | None = None
    progress: Progress[Fact] = _ACCEPTED
    events: tuple[Fact, ...] = ()
    """Everything that was said, in order."""

    @property
    def outcome(self) -> str:
        """The recipient's place in the letter's life, in one word."""
        return self.progress.outcome

    @property
    def receipt(self) -> Fact | None:
        """The machine's receipt."""
        facts = self.progress.facts
        return facts.get(Slot.RECEIPT) if facts else None

    @property
    def answer(self) -> Fact | None:
        """The clerk's answer that is in force."""
        facts = self.progress.facts
        return facts.get(Slot.ANSWER) if facts else None

    @property
    def acknowledged(self) -> bool:
        """Whether the recipient has been heard of, or the matter is closed otherwise: nobody waits for a receipt."""
        return not self.progress.open(Deadline.RECEIPT)

    @property
    def disputed(self) -> bool:
        """Whether the sender disputes the receiving number, and no correction has come."""
        facts = self.progress.facts
        return bool(facts) and Slot.DISPUTE in facts

    @property
    def overdue(self) -> tuple[Deadline, ...]:
        """The deadlines that passed in silence."""
        return self.progress.overdue

    @property
    def owes_registration(self) -> bool:
        """Whether a registration is still to come whose deadline has not passed in silence."""
        progress = self.progress
        if not progress.facts and not progress.overdue:
            return True
        return progress.open(Deadline.REGISTRATION) and Deadline.REGISTRATION not in progress.overdue


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterState:
    """A letter and every recipient of its frozen set."""

    letter: int
    sender: AgencyCode
    letter_id: LetterId
    digest: ContentDigest
    speed: str
    received_at: str
    """The time from which due times are counted."""
    asks_registration: bool
    recipients: Mapping[AgencyCode, RecipientState]
    newest: int = field(default=0, compare=False)
    """The entry after which this is the state."""

    @property
    def addressed(self) -> Mapping[AgencyCode, AgencyCode]:
        """Each recipient with the code that the letter addressed."""
        return Addressed(self.recipients)

    def silent(self, deadline: Deadline, due: str | None = None) -> list[AgencyCode]:
        """Return the recipients that have not done by now what `deadline` asks for.

        With `due`, for a registration only those for whom it was due by then and who have not been listed before: an
        agency's own closures make it later.
        """
        silent = {code: one for code, one in self.recipients.items() if one.progress.open(deadline)}
        if due is None or deadline is Deadline.RECEIPT:
            return list(silent)
        return [
            code
            for code, one in silent.items()
            if deadline not in one.overdue and (one.registration_due or "") <= due
        ]

    @property
    def unacknowledged(self) -> list[AgencyCode]:
        """Return the recipients from whom the acknowledgement that the letter asks for has not come."""
        return self.silent(Deadline.REGISTRATION if self.asks_registration else Deadline.RECEIPT)

    @property
    def registration_due(self) -> str | None:
        """When the first registration is due of those still to come, of all once none is; None if none is asked for."""
        some = list(self.recipients.values())
        owing = [one for one in some if one.owes_registration] or some
        times = [one.registration_due for one in owing if one.registration_due]
        return min(times, default=None) if self.asks_registration else None


def fold(entries: Iterable[Entry]) -> LetterState:
    """Return the state of the letter whose entries these are, from its acceptance on, in order."""
    stream = iter(entries)
    return continued(accepted(next(stream)), stream)


def continued(state: LetterState, entries: Iterable[Entry]) -> LetterState:
    """Return the state of a letter after more of its entries, in order."""
    recipients, newest = dict(state.recipients), state.newest
    for entry in entries:
        advance(recipients, entry)
        newest = entry.seq
    return replace(state, recipients=recipients, newest=newest)


def advance(recipients: dict[AgencyCode, RecipientState], entry: Entry) -> None:
    """Bring the states of those whom one more entry concerns up to date."""
    body = entry.body
    kind = body["kind"]
    if kind == NOTICE:
        if concerned := [code for code in body["about"] if code in recipients]:
            fact = _fact(body)
            for code in concerned:
                one = recipients[code]
                recipients[code] = _after(one, one.progress.after(fact), events=(*one.events, fact))
    elif kind == CONSIGNED:
        for code, numbers in body["recipients"].items():
            if code in recipients and recipients[code].consignment in numbers:
                recipients[code] = _consigned(recipients[code], body["at"])
    elif kind == Kind.OVERDUE:
        for code in body["silent"]:
            if code in recipients:
                one = recipients[code]
                recipients[code] = _after(one, one.progress.passed(Deadline(body["deadline"])))
    elif kind == Kind.DEADLINE_EXTENDED:
        _extend(recipients, body)


def deadlines_of(
    body: Mapping[str, Any], extensions: Iterable[Mapping[str, Any]] = ()
) -> list[tuple[Deadline, str]]:
    """Return the (deadline, due time) pairs of an acceptance, as they are after its letter's extensions, in order.

    An agency's closures give it a later time of its own.
    """
    found = [(Deadline.RECEIPT, body["receiptDue"])]
    if general := body.get("registrationDue"):
        times = {code: one.get("registrationDue", general) for code, one in body["recipients"].items()}
        listed = {general, *times.values()}
        for extension in extensions:
            gone, new = moved_by(extension, times)
            listed = (listed - gone) | new
        found += [(Deadline.REGISTRATION, at) for at in sorted(listed)]
    return found


def moved_by(extension: Mapping[str, Any], times: dict[AgencyCode, str]) -> tuple[set[str], set[str]]:
    """Return the due times at which an extension leaves nobody, and those that it gives.

    `times` has each recipient's own and is brought up to date. A time at which somebody is left stays to be judged,
    also if they have answered by now.
    """
    for group in extension["extended"]:
        times.update(dict.fromkeys(group["recipients"], group["due"]))
    left = set(times.values())
    return (
        {group["was"] for group in extension["extended"]} - left,
        {group["due"] for group in extension["extended"]},
    )


def accepted(entry: Entry) -> LetterState:
    """Return the state of a letter that was just accepted."""
    body = entry.body
    recipients = {
        code: RecipientState(
            agency=code,
            role=one["role"],
            addressed=one.get("addressed", code),
            consignment=one["consignment"],
            registration_due=one.get("registrationDue", body.get("registrationDue")),
            progress=_ON_HOLD if one.get("onHold") else _ACCEPTED,
        )
        for code, one in body["recipients"].items()
    }
    return LetterState(
        letter=body["seq"],
        sender=body["agency"],
        letter_id=body["letterId"],
        digest=body["digest"],
        speed=body["speed"],
        received_at=body["receivedAt"],
        asks_registration=body["acknowledgement"] == Deadline.REGISTRATION,
        recipients=recipients,
        newest=body["seq"],
    )


def _extend(recipients: dict[AgencyCode, RecipientState], body: Mapping[str, Any]) -> None:
    for group in body["extended"]:
        for code in group["recipients"]:
            if code in recipients:
                recipients[code] = recipients[code]._replace(registration_due=group["due"])


def _consigned(one: RecipientState, at: str) -> RecipientState:
    progress = one.progress
    unheard = progress is _ACCEPTED or progress is _ON_HOLD
    carried = _CONSIGNED if unheard else replace(progress, carried=lifecycle.CONSIGNED)
    return _after(one, carried, consigned_at=one.consigned_at or at)


def _after(
    one: RecipientState,
    progress: Progress[Fact],
    *,
    consigned_at: str | None = None,
    events: tuple[Fact, ...] | None = None,
) -> RecipientState:
    """The recipient with another progress; `_replace` takes twice as long, and a circular has thousands."""
    agency, role, addressed, consignment, due, consigned, _, said = one
    return RecipientState(
        agency,
        role,
        addressed,
        consignment,
        due,
        consigned_at or consigned,
        progress,
        said if events is None else events,
    )


def _fact(body: Mapping[str, Any]) -> Fact:
    return Fact(
        entry=body["seq"],
        notice_id=body["noticeId"],
        event=body["event"],
        author=body["agency"],
        digest=body["digest"],
        at=body["at"],
        supersedes=body.get("supersedes"),
        number=body.get("number"),
    )
