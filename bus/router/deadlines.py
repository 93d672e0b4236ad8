"""Deadlines: silence becomes a recorded, signed fact (P12), and nobody is accused by a bus that was not listening.

A receipt may be waiting in its agency's intake queue while its deadline passes. So a deadline is judged only when the
intake has been seen empty after it: every router that consumes has, later than the deadline, found no message ready in
the queues of those whom it concerns, and holds none of theirs unsettled. These are the senders and recipients of every
letter with a deadline before that time, so that what others send in the meantime, be it a flood, delays no judgement.
Each router says so in the `watermarks` table, afresh every few seconds while anything is due; the broker says how many
consumers there are. A router that is stopped with an unsettled receipt still counts as a consumer and says nothing,
and when the broker gives it up its message is ready again: in both cases nobody is judged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from bus import logs
from bus.broker import topology
from bus.broker.link import Link
from bus.documents.lifecycle import Deadline
from bus.documents.signing import Signed
from bus.errors import Transient
from bus.identifiers import AgencyCode
from bus.ledger.entry import Kind
from bus.ledger.group import GroupCommit
from bus.ledger.rows import Consignment, LetterRow
from bus.ledger.store import Ledger, Writer
from bus.ledger.work import Lease
from bus.process import pause
from bus.router.answers import Answers
from bus.router.recording import LEASE_FOR
from bus.thai import now

_FRESH = timedelta(seconds=15)
"""How old a router's watermark may be; a router that died must not count for long."""
_LOOK_EVERY = 5.0
"""Seconds; several times within `_FRESH`, or routers with a longer interval would never be fresh together."""
_MOST = 500
_log = logs.get("deadlines")


class Deadlines:
    """Watches the intake and judges what is due."""

    def __init__(
        self,
        *,
        link: Link,
        ledger: Ledger,
        appends: GroupCommit,
        answers: Answers,
        router: str,
        idle: Callable[[Sequence[AgencyCode]], bool],
        publish: Callable[[tuple[Consignment, ...]], None],
        settle: timedelta,
    ) -> None:
        self._link = link
        self._ledger = ledger
        self._appends = appends
        self._answers = answers
        self._router = router
        self._idle = idle
        self._publish = publish
        self._settle = settle
        self.overdue = 0
        """How many overdue notices this router has issued."""

    async def run(self, stop: asyncio.Event, *, interval: float) -> None:
        """Observe the intake every few seconds and judge what has become due every `interval`, until stopped."""
        clock = asyncio.get_running_loop().time
        examine_at = clock()
        while not stop.is_set():
            try:
                if await self.look(examine=clock() >= examine_at):
                    examine_at = clock() + interval
            except Transient as away:
                _log.info("deadlines-postponed", reason=away)
            await pause(stop, min(interval, _LOOK_EVERY))

    async def look(self, *, examine: bool = True) -> bool:
        """Observe the intake once and judge the deadlines before the time of which it is known to have been empty.

        Return whether there was such a time and no deadline before it is left to be judged.
        """
        examined_through = await self._observe()
        return bool(examine and examined_through and await self._examine(examined_through))

    async def _observe(self) -> datetime | None:
        """Set this router's watermark if it can; return the time of which the intake is known to have been empty."""
        asked_at = now()
        parties = await asyncio.to_thread(self._parties, asked_at)
        if not parties or not self._idle(parties):
            return None
        depths = (await self._link.depths(map(topology.intake_queue, parties))).values()
        if any(depth.messages for depth in depths) or not self._idle(parties):
            return None
        await asyncio.wrap_future(
            self._appends.submit(lambda writer: writer.set_watermark(self._router, asked_at))
        )
        return await asyncio.to_thread(
            self._seen_empty_by_all, max((depth.consumers for depth in depths), default=0)
        )

    def _parties(self, moment: datetime) -> list[AgencyCode]:
        with self._ledger.read() as reader:
            return reader.parties_due(moment)

    def _seen_empty_by_all(self, consumers: int) -> datetime | None:
        with self._ledger.read() as reader:
            words = [datetime.fromisoformat(at) for at in reader.watermarks().values()]
        # A watermark from the future is of a clock that was ahead: it stays fresh for ever and says nothing.
        fresh = [at for at in words if abs(at - now()) < _FRESH]
        return min(fresh) if fresh and len(fresh) >= consumers else None

    async def _examine(self, examined_through: datetime) -> bool:
        """Judge the oldest deadlines; return whether these were all."""
        due = await asyncio.to_thread(self._due, examined_through)
        for letter, deadline, at, silent in due:
            notice = await asyncio.to_thread(self._notice, letter, deadline, at, silent, examined_through)
            record = partial(self._record, letter, deadline, at, silent, notice)
            given = await asyncio.wrap_future(self._appends.submit(record))
            self.overdue += len(given)
            self._publish(given)
        return len(due) < _MOST

    def _due(self, examined_through: datetime) -> list[tuple[LetterRow, Deadline, str, list[AgencyCode]]]:
        with self._ledger.read() as reader:
            found = []
            for number, deadline, at in reader.due_before(examined_through - self._settle, limit=_MOST):
                letter = reader.letter(number)
                if letter:
                    found.append((letter, deadline, at, reader.state_of(number).silent(deadline, at)))
            return found

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
