"""Gate 8: what is decided under the append lock, and written in one transaction.

The gates before judged by a snapshot. Here everything that may have changed since is looked at again; if it has, the
submission goes back to gate 1 (`Stale`), so that nothing is ever signed under the lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bus.documents.notice import Notice
from bus.documents.statements import TYPE
from bus.ledger.entry import Kind
from bus.ledger.rows import Consignment
from bus.ledger.store import Writer
from bus.router.delivery import Accepted, Delivery, Examined, Heard, Refused, Repeated, Stated
from bus.router.enforce import Versions, versions
from bus.router.recording.hand import CLAIM_FOR, Hand, Stale
from bus.router.recording.letters import HELD, accept, number_of
from bus.router.recording.notices import hear
from bus.router.recording.refusals import close_hours, permitted_now, refuse
from bus.router.recording.statements import state

__all__ = ["CLAIM_FOR", "HELD", "Recorded", "Recorder", "Stale", "close_hours"]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What an append left to be done after the commit."""

    outcome: str
    consignments: tuple[Consignment, ...]
    """What this router publishes by itself."""
    left: bool = False
    """Whether there is more, for a sweep to claim."""


class Recorder:
    """Writes what the gates found; one per router, whose name stands in the claims."""

    def __init__(self, router: str, refusals_per_hour: int = 500) -> None:
        self._router = router
        self._refusals_per_hour = refusals_per_hour

    def record_all(
        self, examined: Sequence[Examined], judged_by: Versions, writer: Writer
    ) -> list[Recorded | Stale]:
        """Write a batch; Stale is a result here and not an error, so that it does not roll back the others.

        What is said about one letter stays in its order: behind one that has to be examined again, the later ones
        wait for it. A registration and two corrections of it may stand in one batch.
        """
        _foresee(writer, examined)
        outcomes: list[Recorded | Stale] = []
        repeated: set[tuple[str, int]] = set()
        waiting: set[tuple[str, str]] = set()
        for one in examined:
            if isinstance(one, Repeated) and one.delivery.replay is None:
                if (one.agency, one.answer) in repeated:
                    # Said once to all who ask at once.
                    outcomes.append(Recorded("repeated", ()))
                    continue
                repeated.add((one.agency, one.answer))
            about = _about(one)
            try:
                if about in waiting:
                    raise Stale
                outcomes.append(self.record(writer, one, judged_by))
            except Stale as stale:
                outcomes.append(stale)
                waiting |= {about} if about else set()
        return outcomes

    def record(self, writer: Writer, found: Examined, judged_by: Versions) -> Recorded:
        """Write one examined submission. Raises Stale when it has to be examined again.

        `judged_by`: the directory and the calendar that the gates used.
        """
        if versions(writer) != judged_by:
            raise Stale
        if found.delivery.replay and not writer.parked.replay_wanted(found.delivery.replay):
            return Recorded("replayed", ())
        hand = Hand(writer, self._router)
        match found:
            case Accepted():
                outcome = accept(hand, found)
            case Heard():
                outcome = hear(hand, found)
            case Refused():
                heard = permitted_now(writer, found)
                outcome = hear(hand, heard) if heard else refuse(hand, found, self._refusals_per_hour)
            case Stated():
                outcome = state(hand, found)
            case Repeated():
                outcome = hand.repeat(found.agency, found.answer)
        _close_replay(writer, found.delivery, outcome)
        return Recorded(outcome, tuple(hand.given), hand.left)


def _close_replay(writer: Writer, delivery: Delivery, outcome: str) -> None:
    if delivery.replay is not None:
        writer.entry(
            Kind.REPLAYED,
            agency=delivery.agency,
            request=delivery.replay,
            parked=delivery.parked,
            outcome=outcome,
        )


def _foresee(writer: Writer, examined: Sequence[Examined]) -> None:
    """Ask the ledger, in one question each, what recording these will want to know of every one."""
    writer.foresee([named for one in examined if (named := _submission_of(one))])
    writer.foresee_numbers(
        [number for one in examined if isinstance(one, Accepted) and (number := number_of(one))]
    )


def _about(found: Examined) -> tuple[str, str] | None:
    """Return id and digest of the letter that a notice is about, None for anything else."""
    match found:
        case Heard():
            notice: object = found.notice.document
        case Refused():
            notice = found.document.document if found.document else None
        case _:
            return None
    return (str(notice.letter_id), str(notice.letter_digest)) if isinstance(notice, Notice) else None


def _submission_of(found: Examined) -> tuple[str, str, str] | None:
    """Return (agency, type, id) of what was verified, None for anything else."""
    match found:
        case Accepted():
            return found.agency, "letter", str(found.letter.document.letter_id)
        case Heard():
            return found.agency, "notice", str(found.notice.document.notice_id)
        case Stated():
            return found.agency, TYPE, str(found.statement.id)
        case _:
            return None
