"""A job that verifies the whole ledger, as `saraban-bus ledger verify` does; it halts nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bus.console.jobs.child import Work
from bus.documents.notes import log_key
from bus.errors import Misconfigured, Problem
from bus.ledger.database import reading
from bus.ledger.verifying import verify
from bus.settings import BusSettings
from bus.verifier.notes import Unreadable, VerifierKey


def verify_ledger(work: Work) -> Mapping[str, Any]:
    """Return the report. That the console found something wrong is for a person to act on: an auditor halts nothing."""
    verifier = verifier_of(work.settings)

    def noted(what: str, done: int, total: int) -> None:
        work.progress(done, total)

    with reading(work.ledger.engine) as connection:
        report = verify(
            connection, verifier, progress=noted, signatures=bool(work.job.asked.get("signatures"))
        )
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
