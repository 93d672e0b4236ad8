"""From the broker to the inbox: commit, acknowledge, judge, fetch the files, sign the receipt; in this order.

A delivery is acknowledged once its bytes are durable, so a slow file holds up no delivery; the receipt is made once
everything that it attests is durable (P7). What comes twice has no second effect (P2).
"""

from __future__ import annotations

import asyncio
import time
from asyncio import to_thread
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from adapters.agent.tuning import Tuning, note_failure
from adapters.agent.verifying import AT_ONCE, Verifier
from adapters.mailbox import InboxFile, InboxLetter, InboxState, Mailbox, Message, arrivals
from adapters.mailbox.files import Fingerprint
from adapters.mailbox.receipts import failure, receipt
from bus.broker.messages import Closed, Incoming
from bus.errors import BusError, RefusalCode, Transient
from bus.failpoints import reached
from bus.identifiers import RawDigest
from bus.logs import get, in_words

_LOG = get(__name__)
_BATCH = 200
_PAUSE = 1.0
_AWAITED = frozenset({arrivals.DIRECTORY, arrivals.RECIPIENTS, arrivals.COPY})
"""What others wait for, which are then to be verified."""


class FileRefused(BusError):
    """A file of a letter cannot be had as the letter states it."""


class Deliveries(Protocol):
    """Where deliveries come from; a subscription of the broker's link."""

    async def take(self, limit: int) -> list[Incoming]:
        """Wait for at least one; Closed when stopped."""

    def ack_all(self, incoming: Sequence[Incoming]) -> None:
        """Tell the broker to forget these."""


class Downloads(Protocol):
    """Where files come from; the depot's client."""

    async def download(self, sha256: RawDigest, size: int, target: Path) -> None:
        """Bring a file to `target`, which may hold its beginning.

        Transient when it may work later; any other BusError is the depot's refusal.
        """


async def take_in(
    mailbox: Mailbox,
    deliveries: Deliveries,
    woken: asyncio.Event,
    stop: asyncio.Event,
    *,
    arrived: Callable[[], None] = lambda: None,
) -> None:
    """Commit each delivery, then acknowledge it, until the subscription is stopped and empty."""
    while True:
        try:
            batch = await deliveries.take(_BATCH)
        except Closed:
            return
        arrived()
        messages = [
            Message(type=each.type or "", body=each.body, headers=dict(each.headers)) for each in batch
        ]
        if not await _stored(mailbox, messages, stop):
            return
        reached("adapter.after-store")
        deliveries.ack_all(batch)
        reached("adapter.after-ack")
        woken.set()


async def _stored(mailbox: Mailbox, messages: Sequence[Message], stop: asyncio.Event) -> bool:
    """Commit, however long the disk refuses: unacknowledged, the deliveries are still the broker's.

    False if it still refuses when the process is told to stop.
    """
    while True:
        try:
            await to_thread(mailbox.arrivals.store, messages)
        except Transient as exc:
            _LOG.error("deliveries-not-stored", count=len(messages), reason=exc)
            if stop.is_set():
                return False
            await asyncio.sleep(_PAUSE)
        else:
            return True


class Verifying:
    """Judges what arrived, in the order of its arrival; then there may be files to fetch."""

    def __init__(
        self,
        mailbox: Mailbox,
        verifier: Verifier,
        *,
        letters: asyncio.Event,
        directories: Sequence[asyncio.Event],
    ) -> None:
        """What to set after letters, and after directories. What there is to send, the mailbox itself tells."""
        self._mailbox = mailbox
        self._verifier = verifier
        self._letters = letters
        self._directories = directories
        self.wake = asyncio.Event()

    async def work(self) -> float | None:
        """Verify a batch; give the seconds until more is to be judged."""
        types, due = await to_thread(self._round)
        if arrivals.LETTER in types:
            self._letters.set()
        if arrivals.DIRECTORY in types:
            for event in self._directories:
                event.set()
        if len(types) == AT_ONCE or not _AWAITED.isdisjoint(types):
            return 0.0
        return None if due is None else max(due - time.time(), _PAUSE / 10)

    def _round(self) -> tuple[list[str], float | None]:
        return self._verifier.work(), self._mailbox.arrivals.next_due()


@dataclass(frozen=True, slots=True)
class _Found:
    """How many letters were signed for, those that lack files, and when more falls due."""

    signed: int
    lacking: list[tuple[InboxLetter, list[InboxFile]]]
    next_due: float | None


class Fetcher:
    """Fetches the files of verified letters, a few letters at a time, and signs for those that are complete."""

    def __init__(self, mailbox: Mailbox, depot: Downloads, tuning: Tuning, *, then: asyncio.Event) -> None:
        self._mailbox = mailbox
        self._depot = depot
        self._tuning = tuning
        self._then = then
        self._under_way: dict[int, asyncio.Task[None]] = {}
        self._refusals: dict[int, int] = {}
        self.wake = asyncio.Event()

    async def work(self) -> float | None:
        """Sign for what is complete and start to fetch what is not; give the seconds until more falls due."""
        free = max(self._tuning.downloads - len(self._under_way), 0)
        found = await to_thread(self._look, list(self._under_way))
        if found.signed:
            self._then.set()
        for letter, files in found.lacking[:free]:
            task = asyncio.create_task(self._fetch(letter, files), name=f"fetch {letter.letter_id}")
            self._under_way[letter.id] = task
            task.add_done_callback(partial(self._finished, letter.id))
        if len(found.lacking) > free:
            return None
        if found.signed + len(found.lacking) == _BATCH:
            return 0.0
        return None if found.next_due is None else found.next_due - time.time()

    async def finish(self) -> None:
        """Stop what is under way; it is taken up again where it was left."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _finished(self, row: int, task: asyncio.Task[None]) -> None:
        del self._under_way[row]
        note_failure(task)
        self.wake.set()

    def _look(self, but: Sequence[int]) -> _Found:
        """Read what is due, and sign at once for the letters whose files are all here already."""
        inbox, store = self._mailbox.inbox, self._mailbox.store
        with self._mailbox.snapshot():
            longest = self._tuning.longest_pause
            letters = inbox.fetching(time.time(), _BATCH, but=but, longest=longest)
            files = inbox.files_of([letter.id for letter in letters])
        complete: list[InboxLetter] = []
        lacking: list[tuple[InboxLetter, list[InboxFile]]] = []
        for letter in letters:
            if all(store.holds(file.sha256, file.size) for file in files[letter.id]):
                complete.append(letter)
            else:
                lacking.append((letter, files[letter.id]))
        if complete:
            # Whoever gave a file its name may not have made the name durable yet.
            store.sync(file.sha256 for letter in complete for file in files[letter.id])
            self._sign([(letter, files[letter.id]) for letter in complete])
        next_due = inbox.next_due(but=[*but, *(letter.id for letter, _ in lacking)])
        return _Found(len(complete), lacking, next_due)

    def _sign(self, complete: Sequence[tuple[InboxLetter, Sequence[InboxFile]]]) -> None:
        """Put receipts into the outbox, for letters whose files are all durable here; one in trouble stops no other."""
        with self._mailbox.transaction():
            for letter, files in complete:
                if letter.state is InboxState.RESTORING:
                    self._mailbox.inbox.restored(letter.id)  # the receipt was made when it was delivered
                    continue
                reached("adapter.before-receipt")
                notice, reference = receipt(self._mailbox, letter)
                try:
                    self._mailbox.inbox.deliver(
                        letter.id, [file.position for file in files], notice, reference
                    )
                except Transient:
                    raise
                except Exception as exc:
                    _LOG.exception("receipt-failed", letter=letter.letter_id)
                    due = self._tuning.retry_at(letter.attempts)
                    error = f"{type(exc).__name__}: {exc}"
                    self._mailbox.inbox.postpone(letter.id, next_attempt_at=due, error=error)
        reached("adapter.after-receipt-stored")

    async def _fetch(self, letter: InboxLetter, files: Sequence[InboxFile]) -> None:
        try:
            for file in files:
                await self._bring(letter, file)
            await to_thread(self._sign, [(letter, files)])
            self._then.set()
            self._refusals.pop(letter.id, None)
        except Transient as exc:
            await self._postpone(letter, str(exc) or type(exc).__name__)
        except FileRefused as exc:
            await self._refused(letter, exc)
        except Exception as exc:
            _LOG.exception("fetching-failed", letter=letter.letter_id)
            await self._postpone(letter, in_words(exc))

    async def _bring(self, letter: InboxLetter, file: InboxFile) -> None:
        store = self._mailbox.store
        expected = Fingerprint(file.sha256, file.size)
        if not await to_thread(store.holds, file.sha256, file.size):
            target = store.partial / f"{letter.id}-{file.position}"
            try:
                await self._depot.download(file.sha256, file.size, target)
                await to_thread(store.admit, target, expected)
            except Transient:
                raise
            except BusError as exc:
                target.unlink(missing_ok=True)
                raise FileRefused(f"{file.name}: {exc}") from exc

    async def _refused(self, letter: InboxLetter, reason: FileRefused) -> None:
        """Try a refused file some times more, for depots are repaired too; then give the letter up, and say so."""
        refusals = self._refusals[letter.id] = self._refusals.get(letter.id, 0) + 1
        if refusals < self._tuning.refusals:
            await self._postpone(letter, str(reason))
            return
        del self._refusals[letter.id]
        _LOG.warning("file-given-up", letter=letter.letter_id, refusals=refusals)
        if letter.state is InboxState.RESTORING:
            await to_thread(self._mailbox.inbox.lost, letter.id, str(reason))
            return
        notice, reference = failure(
            self._mailbox, letter.letter_id, letter.digest, RefusalCode.FILE_MISSING, str(reason)
        )
        await to_thread(self._mailbox.inbox.fail, letter.id, notice, reference, str(reason))
        self._then.set()

    async def _postpone(self, letter: InboxLetter, error: str) -> None:
        due = self._tuning.retry_at(letter.attempts)
        await to_thread(self._mailbox.inbox.postpone, letter.id, next_attempt_at=due, error=error)
