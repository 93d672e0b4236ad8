"""From a verified letter to its receipt: fetch the files that are not here yet, and sign for what is complete.

The receipt is made once everything that it attests is durable (P7).
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
from adapters.mailbox import InboxFile, InboxLetter, InboxState, Mailbox
from adapters.mailbox.drafts import Sealed
from adapters.mailbox.files import FileChanged, Fingerprint
from adapters.mailbox.receipts import failure, receipt
from bus.documents.notice import Notice
from bus.errors import BusError, RefusalCode, Transient
from bus.failpoints import reached
from bus.identifiers import RawDigest
from bus.logs import get, in_words

_LOG = get(__name__)
_BATCH = 200


class FileRefused(BusError):
    """A file of a letter cannot be had as the letter states it."""


class Downloads(Protocol):
    """Where files come from; the depot's client."""

    async def download(self, sha256: RawDigest, size: int, target: Path) -> None:
        """Bring a file to `target`, which may hold its beginning.

        Transient when it may work later; any other BusError is the depot's refusal.
        """


@dataclass(frozen=True, slots=True)
class _Lacking:
    """A letter with its files, and those of them that are not here yet, of which there is one at least."""

    letter: InboxLetter
    files: list[InboxFile]
    lacks: list[InboxFile]


@dataclass(frozen=True, slots=True)
class _Found:
    """How many letters were signed for, those that lack files, and when more falls due."""

    signed: int
    lacking: list[_Lacking]
    next_due: float | None


class Fetcher:
    """Fetches the files of verified letters, a few letters at a time, and signs for those that are complete."""

    def __init__(
        self,
        mailbox: Mailbox,
        depot: Downloads,
        tuning: Tuning,
        *,
        then: asyncio.Event,
        seal: Callable[[Notice], Sealed | None],
    ) -> None:
        """`then` is set once there is a receipt to send; `seal` seals it, unless that has to wait."""
        self._mailbox = mailbox
        self._depot = depot
        self._tuning = tuning
        self._then = then
        self._seal = seal
        self._under_way: dict[int, asyncio.Task[bool]] = {}
        self._refusals: dict[int, int] = {}
        self._full = False
        """Whether something lacks files that has no place."""
        self.wake = asyncio.Event()

    async def work(self) -> float | None:
        """Sign for what is complete and start to fetch what is not; give the seconds until more falls due."""
        free = max(self._tuning.downloads - len(self._under_way), 0)
        found = await to_thread(self._look, list(self._under_way))
        if found.signed:
            self._then.set()
        for each in found.lacking[:free]:
            task = asyncio.create_task(self._fetch(each), name=f"fetch {each.letter.letter_id}")
            self._under_way[each.letter.id] = task
            task.add_done_callback(partial(self._finished, each.letter.id))
        self._full = len(found.lacking) > free
        if self._full:
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

    def _finished(self, row: int, task: asyncio.Task[bool]) -> None:
        del self._under_way[row]
        note_failure(task)
        if self._full or task.cancelled() or task.exception() is not None or not task.result():
            self.wake.set()

    def _look(self, but: Sequence[int]) -> _Found:
        """Read what is due, and sign at once for the letters whose files are all here already."""
        inbox, store = self._mailbox.inbox, self._mailbox.store
        with self._mailbox.snapshot():
            longest = self._tuning.longest_pause
            letters = inbox.fetching(time.time(), _BATCH, but=but, longest=longest)
            files = inbox.files_of([letter.id for letter in letters])
        complete: list[InboxLetter] = []
        lacking: list[_Lacking] = []
        for letter in letters:
            if lacks := [file for file in files[letter.id] if not store.holds(file.sha256, file.size)]:
                lacking.append(_Lacking(letter, files[letter.id], lacks))
            else:
                complete.append(letter)
        if complete:
            # Whoever gave a file its name may not have made the name durable yet.
            store.sync(file.sha256 for letter in complete for file in files[letter.id])
            self._sign([(letter, files[letter.id]) for letter in complete])
        next_due = inbox.next_due(but=[*but, *(each.letter.id for each in lacking)])
        return _Found(len(complete), lacking, next_due)

    def _sign(self, complete: Sequence[tuple[InboxLetter, Sequence[InboxFile]]]) -> bool:
        """Put receipts into the outbox, for letters whose files are all durable here; one in trouble stops no other."""
        put_off = 0
        with self._mailbox.transaction():
            for letter, files in complete:
                if letter.state is InboxState.RESTORING:
                    self._mailbox.inbox.restored(letter.id)  # the receipt was made when it was delivered
                    continue
                reached("adapter.before-receipt")
                notice, reference = receipt(self._mailbox, letter)
                try:
                    positions = [file.position for file in files]
                    self._mailbox.inbox.deliver(letter.id, positions, notice, reference, self._seal(notice))
                except Transient:
                    raise
                except Exception as exc:
                    _LOG.exception("receipt-failed", letter=letter.letter_id)
                    due = self._tuning.retry_at(letter.attempts)
                    error = f"{type(exc).__name__}: {exc}"
                    self._mailbox.inbox.postpone(letter.id, next_attempt_at=due, error=error)
                    put_off += 1
        reached("adapter.after-receipt-stored")
        return not put_off

    async def _fetch(self, lacking: _Lacking) -> bool:
        """Fetch what a letter lacks and sign for it; False if it is to be looked at again."""
        letter = lacking.letter
        try:
            signed = [await self._bring(lacking, file) for file in lacking.lacks]
            self._then.set()
            self._refusals.pop(letter.id, None)
            return all(signed)
        except Transient as exc:
            await self._postpone(letter, str(exc) or type(exc).__name__)
        except FileRefused as exc:
            await self._refused(letter, exc)
        except Exception as exc:
            _LOG.exception("fetching-failed", letter=letter.letter_id)
            await self._postpone(letter, in_words(exc))
        return False

    async def _bring(self, lacking: _Lacking, file: InboxFile) -> bool:
        target = self._mailbox.store.partial / f"{lacking.letter.id}-{file.position}"
        try:
            await self._depot.download(file.sha256, file.size, target)
        except Transient:
            raise
        except BusError as exc:
            target.unlink(missing_ok=True)
            raise FileRefused(f"{file.name}: {exc}") from exc
        return await to_thread(self._take, lacking, file, target)

    def _take(self, lacking: _Lacking, file: InboxFile, target: Path) -> bool:
        """Take a file into the store, and sign for the letter with the last that it lacked."""
        store = self._mailbox.store
        try:
            store.admit(target, Fingerprint(file.sha256, file.size))
        except FileChanged as exc:
            target.unlink(missing_ok=True)
            raise FileRefused(f"{file.name}: {exc}") from exc
        if file is not lacking.lacks[-1]:
            return True
        # As above: of the others only the names are known.
        store.sync(each.sha256 for each in lacking.files if each not in lacking.lacks)
        return self._sign([(lacking.letter, lacking.files)])

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
