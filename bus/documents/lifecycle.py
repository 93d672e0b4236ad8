"""The life of a letter at each of its recipients: every event as data, and one fold over what was said.

Router (may this be said?), ledger (where does it stand?), mailbox (what is the office shown?), commands and pages read
this table and nothing else; `docs/lifecycle.md` shows it to clerks. Facts come in the order of the ledger. Who is to
be believed is decided before: here an author is the agency whose submission it was.

Decided once, because the events below may come in any order:

- A receipt stands, whatever failure was reported before or after it: it attests that the letter is durable there.
- The recipient's own answer stands above what the sender says of the letter: a settled letter may still be registered.
- A letter that was taken back stays so; what the sender settles by another means afterwards is remembered beside it.
- A disputed number is still a registration: the acknowledgement was given, and only its number is asked about.
- Opened and under action are told and change no outcome: they acknowledge nothing and close no deadline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Generic, Protocol, TypeVar

from bus.documents.notice import Event
from bus.errors import RefusalCode
from bus.identifiers import AgencyCode


class Speaker(StrEnum):
    """Who may say something."""

    BUS = "bus"
    ADAPTER = "adapter"
    """The recipient's machine, of its own agency."""
    CLERK = "clerk"
    """The recipient's clerk, of the own agency."""
    SENDER = "sender"
    """The letter's sender, of some of its recipients or of all."""


class Deadline(StrEnum):
    """What a letter waits for."""

    RECEIPT = "receipt"
    REGISTRATION = "registration"


class Condition(StrEnum):
    """What holds of a recipient before something is said."""

    REGISTERED = "registered"
    TURNED_AWAY = "turned-away"
    """Answered, and not by a registration."""
    ASKED_BACK = "asked-back"
    """The sender's request for a withdrawal is unanswered."""
    WITHDRAWN = "withdrawn"


class Slot(StrEnum):
    """What a fact says something about; of each the state holds the fact that is in force."""

    RECEIPT = "receipt"
    FAILURE = "failure"
    ANSWER = "answer"
    SETTLED = "settled"
    DISPUTE = "disputed"
    WITHDRAWAL = "withdrawal"
    OPENED = "opened"
    ACTION = "action"


BOTH: Final = frozenset(Deadline)
NONE: Final[frozenset[Deadline]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What one event means."""

    by: Speaker
    slot: Slot | None = None
    """None for what the bus says: it is no fact about one recipient, or is one of a deadline."""
    once: bool = False
    """Said again, under whatever id and with whatever time, it is the same fact."""
    carries: tuple[str, ...] = ()
    """Fields of the notice of which it needs one."""
    after: Condition | None = None
    """What must hold before."""
    not_after: Mapping[Condition, RefusalCode] = field(default_factory=dict)
    """What must not hold before, and the refusal if it does."""
    corrects: bool = False
    """Where it stands on another of its slot it supersedes that, by naming it."""
    ends: tuple[Slot, ...] = ()
    """What is no longer open once it is said."""
    yields_to: Slot | None = None
    """It counts only while nothing stands there."""
    closes: frozenset[Deadline] = NONE
    outcome: str = ""
    """The recipient's outcome while it is in force, if it is one."""
    rank: int = 0
    """Of several facts in force, the one of the highest rank gives the outcome."""


_GONE: Final = {Condition.WITHDRAWN: RefusalCode.NOTICE_ALREADY_ANSWERED}
_ANSWER: Final[dict[str, Any]] = {
    "by": Speaker.CLERK,
    "slot": Slot.ANSWER,
    "not_after": _GONE,
    "corrects": True,
    "ends": (Slot.DISPUTE,),
    "closes": BOTH,
    "rank": 4,
}

RULES: Final[Mapping[Event, Rule]] = MappingProxyType(
    {
        Event.ACCEPTED: Rule(by=Speaker.BUS),
        Event.REFUSED_BY_BUS: Rule(by=Speaker.BUS),
        Event.PARKED: Rule(by=Speaker.BUS),
        Event.OVERDUE_RECEIPT: Rule(by=Speaker.BUS),
        Event.OVERDUE_REGISTRATION: Rule(by=Speaker.BUS),
        # A machine says what it found, also late: nothing bars it.
        Event.DELIVERED: Rule(
            by=Speaker.ADAPTER,
            slot=Slot.RECEIPT,
            once=True,
            closes=frozenset({Deadline.RECEIPT}),
            outcome="delivered",
            rank=2,
        ),
        Event.HANDOVER_FAILED: Rule(
            by=Speaker.ADAPTER,
            slot=Slot.FAILURE,
            once=True,
            yields_to=Slot.RECEIPT,
            closes=BOTH,
            outcome="handover-failed",
            rank=1,
        ),
        Event.REGISTERED: Rule(**_ANSWER, outcome="registered", carries=("registration",)),
        Event.REFUSED: Rule(**_ANSWER, outcome="refused", carries=("reason_texts", "reason_code")),
        Event.MISDIRECTED: Rule(
            **_ANSWER, outcome="misdirected", carries=("reason_texts", "reason_code", "suggested_receiver")
        ),
        Event.TRANSFERRED: Rule(**_ANSWER, outcome="transferred", carries=("successor",)),
        # No outcome: whoever has read a letter or acts on it may still refuse it or owe its number.
        Event.OPENED: Rule(by=Speaker.CLERK, slot=Slot.OPENED, once=True, not_after=_GONE),
        Event.UNDER_ACTION: Rule(
            by=Speaker.CLERK,
            slot=Slot.ACTION,
            once=True,
            # Who has turned a letter away does not act on it.
            not_after=_GONE | {Condition.TURNED_AWAY: RefusalCode.NOTICE_ALREADY_ANSWERED},
        ),
        # There is a number to dispute only while there is a registration.
        Event.NUMBER_DISPUTED: Rule(
            by=Speaker.SENDER, slot=Slot.DISPUTE, after=Condition.REGISTERED, not_after=_GONE
        ),
        # A request after a registration is too late; after the letter was opened it is still a request.
        Event.WITHDRAWAL_REQUESTED: Rule(
            by=Speaker.SENDER,
            slot=Slot.WITHDRAWAL,
            not_after=_GONE | {Condition.REGISTERED: RefusalCode.NOTICE_WITHDRAWAL_TOO_LATE},
        ),
        # The recipient may grant what it was asked for also when it has registered the letter since.
        Event.WITHDRAWAL_GRANTED: Rule(
            by=Speaker.CLERK,
            slot=Slot.WITHDRAWAL,
            after=Condition.ASKED_BACK,
            ends=(Slot.DISPUTE,),
            closes=BOTH,
            outcome="withdrawn",
            rank=5,
        ),
        Event.WITHDRAWAL_DECLINED: Rule(by=Speaker.CLERK, slot=Slot.WITHDRAWAL, after=Condition.ASKED_BACK),
        # Said of many recipients at once, whatever some of them have answered: their own word stands above it.
        Event.SETTLED: Rule(
            by=Speaker.SENDER,
            slot=Slot.SETTLED,
            carries=("other_means",),
            closes=BOTH,
            outcome="settled",
            rank=3,
        ),
    }
)
"""Every event there is."""

ONCE: Final = frozenset(event for event, rule in RULES.items() if rule.once)
"""Identified by what they say: a mailbox brought back from a backup says them anew."""
BY_SENDER: Final = frozenset(event for event, rule in RULES.items() if rule.by is Speaker.SENDER)
BY_BUS: Final = frozenset(event for event, rule in RULES.items() if rule.by is Speaker.BUS)
PASSED: Final[Mapping[Event, Deadline]] = MappingProxyType(
    {
        Event.OVERDUE_RECEIPT: Deadline.RECEIPT,
        Event.OVERDUE_REGISTRATION: Deadline.REGISTRATION,
    }
)
"""What the bus says when a deadline has passed in silence."""
ACCEPTED, ON_HOLD, CONSIGNED = "accepted", "on-hold", "consigned"
"""The outcomes before a recipient has said anything."""
OUTCOMES: Final = (
    ACCEPTED,
    ON_HOLD,
    CONSIGNED,
    *(rule.outcome for rule in sorted(RULES.values(), key=lambda one: one.rank) if rule.outcome),
)
"""Every outcome that a recipient can have."""


class Fact(Protocol):
    """An event in a letter's history."""

    @property
    def event(self) -> str: ...
    @property
    def author(self) -> str: ...
    @property
    def notice_id(self) -> str: ...
    @property
    def supersedes(self) -> str | None: ...


F = TypeVar("F", bound=Fact)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress(Generic[F]):
    """How far a letter has come with one recipient."""

    carried: str = ACCEPTED
    """`accepted`, `on-hold` or `consigned`: how far the bus has brought it."""
    facts: Mapping[Slot, F] = field(default_factory=dict)
    """What is in force."""
    overdue: tuple[Deadline, ...] = ()
    """The deadlines that passed in silence, whatever was said afterwards."""

    @property
    def effective(self) -> F | None:
        """The fact that gives the outcome; None while there is none."""
        if not self.facts:  # most of a circular's thousands of recipients
            return None
        outcomes = [fact for fact in self._counting() if _rule(fact).outcome]
        return max(outcomes, key=lambda fact: _rule(fact).rank, default=None)

    @property
    def outcome(self) -> str:
        """The recipient's state in one word."""
        if not self.facts:
            return self.carried
        fact = self.effective
        return _rule(fact).outcome if fact is not None else self.carried

    def open(self, deadline: Deadline) -> bool:
        """Whether what the deadline asks for has not been done."""
        return not self.facts or not any(deadline in _rule(fact).closes for fact in self._counting())

    def holds(self, condition: Condition) -> bool:
        """Whether a condition holds."""
        if not self.facts:
            return False
        slot, event, said = _HOLDS[condition]
        fact = self.facts.get(slot)
        return fact is not None and (fact.event == event) is said

    def after(self, fact: F) -> Progress[F]:
        """Return the progress after one more fact, which no violation speaks against."""
        rule = _MEANT.get(fact.event)
        if rule is None or (slot := rule.slot) is None:
            return self
        ends = rule.ends
        kept = (
            {place: earlier for place, earlier in self.facts.items() if place not in ends}
            if ends
            else self.facts
        )
        return Progress(carried=self.carried, facts={**kept, slot: fact}, overdue=self.overdue)

    def passed(self, deadline: Deadline) -> Progress[F]:
        """Return the progress after a deadline has passed in silence."""
        return replace(self, overdue=(*self.overdue, deadline))

    def _counting(self) -> list[F]:
        if len(self.facts) == 1:  # of a circular's thousands: there is nothing that it could yield to
            return list(self.facts.values())
        return [fact for fact in self.facts.values() if _rule(fact).yields_to not in self.facts]


@dataclass(frozen=True, slots=True)
class Violation:
    """Why something may not be said: the refusal, and what of the state speaks against it."""

    code: RefusalCode
    detail: str


def known(event: str) -> Event | None:
    """Return the event of a code; None for one that this version does not know, which is then refused."""
    return _KNOWN.get(event)


def concerned(
    event: str,
    author: AgencyCode,
    about: Iterable[AgencyCode],
    *,
    sender: AgencyCode,
    recipients: Mapping[AgencyCode, AgencyCode],
) -> tuple[AgencyCode, ...] | Violation:
    """Return the recipients that a notice is about, or why its author may not say it of them.

    `recipients`: each agency of the frozen set with the code that the letter addressed, by either of which it is named.
    """
    meant = known(event)
    if meant is None or meant in BY_BUS:
        return Violation(RefusalCode.NOTICE_NOT_YOURS_TO_SAY, event)
    if meant in BY_SENDER:
        if author != sender:
            party = author in recipients
            code = RefusalCode.NOTICE_NOT_YOURS_TO_SAY if party else RefusalCode.NOTICE_NOT_A_PARTY
            return Violation(code, event if party else author)
        inboxes = {addressed: agency for agency, addressed in recipients.items()}
        named = tuple(dict.fromkeys(inboxes.get(code, code) for code in about)) or tuple(recipients)
        strangers = [code for code in named if code not in recipients]
        return Violation(RefusalCode.NOTICE_NOT_A_PARTY, ", ".join(strangers)) if strangers else named
    if author not in recipients:
        return Violation(RefusalCode.NOTICE_NOT_A_PARTY, author)
    foreign = [code for code in about if code not in (author, recipients[author])]
    return Violation(RefusalCode.NOTICE_NOT_YOURS_TO_SAY, ", ".join(foreign)) if foreign else (author,)


def violation(
    event: str, supersedes: str | None, agency: AgencyCode, before: Progress[Any]
) -> Violation | None:
    """Return why an event may not follow on this progress of a recipient; None if it may."""
    rule = _MEANT.get(event)
    if rule is None:
        return Violation(RefusalCode.NOTICE_NOT_YOURS_TO_SAY, event)
    for condition, code in rule.not_after.items():
        if before.holds(condition):
            return Violation(code, condition if condition is Condition.WITHDRAWN else agency)
    if rule.after is not None and not before.holds(rule.after):
        return Violation(RefusalCode.NOTICE_NOTHING_TO_ANSWER, agency)
    if rule.slot is None:
        return None
    effective = before.facts.get(rule.slot)
    if rule.once and effective is not None:
        return Violation(RefusalCode.NOTICE_ALREADY_ANSWERED, f"{event} was said before")
    if rule.corrects and supersedes is None and effective is not None:
        return Violation(RefusalCode.NOTICE_ALREADY_ANSWERED, agency)
    if supersedes is not None and not (
        rule.corrects and effective is not None and effective.notice_id == supersedes
    ):
        return Violation(RefusalCode.NOTICE_SUPERSEDES_FOREIGN, supersedes)
    return None


def lacking(event: str, stated: Callable[[str], object]) -> str | None:
    """Return the element that a notice of this event needs and does not have; `stated` gives its fields by name."""
    meant = known(event)
    fields = RULES[meant].carries if meant else ()
    return None if not fields or any(map(stated, fields)) else _ELEMENTS[fields[0]]


# By their codes, for they are looked up a thousand times for one circular.
_KNOWN: Final[Mapping[str, Event]] = {str(event): event for event in Event}
_MEANT: Final[Mapping[str, Rule]] = {str(event): rule for event, rule in RULES.items()}
_HOLDS: Final = {
    Condition.REGISTERED: (Slot.ANSWER, str(Event.REGISTERED), True),
    Condition.TURNED_AWAY: (Slot.ANSWER, str(Event.REGISTERED), False),
    Condition.ASKED_BACK: (Slot.WITHDRAWAL, str(Event.WITHDRAWAL_REQUESTED), True),
    Condition.WITHDRAWN: (Slot.WITHDRAWAL, str(Event.WITHDRAWAL_GRANTED), True),
}
"""By condition, the slot, and the event that is to be in force there, or another than that."""
_ELEMENTS: Final = {
    "registration": "Registration",
    "reason_texts": "ReasonText",
    "successor": "Successor",
    "other_means": "OtherMeans",
}


def _rule(fact: Fact) -> Rule:
    return _MEANT[fact.event]
