"""Gate 8: what is decided under the append lock, and written in one transaction.

The gates before judged by a snapshot. Here everything that may have changed since is looked at again; if it has, the
submission goes back to gate 1 (`Stale`), so that nothing is ever signed under the lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bus.documents.notice import Notice
from bus.documents.reports import TYPE
from bus.identifiers import AgencyCode
from bus.ledger.entry import Kind
from bus.ledger.rows import Consignment
from bus.ledger.store import Writer
from bus.router.activation import Versions, versions
from bus.router.delivery import (
    Delivery,
    Duplicate,
    LetterAccepted,
    NoticeAccepted,
    Outcome,
    ReportAccepted,
    SubmissionRefused,
)
from bus.router.recording.consigning import LEASE_FOR, Consigner, Stale
from bus.router.recording.letters import ON_HOLD, number_of, record_letter
from bus.router.recording.notices import record_notice
from bus.router.recording.refusals import close_hours, permitted_now, record_refusal
from bus.router.recording.reports import record_report

__all__ = ["LEASE_FOR", "ON_HOLD", "Recorded", "Recorder", "Stale", "close_hours"]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What an append left to be done after the commit."""

    outcome: str
    consignments: tuple[Consignment, ...]
    """What this router publishes by itself."""
    left: bool = False
    """Whether there is more, for a sweep to lease."""
    alarms: tuple[tuple[str, dict[str, Any]], ...] = ()
    """What somebody has to look at, with its fields."""
    entries: range = range(0)
    """The numbers of the entries that it made."""


class Recorder:
    """Writes what the gates found; one per router, whose name stands in the leases."""

    def __init__(self, router: str, refusals_per_hour: int = 500) -> None:
        self._router = router
        self._refusals_per_hour = refusals_per_hour

    def record_all(
        self, examined: Sequence[Outcome], examined_under: Versions, writer: Writer
    ) -> list[Recorded | Stale]:
        """Write a batch; Stale is a result here and not an error, so that it does not roll back the others.

        What is said about one letter stays in its order: behind one that has to be examined again, the later ones
        wait for it. A registration and two corrections of it may stand in one batch.
        """
        _prefetch(writer, examined)
        outcomes: list[Recorded | Stale] = []
        repeated: set[tuple[str, int]] = set()
        waiting: set[tuple[str, str]] = set()
        for one in examined:
            if isinstance(one, Duplicate) and one.delivery.replay is None:
                if (one.agency, one.answer) in repeated:
                    # Said once to all who ask at once.
                    outcomes.append(Recorded("repeated", ()))
                    continue
                repeated.add((one.agency, one.answer))
            about = _about(one)
            try:
                if about in waiting:
                    raise Stale
                outcomes.append(self.record(writer, one, examined_under))
            except Stale as stale:
                outcomes.append(stale)
                waiting |= {about} if about else set()
        return outcomes

    def record(self, writer: Writer, found: Outcome, examined_under: Versions) -> Recorded:
        """Write one examined submission. Raises Stale when it has to be examined again.

        `examined_under`: the directory and the calendar that the gates used.
        """
        if versions(writer) != examined_under:
            raise Stale
        if found.delivery.replay and not writer.parked.replay_wanted(found.delivery.replay):
            return Recorded("replayed", ())
        consigner, first = Consigner(writer, self._router), writer.next_seq
        match found:
            case LetterAccepted():
                outcome = record_letter(consigner, found)
            case NoticeAccepted():
                outcome = record_notice(consigner, found)
            case SubmissionRefused():
                permitted = permitted_now(writer, found)
                outcome = (
                    record_notice(consigner, permitted)
                    if permitted
                    else record_refusal(consigner, found, self._refusals_per_hour)
                )
            case ReportAccepted():
                outcome = record_report(consigner, found)
            case Duplicate():
                outcome = consigner.repeat(found.agency, found.answer)
        _close_replay(writer, found.delivery, outcome)
        made = range(first, writer.next_seq)
        return Recorded(outcome, tuple(consigner.consigned), consigner.left, tuple(consigner.alarms), made)


def _close_replay(writer: Writer, delivery: Delivery, outcome: str) -> None:
    if delivery.replay is not None:
        writer.entry(
            Kind.REPLAYED,
            agency=delivery.agency,
            request=delivery.replay,
            parked=delivery.parked,
            outcome=outcome,
        )


def _prefetch(writer: Writer, examined: Sequence[Outcome]) -> None:
    """Ask the ledger, in one question each, what recording these will want to know of every one."""
    writer.prefetch([named for one in examined if (named := _submission_of(one))])
    writer.prefetch_last_numbers({code for one in examined for code in _told(one)})
    writer.prefetch_priors({one.place.letter.letter for one in examined if isinstance(one, NoticeAccepted)})
    writer.prefetch_numbers(
        [number for one in examined if isinstance(one, LetterAccepted) and (number := number_of(one))]
    )


def _told(found: Outcome) -> tuple[AgencyCode, ...]:
    """Return whose inboxes will certainly get something."""
    match found:
        case LetterAccepted():
            return (found.agency, *found.recipients.codes)
        case NoticeAccepted():
            return (found.agency, *found.place.listeners(found.notice.document.event))
        case ReportAccepted():
            return (found.agency,)
        case _:
            return ()


def _about(found: Outcome) -> tuple[str, str] | None:
    """Return id and digest of the letter that a notice is about, None for anything else."""
    match found:
        case NoticeAccepted():
            notice: object = found.notice.document
        case SubmissionRefused():
            notice = found.document.document if found.document else None
        case _:
            return None
    return (str(notice.letter_id), str(notice.letter_digest)) if isinstance(notice, Notice) else None


def _submission_of(found: Outcome) -> tuple[AgencyCode, str, str] | None:
    """Return (agency, type, id) of what was verified, None for anything else."""
    match found:
        case LetterAccepted():
            return found.agency, "letter", str(found.letter.document.letter_id)
        case NoticeAccepted():
            return found.agency, "notice", str(found.notice.document.notice_id)
        case ReportAccepted():
            return found.agency, TYPE, str(found.report.id)
        case _:
            return None
