"""Where a letter stands with each of its recipients: a fold over what was said about it, never stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from adapters.mailbox.notices import NoticeRow, standing
from bus.documents.notice import BUS, Event

ACCEPTED = "accepted"
"""The bus answers for it; the recipient has not been heard of."""
WITHDRAWN = "withdrawn"

_CLERKS = (Event.REGISTERED, Event.REFUSED, Event.MISDIRECTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientState:
    """One recipient's dealing with one letter, as far as it is known here."""

    agency: str
    state: str = ACCEPTED
    since: str | None = None
    delivered_at: str | None = None
    receiving_number: str | None = None
    receiving_year: int | None = None
    receiving_unit: str | None = None
    registered_at: str | None = None
    reason_code: str | None = None
    reason_text: str | None = None
    suggested_receiver: str | None = None
    successor: str | None = None
    withdrawal: str | None = None
    """`requested`, `granted` or `declined`."""
    disputed: bool = False
    """The sender disputes the receiving number, and no correction has come."""
    overdue: tuple[str, ...] = ()
    """The deadlines that the bus saw pass without a word of this recipient, and that are still open."""


def fold(recipients: Iterable[str], sender: str, notices: Sequence[NoticeRow]) -> list[RecipientState]:
    """Give each recipient's state, in the order of the recipients; words of anybody else count for nothing."""
    states = {agency: RecipientState(agency=agency) for agency in recipients}
    for row in standing(notices):
        for agency in _concerned(row, sender, states):
            states[agency] = _after(states[agency], row)
    return list(states.values())


def _concerned(row: NoticeRow, sender: str, states: dict[str, RecipientState]) -> list[str]:
    if row.author in states and row.author != sender:
        return [row.author]
    if row.author not in (sender, BUS):
        return []
    if row.author == sender and sender in states and row.about in ((), (sender,)):
        return [sender]
    return [agency for agency in row.about or states if agency in states]


def _after(state: RecipientState, said: NoticeRow) -> RecipientState:
    event = said.event
    at = said.event_time
    if event == Event.DELIVERED:
        state = replace(state, delivered_at=at, overdue=_without(state, Event.OVERDUE_RECEIPT))
        return (
            replace(state, state=event, since=at)
            if state.state in (ACCEPTED, Event.HANDOVER_FAILED)
            else state
        )
    if event == Event.HANDOVER_FAILED:
        failed = replace(
            state, state=event, since=at, reason_code=said.reason_code, reason_text=said.reason_text
        )
        return failed if state.state == ACCEPTED else state
    if event in _CLERKS:
        return _decided(state, said)
    if event in (Event.OVERDUE_RECEIPT, Event.OVERDUE_REGISTRATION):
        return replace(state, overdue=(*_without(state, event), event)) if _silent(state, event) else state
    if event == Event.NUMBER_DISPUTED:
        return replace(state, disputed=state.state == Event.REGISTERED)
    if event == Event.WITHDRAWAL_REQUESTED:
        return replace(state, withdrawal="requested")
    if event == Event.WITHDRAWAL_DECLINED:
        return replace(state, withdrawal="declined", reason_text=said.reason_text)
    if event == Event.WITHDRAWAL_GRANTED:
        return replace(state, state=WITHDRAWN, since=at, withdrawal="granted", overdue=())
    if event in (Event.TRANSFERRED, Event.SETTLED):
        return replace(state, state=event, since=at, successor=said.successor, overdue=())
    return state


def _decided(state: RecipientState, said: NoticeRow) -> RecipientState:
    """The clerk's word: it replaces the clerk's earlier one, and with it every deadline and dispute is closed."""
    return replace(
        state,
        state=said.event,
        since=said.event_time,
        delivered_at=state.delivered_at,
        receiving_number=said.receiving_number,
        receiving_year=said.receiving_year,
        receiving_unit=said.receiving_unit,
        registered_at=said.registered_at,
        reason_code=said.reason_code,
        reason_text=said.reason_text,
        suggested_receiver=said.suggested_receiver,
        disputed=False,
        overdue=(),
    )


def _silent(state: RecipientState, event: str) -> bool:
    """Whether a deadline that passed is still open: a late word is always accepted, and may have come before."""
    if event == Event.OVERDUE_RECEIPT:
        return state.delivered_at is None and state.state == ACCEPTED
    return state.state in (ACCEPTED, Event.DELIVERED, Event.HANDOVER_FAILED)


def _without(state: RecipientState, event: str) -> tuple[str, ...]:
    return tuple(each for each in state.overdue if each != event)
