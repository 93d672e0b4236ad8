"""Where a letter stands with each of its recipients: what the notices in this mailbox say, by the life of a letter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adapters.mailbox.notices import NoticeRow
from bus.documents import lifecycle
from bus.documents.lifecycle import BY_SENDER, PASSED, Progress, Slot, Violation
from bus.documents.notice import BUS
from bus.identifiers import AgencyCode


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientState:
    """One recipient's dealing with one letter, as far as it is known here."""

    agency: AgencyCode
    state: str = lifecycle.ACCEPTED
    """The outcome; the bus answers for the letter from its acceptance on."""
    since: str | None = None
    delivered_at: str | None = None
    opened_at: str | None = None
    under_action_at: str | None = None
    receiving_number: str | None = None
    receiving_year: int | None = None
    receiving_unit: str | None = None
    registered_at: str | None = None
    reason_code: str | None = None
    reason_text: str | None = None
    suggested_receiver: AgencyCode | None = None
    successor: AgencyCode | None = None
    withdrawal: str | None = None
    """`requested`, `granted` or `declined`."""
    disputed: bool = False
    """The sender disputes the receiving number, and no correction has come."""
    overdue: tuple[str, ...] = ()
    """The deadlines that the bus saw pass in silence, and that are still open."""


def views_of(found: Mapping[AgencyCode, Progress[NoticeRow]]) -> list[RecipientState]:
    """Give each recipient's state as plain values, in their order."""
    return [_view(agency, progress) for agency, progress in found.items()]


def fold(
    recipients: Mapping[AgencyCode, AgencyCode],
    sender: AgencyCode,
    notices: Sequence[NoticeRow],
    *,
    all_of_them: bool = True,
) -> dict[AgencyCode, Progress[NoticeRow]]:
    """Give how far the letter has come with each recipient, by the notices in the order of the ledger.

    `recipients`: the agencies of the frozen set, each with the code that the letter addressed; not `all_of_them` where
    only some are known or wanted here. What the life of a letter does not permit counts for nothing, as at the bus.
    """
    found: dict[AgencyCode, Progress[NoticeRow]] = {agency: Progress() for agency in recipients}
    here = {*recipients, *recipients.values()}
    for notice in notices:
        if notice.void:
            continue
        if notice.author == BUS:
            _pass(found, notice)
            continue
        named = notice.about
        if not all_of_them and notice.event in BY_SENDER and named:
            named = tuple(code for code in named if code in here)
            if not named:
                continue
        about = lifecycle.concerned(notice.event, notice.author, named, sender=sender, recipients=recipients)
        if not isinstance(about, Violation) and _permitted(notice, about, found):
            found |= {agency: found[agency].after(notice) for agency in about}
    return found


def _permitted(
    notice: NoticeRow, about: tuple[AgencyCode, ...], found: Mapping[AgencyCode, Progress[NoticeRow]]
) -> bool:
    return not any(
        lifecycle.violation(notice.event, notice.supersedes, agency, found[agency]) for agency in about
    )


def _pass(found: dict[AgencyCode, Progress[NoticeRow]], notice: NoticeRow) -> None:
    deadline = {str(event): passed for event, passed in PASSED.items()}.get(notice.event)
    if deadline is None:
        return
    for agency in notice.about:
        # A late answer always counts, and may be known here before.
        if agency in found and found[agency].open(deadline):
            found[agency] = found[agency].passed(deadline)


def _view(agency: AgencyCode, progress: Progress[NoticeRow]) -> RecipientState:
    facts, effective = progress.facts, progress.effective
    answer = facts.get(Slot.ANSWER)
    withdrawal = facts.get(Slot.WITHDRAWAL)
    reasoned = withdrawal if withdrawal and withdrawal.reason_text else answer or facts.get(Slot.FAILURE)
    passed = {deadline: event for event, deadline in PASSED.items()}
    return RecipientState(
        agency=agency,
        state=progress.outcome,
        since=effective.event_time if effective else None,
        delivered_at=_time(facts.get(Slot.RECEIPT)),
        opened_at=_time(facts.get(Slot.OPENED)),
        under_action_at=_time(facts.get(Slot.ACTION)),
        receiving_number=answer.receiving_number if answer else None,
        receiving_year=answer.receiving_year if answer else None,
        receiving_unit=answer.receiving_unit if answer else None,
        registered_at=answer.registered_at if answer else None,
        reason_code=reasoned.reason_code if reasoned else None,
        reason_text=reasoned.reason_text if reasoned else None,
        suggested_receiver=answer.suggested_receiver if answer else None,
        successor=answer.successor if answer else None,
        withdrawal=withdrawal.event.removeprefix("withdrawal-") if withdrawal else None,
        disputed=Slot.DISPUTE in facts,
        overdue=tuple(passed[deadline] for deadline in progress.overdue if progress.open(deadline)),
    )


def _time(notice: NoticeRow | None) -> str | None:
    return notice.event_time if notice else None
