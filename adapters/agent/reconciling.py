"""Asking for what is missing (P13): once a day, and when somebody asks, the adapter states what it has.

It does so when nothing has come in for a while: what is still in the broker's queue is not missing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import uuid4

from adapters.mailbox import Mailbox
from adapters.mailbox.facts import RECONCILE_ASKED_AT, RECONCILED_AT
from bus.documents.seal import Seal
from bus.documents.statements import MOST_GAPS, Reconciliation, sealed
from bus.logs import get
from bus.thai import now

_LOG = get(__name__)
EVERY = timedelta(days=1)
QUIET = 3.0
"""Seconds without a delivery after which the queue counts as empty."""
_LOOK_EVERY = 5.0


class Reconciler:
    """States what has arrived, when that is due."""

    def __init__(
        self, mailbox: Mailbox, seal: Seal, last_arrival: Callable[[], float], *, quiet: float = QUIET
    ) -> None:
        """`last_arrival` tells when something came in last, or could have begun to (monotonic seconds)."""
        self._mailbox = mailbox
        self._seal = seal
        self._last_arrival = last_arrival
        self._quiet = quiet

    def work(self) -> float:
        """State it if that is due and nothing comes in; give the seconds until the next look."""
        asked_at, done_at = (
            self._mailbox.facts.get(RECONCILE_ASKED_AT),
            self._mailbox.facts.get(RECONCILED_AT),
        )
        asked = asked_at is not None and (done_at is None or asked_at > done_at)
        if done_at is None and not asked:
            # In a new mailbox nothing can be missing yet: its first day begins.
            self._mailbox.facts.set(RECONCILED_AT, now().isoformat())
            return _LOOK_EVERY
        daily = done_at is not None and now() - datetime.fromisoformat(done_at) >= EVERY
        if not (asked or daily):
            return _LOOK_EVERY
        waited = time.monotonic() - self._last_arrival()
        if waited < self._quiet:
            return self._quiet - waited
        self._state()
        return _LOOK_EVERY

    def _state(self) -> None:
        with self._mailbox.at_once():
            statement = reconciliation(self._mailbox)
            self._mailbox.outbox.put_statement(
                str(statement.id), sealed(statement, self._seal), "reconciliation"
            )
            self._mailbox.facts.set(RECONCILED_AT, statement.at.isoformat())
        _LOG.info("reconciliation stated", highest=statement.highest, gaps=len(statement.missing))


def reconciliation(mailbox: Mailbox) -> Reconciliation:
    """What this mailbox has of its consignments."""
    highest, gaps = mailbox.arrivals.highest(), mailbox.arrivals.gaps()
    contiguous = gaps[0].first - 1 if gaps else highest
    # Of more gaps than a statement may bear, the first; once those are closed the others are asked for.
    missing = tuple((gap.first, gap.last) for gap in gaps[:MOST_GAPS])
    return Reconciliation(
        id=uuid4(),
        agency=mailbox.agency,
        at=now(),
        contiguous=contiguous,
        highest=highest,
        missing=missing,
    )
