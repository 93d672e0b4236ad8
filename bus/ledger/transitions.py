"""Whether an entry may follow on what a letter's entries say before it: the state machine, as an auditor checks it.

The router refuses what may not be said (router/transitions.py); here the ledger is asked whether it ever let it pass.
"""

from __future__ import annotations

from bus.documents.notice import Event
from bus.ledger.entry import Entry, Kind
from bus.ledger.state import ANSWERS, LetterState, RecipientState

BY_RECIPIENT = ANSWERS | {
    Event.DELIVERED,
    Event.HANDOVER_FAILED,
    Event.WITHDRAWAL_GRANTED,
    Event.WITHDRAWAL_DECLINED,
}
"""What a recipient says of itself."""
BY_SENDER = frozenset({Event.NUMBER_DISPUTED, Event.WITHDRAWAL_REQUESTED, Event.SETTLED})
"""What the sender says of some of its recipients, or of all."""


def violation_of(entry: Entry, state: LetterState) -> str | None:
    """Say in words why an entry may not follow on this state of its letter; None if it may."""
    body = entry.body
    match body["kind"]:
        case Kind.NOTICE:
            return _fault_of_notice(
                body["event"], body["agency"], body["about"], body.get("supersedes"), state
            )
        case Kind.CONSIGNED | Kind.OVERDUE:
            named = body["recipients" if body["kind"] == Kind.CONSIGNED else "silent"]
            # A notice is consigned to the sender too.
            strangers = [code for code in named if code not in state.recipients and code != state.sender]
            if strangers:
                return f"names {', '.join(strangers)}, who are no parties"
            return _fault_of_overdue(body["deadline"], named, state) if body["kind"] == Kind.OVERDUE else None
        case _:
            return None


def _fault_of_overdue(deadline: str, silent: list[str], state: LetterState) -> str | None:
    heard = set(silent) - set(state.silent(deadline))
    return f"calls {', '.join(sorted(heard))} silent, who had answered" if heard else None


def _fault_of_notice(
    event: str, author: str, about: list[str], supersedes: str | None, state: LetterState
) -> str | None:
    strangers = [code for code in about if code not in state.recipients]
    if strangers:
        return f"is about {', '.join(strangers)}, who are no recipients"
    if event in BY_RECIPIENT:
        if about != [author]:
            return f"{event} is said by {author} about {', '.join(about)}"
        return _fault_of_word(event, supersedes, state.recipients[author])
    if event not in BY_SENDER:
        return f"{event} is said by {author}, and it is nobody's to say"
    if author != state.sender:
        return f"{event} is said by {author}, who is not the sender"
    return _fault_of_senders_word(event, [state.recipients[code] for code in about])


def _fault_of_senders_word(event: str, about: list[RecipientState]) -> str | None:
    for one in about:
        registered = one.answer is not None and one.answer.event == Event.REGISTERED
        if event == Event.NUMBER_DISPUTED and not registered:
            return f"{event} although {one.agency} has not registered it"
        if event == Event.WITHDRAWAL_REQUESTED and registered:
            return f"{event} although {one.agency} has registered it"
    return None


def _fault_of_word(event: str, supersedes: str | None, one: RecipientState) -> str | None:
    if event in ANSWERS:
        if one.status == "withdrawn":
            return f"{event} after the letter was withdrawn"
        if supersedes is None and one.answer is not None:
            return f"{event} on top of {one.answer.event} without superseding it"
        if supersedes is not None and (one.answer is None or one.answer.notice_id != supersedes):
            return f"{event} supersedes what is not in force"
    if event == Event.DELIVERED and one.receipt is not None:
        return "delivered for the second time"
    if event in (Event.WITHDRAWAL_GRANTED, Event.WITHDRAWAL_DECLINED) and (
        one.withdrawal is None or one.withdrawal.event != Event.WITHDRAWAL_REQUESTED
    ):
        return f"{event} although nobody asked"
    return None
