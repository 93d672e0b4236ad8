"""From the outbox to the bus: seal, bring the files to the depot, publish, and again until there is an answer.

A publish that raised may have happened all the same: nothing is concluded from an error but that it is not known
(P10). The same bytes go again, later each time, until the bus has answered (P1).
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from asyncio import to_thread
from functools import partial
from pathlib import Path
from typing import Protocol, cast

from adapters.agent.pace import Pace, note_failure
from adapters.mailbox import Mailbox, Outgoing
from bus.broker.messages import Outgoing as Submission
from bus.broker.topology import submit_exchange, user_of
from bus.documents.seal import Seal
from bus.documents.signing import sign
from bus.documents.xml import open_envelope, read
from bus.errors import Transient
from bus.failpoints import reached
from bus.logs import get

_LOG = get(__name__)
_SURELY_HELD = 3 * 24 * 3600.0
"""Seconds: the depot holds for seven days what no letter names; one that waited longer shows its files anew."""


class Publisher(Protocol):
    """Where documents are published; the broker's link."""

    async def publish(self, outgoing: Submission, *, deadline: float = 30.0) -> None:
        """Return when the broker has confirmed; Transient when it is not known whether it has the message."""


class Uploads(Protocol):
    """Where files go; the depot's client."""

    async def upload(self, path: Path, sha256: str, size: int) -> None:
        """Return when the depot has all of the file."""


class Sender:
    """Sends what is due, several documents at a time; one that cannot be sent holds up nobody else."""

    def __init__(self, mailbox: Mailbox, seal: Seal, link: Publisher, depot: Uploads, pace: Pace) -> None:
        self._mailbox = mailbox
        self._seal = seal
        self._link = link
        self._depot = depot
        self._pace = pace
        self._uploading = asyncio.Semaphore(pace.uploads)
        self._under_way: dict[int, asyncio.Task[None]] = {}
        self.wake = asyncio.Event()

    async def work(self) -> float | None:
        """Start what is due; give the seconds until more falls due."""
        free = self._pace.sending - len(self._under_way)
        if free <= 0:
            return None
        rows = await to_thread(self._mailbox.outbox.due, time.time(), free, but=list(self._under_way))
        for row in rows:
            task = asyncio.create_task(self._send(row), name=f"send {row.document_id}")
            self._under_way[row.id] = task
            task.add_done_callback(partial(self._finished, row.id))
        if len(rows) == free:
            return None
        next_due = await to_thread(self._mailbox.outbox.next_due, but=list(self._under_way))
        return None if next_due is None else next_due - time.time()

    async def finish(self, grace: float) -> None:
        """Let what is under way come to an end, and stop what does not within `grace` seconds: it stays due."""
        tasks = set(self._under_way.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _finished(self, row: int, task: asyncio.Task[None]) -> None:
        del self._under_way[row]
        note_failure(task)
        self.wake.set()

    async def _send(self, row: Outgoing) -> None:
        error: str | None = None
        try:
            row = await to_thread(self._sealed, row)
            await self._bring_files(row)
            reached("adapter.before-publish")
            await self._link.publish(self._submission(row))
            reached("adapter.after-publish")
        except Transient as exc:
            error = str(exc) or type(exc).__name__
        except Exception as exc:
            _LOG.exception("a document cannot be sent now", document=row.document_id, attempt=row.attempts)
            error = f"{type(exc).__name__}: {exc}"
        due = self._pace.resend_at(row.attempts) if error is None else self._pace.retry_at(row.attempts)
        await to_thread(
            self._mailbox.outbox.attempted, row.id, confirmed=error is None, next_attempt_at=due, error=error
        )

    def _sealed(self, row: Outgoing) -> Outgoing:
        """The row with signed bytes that are stored: they are made once, and never again."""
        if row.raw is None:
            signed = sign(read(open_envelope(row.document).root), self._seal)
            self._mailbox.outbox.seal(row.id, signed.raw, hashlib.sha256(signed.raw).hexdigest())
            return self._mailbox.outbox.get(row.id)
        return row

    async def _bring_files(self, row: Outgoing) -> None:
        for file in await to_thread(self._mailbox.outbox.files, row.id):
            if file.uploaded_at is None or file.uploaded_at < time.time() - _SURELY_HELD:
                async with self._uploading:
                    await self._depot.upload(self._mailbox.store.path(file.sha256), file.sha256, file.size)
                await to_thread(self._mailbox.outbox.uploaded, row.id, file.position, time.time())

    def _submission(self, row: Outgoing) -> Submission:
        return Submission(
            exchange=submit_exchange(self._mailbox.agency),
            body=cast(bytes, row.raw),
            message_id=row.document_id,
            type=row.type,
            headers={"traceparent": f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"},
            user_id=user_of(self._mailbox.agency),
        )
