"""From a refusal to what is recorded and answered: a signed refusal, an answer that there is already, or a count.

What was refused before gate 6 costs its sender nothing: each is entered and answered only up to a number per agency
and hour. One more is answered by a refusal that says so; all others of that hour are counted (recording/refusals.py).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from bus import logs
from bus.directory import Directory
from bus.documents.letter import Letter
from bus.documents.signing import Verified
from bus.errors import RefusalCode, Refused, Transient
from bus.identifiers import AgencyCode
from bus.ledger.counting import ANSWERED, ENTERED, hour_of
from bus.ledger.group import GroupCommit
from bus.ledger.reading import Reader
from bus.ledger.store import Ledger
from bus.process import pause
from bus.router.answers import Answers
from bus.router.delivery import Delivery, Duplicate, SubmissionRefused
from bus.router.recording import close_hours
from bus.thai import now

_log = logs.get("refusals")

_OF_THE_MESSAGE = (RefusalCode.MESSAGE_PROPERTY,)
"""Refusals that say nothing of the bytes themselves."""


class Refusals:
    """Makes the refusals of one batch; signs none that will only be counted."""

    def __init__(self, answers: Answers, directory: Directory, per_hour: int, reader: Reader) -> None:
        self._answers = answers
        self._directory = directory
        self._per_hour = per_hour
        self._reader = reader
        self._counts: dict[AgencyCode, dict[str, int]] = {}

    def refuse(
        self, delivery: Delivery, reason: Refused, agency: AgencyCode | None, document: Verified[Any] | None
    ) -> SubmissionRefused | Duplicate:
        """Turn a refusal by one of the gates 1 to 7 into what is to be recorded of it."""
        if document is not None or delivery.replay is not None:
            return self._signed(delivery, reason, agency, document)
        if agency is not None and (answer := self._answered(delivery, reason, agency)):
            return Duplicate(delivery=delivery, agency=agency, answer=answer)
        counts = self._counts_of(agency or delivery.agency or AgencyCode(""))
        if counts.get(ENTERED, 0) < self._per_hour:
            counts[ENTERED] = counts.get(ENTERED, 0) + 1
            return self._signed(delivery, reason, agency, None)
        if agency and self._directory.has_inbox(agency) and ANSWERED not in counts:
            counts[ANSWERED] = 1
            return self._too_many(delivery, reason, agency)
        return SubmissionRefused(
            delivery=delivery,
            agency=None,
            reason=reason,
            refusal=None,
            document=None,
            directory=self._directory,
            counted=reason.code,
        )

    def _answered(self, delivery: Delivery, reason: Refused, agency: AgencyCode) -> int | None:
        """The answer that the same bytes have had, if it holds now: what was accepted is never refused afterwards."""
        if reason.code.circumstantial:
            return None
        known = self._reader.verdict_on_raw(agency, delivery.sha256)
        accepted = known is not None and known.code is None
        if known and (known.code == reason.code or (accepted and reason.code in _OF_THE_MESSAGE)):
            return known.answer
        return None

    def _too_many(self, delivery: Delivery, reason: Refused, agency: AgencyCode | None) -> SubmissionRefused:
        detail = f"{self._per_hour}; {reason.code}"
        answered = Refused(RefusalCode.REFUSALS_TOO_MANY, detail, where=reason.where)
        return replace(self._signed(delivery, answered, agency, None), counted=reason.code)

    def _counts_of(self, agency: AgencyCode) -> dict[str, int]:
        if agency not in self._counts:
            newest = self._reader.newest()
            # As the append will have it: the ledger's time never runs backwards.
            at = max(now(), newest.at) if newest else now()
            self._counts[agency] = dict(self._reader.refusals.of(agency, hour_of(at)))
        return self._counts[agency]

    def _signed(
        self, delivery: Delivery, reason: Refused, agency: AgencyCode | None, document: Verified[Any] | None
    ) -> SubmissionRefused:
        answered = agency if agency and self._directory.has_inbox(agency) else None
        return refused(self._answers, self._directory, delivery, reason, answered, document)


def refused(
    answers: Answers,
    directory: Directory,
    delivery: Delivery,
    reason: Refused,
    agency: AgencyCode | None,
    document: Verified[Any] | None,
) -> SubmissionRefused:
    """Return a refusal, signed if there is an agency to tell; only a verified letter is named by its id and digest."""
    letter = document if document and isinstance(document.document, Letter) else None
    refusal = answers.refused(
        reason,
        raw_sha256=delivery.sha256,
        received_at=delivery.received_at,
        now=now(),
        letter_id=letter.document.letter_id if letter else None,
        digest=letter.digest if letter else None,
    )
    return SubmissionRefused(
        delivery=delivery,
        agency=agency,
        reason=reason,
        refusal=refusal if agency else None,
        document=document,
        directory=directory,
    )


async def enter_counts(ledger: Ledger, appends: GroupCommit, stop: asyncio.Event, *, interval: float) -> None:
    """Enter what was only counted, once its hour is over, until stopped."""
    while not stop.is_set():
        try:
            if await asyncio.to_thread(_any_over, ledger):
                entered = await asyncio.wrap_future(appends.submit(close_hours))
                _log.warning("refusals-counted", entries=entered)
        except Transient as away:
            _log.info("counts-postponed", reason=away)
        await pause(stop, interval)


def _any_over(ledger: Ledger) -> bool:
    with ledger.read() as reader:
        return reader.refusals.any_before(hour_of(now()))
