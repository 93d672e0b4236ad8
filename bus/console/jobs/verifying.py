"""A job that verifies the whole ledger, as `saraban-bus ledger verify` does; it halts nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bus.console.jobs.child import Work
from bus.documents.notes import log_key
from bus.errors import Misconfigured, Problem
from bus.ledger.verified import Leavings
from bus.ledger.verifying import verify
from bus.ledger.verifying_workers import side_by_side, worth_starting
from bus.settings.bus import BusSettings
from bus.verifier.notes import Unreadable, VerifierKey


def verify_ledger(work: Work) -> Mapping[str, Any]:
    """Return the report; begun anew after a restart, it goes on where it was.

    That the console found something wrong is for a person to act on: an auditor halts nothing.
    """
    verifier = verifier_of(work.settings)

    def noted(what: str, done: int, total: int) -> None:
        work.progress(done, total)

    engine, leavings = work.ledger.engine, Leavings(work.folder)
    # Half of the processors are left to those who look at pages meanwhile.
    with side_by_side(engine, worth_starting(engine, 0) // 2) as (connection, team):
        report = verify(
            connection,
            verifier,
            progress=noted,
            signatures=bool(work.job.asked.get("signatures")),
            team=team,
            resume=leavings.left(verifier),
            leave=leavings.leave,
        )
    leavings.forget()
    return report.as_json()


def verifier_of(settings: BusSettings) -> VerifierKey:
    """Return the log's public key. Raises Misconfigured where it is neither set nor to be had from the log's own."""
    if settings.console.log_key is None:
        section = settings.ledger
        return log_key(section.key, section.origin, section.passphrase_text()).verifier
    try:
        return VerifierKey.parse(settings.console.log_key)
    except Unreadable as wrong:
        fix = "Write what `saraban-bus ledger key` prints"
        raise Misconfigured(
            Problem("bus.toml", "console.log_key", "is no public key of a log", fix)
        ) from wrong
