"""Deadlines: silence becomes a recorded, signed fact (P12), and nobody is accused by a bus that was not listening.

A receipt may be waiting in its agency's intake queue while its deadline passes. So a deadline is judged only when the
intake has been seen empty after it: every router that consumes has, later than the deadline, found no message ready in
the queues of those whom it concerns, and holds none of theirs unsettled. These are the senders and recipients of every
letter with a deadline before that time, so that what others send in the meantime, be it a flood, delays no judgement.
Each router notes it for each broker cluster (watermarks.py). A router that is stopped with an unsettled receipt still
counts as a consumer and notes nothing, and when the broker gives it up its message is ready again: in both cases nobody
is judged. A letter waits for the clusters of its own parties, and for no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple
from uuid import UUID

from bus import logs
from bus.directory import Directory
from bus.documents.lifecycle import Deadline
from bus.documents.signing import Signed
from bus.errors import Transient
from bus.identifiers import AgencyCode
from bus.ledger.due import Judgeable
from bus.ledger.entry import Kind, timestamp
from bus.ledger.group import GroupCommit
from bus.ledger.rows import Consignment, LetterRow
from bus.ledger.store import Ledger, Writer
from bus.ledger.work import Lease
from bus.process import pause
from bus.router.answers import Answers
from bus.router.recording import LEASE_FOR
from bus.router.watermarks import Watermark
from bus.thai import now

_LOOK_EVERY = 5.0
"""Seconds; several times within `FRESH`, or routers with a longer interval would never be fresh together."""
_MOST, _PAGES = 500, 20
"""Deadlines that are looked at together, and how often in one look: many may wait for one cluster."""
_log = logs.get("deadlines")


class _Found(NamedTuple):
    """A deadline that may be judged."""

    letter: LetterRow
    deadline: Deadline
    at: str
    silent: list[AgencyCode]
    through: datetime


class Deadlines:
    """Judges what is due."""

    def __init__(
        self,
        *,
        watermarks: Mapping[str, Watermark],
        directory: Callable[[], Directory],
        ledger: Ledger,
        appends: GroupCommit,
        answers: Answers,
        router: str,
        publish: Callable[[tuple[Consignment, ...]], None],
        settle: timedelta,
    ) -> None:
        """`watermarks` by cluster; `directory` returns the one in force."""
        self._watermarks = watermarks
        self._directory = directory
        self._ledger = ledger
        self._appends = appends
        self._answers = answers
        self._router = router
        self._publish = publish
        self._settle = settle
        self._after: Judgeable | None = None
        """Where to go on, if the last look did not come to the end of the list."""
        self.overdue = 0
        """How many overdue notices this router has issued."""

    async def run(self, stop: asyncio.Event, *, interval: float) -> None:
        """Observe the intakes every few seconds and judge what has become due every `interval`, until stopped."""
        clock = asyncio.get_running_loop().time
        examine_at = clock()
        every = min(interval, _LOOK_EVERY)
        async with asyncio.TaskGroup() as looking:
            for watermark in self._watermarks.values():
                looking.create_task(watermark.run(stop, every=every))
            while not stop.is_set():
                try:
                    if clock() >= examine_at and await self.examine():
                        examine_at = clock() + interval
                except Transient as away:
                    _log.info("deadlines-postponed", reason=away)
                await pause(stop, every)

    async def examine(self) -> bool:
        """Judge the deadlines before the times up to which their parties' intakes are known to have been empty.

        Return whether there are such times and the list was looked through to its end. What has to wait is passed over.
        """
        newest = max(filter(None, (one.newest for one in self._watermarks.values())), default=None)
        if newest is None:
            return False
        for _ in range(_PAGES):
            listed, judgeable = await asyncio.to_thread(self._look, newest)
            for each in judgeable:
                await self._judge(*each)
            self._after = listed[-1] if len(listed) == _MOST else None
            if self._after is None:
                return True
        return False

    def _look(self, newest: datetime) -> tuple[list[Judgeable], list[_Found]]:
        """Return a page of the list, and what of it may be judged."""
        directory, found = self._directory(), []
        with self._ledger.read() as reader:
            listed = reader.due.before(newest - self._settle, limit=_MOST, after=self._after)
            parties = reader.due.parties_of([one.letter for one in listed])
            for one in listed:
                through = self._examined_through(parties[one.letter], directory)
                if through is None or one.at >= timestamp(through - self._settle):
                    continue
                if letter := reader.letter(one.letter):
                    silent = reader.state_of(one.letter).silent(one.deadline, one.at)
                    found.append(_Found(letter, one.deadline, one.at, silent, through))
        return listed, found

    def _examined_through(self, parties: Collection[AgencyCode], directory: Directory) -> datetime | None:
        """Return the time up to which the intakes of all these are known to have been empty, if they are known."""
        times: list[datetime | None] = []
        for code in parties:
            cluster = directory.cluster_of(code)
            for name in [cluster] if cluster else self._watermarks:
                times.append(self._watermarks[name].of(code) if name in self._watermarks else None)
        known = [at for at in times if at is not None]
        return min(known) if known and len(known) == len(times) else None

    async def _judge(
        self, letter: LetterRow, deadline: Deadline, at: str, silent: list[AgencyCode], through: datetime
    ) -> None:
        notice = await asyncio.to_thread(self._notice, letter, deadline, at, silent, through)
        record = partial(self._record, letter, deadline, at, silent, notice)
        given = await asyncio.wrap_future(self._appends.submit(record))
        self.overdue += len(given)
        self._publish(given)

    def _notice(
        self,
        letter: LetterRow,
        deadline: Deadline,
        at: str,
        silent: list[AgencyCode],
        examined_through: datetime,
    ) -> Signed | None:
        if not silent:
            return None
        return self._answers.overdue(
            deadline,
            at,
            letter_id=UUID(letter.letter_id),
            digest=letter.digest,
            silent=silent,
            examined_through=examined_through,
            now=now(),
        )

    def _record(
        self,
        letter: LetterRow,
        deadline: Deadline,
        at: str,
        silent: list[AgencyCode],
        notice: Signed | None,
        writer: Writer,
    ) -> tuple[Consignment, ...]:
        """Enter the judgement, unless another router was faster or somebody answered in the meantime."""
        if writer.state_of(letter.letter).silent(deadline, at) != silent:
            return ()  # judged again at the next look
        if not writer.deadline_done(letter.letter, deadline, at) or notice is None:
            return ()
        number = writer.numbers([letter.sender])[letter.sender]
        entry = writer.entry(
            Kind.OVERDUE,
            letter=letter.letter,
            document=notice.raw,
            deadline=deadline,
            due=at,
            silent=silent,
            answer=number,
        )
        headers = writer.consign(
            letter.sender,
            number,
            type="verdict",
            entry=entry,
            document=writer.keep(notice.raw),
            headers={"about": letter.letter_id},
            lease=Lease(self._router, now() + LEASE_FOR),
        )
        _log.warning("overdue", entry=entry, letter=letter.letter, deadline=deadline, silent=len(silent))
        return (Consignment(letter.sender, number, entry, None, "verdict", headers, notice.raw),)
