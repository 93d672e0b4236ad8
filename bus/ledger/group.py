"""Group commit: appends from many callers share one lock, one transaction and one flush to disk."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from bus.errors import Transient
from bus.failpoints import reached
from bus.ledger.store import Ledger, Writer

T = TypeVar("T")
_MOST = 256


@dataclass(frozen=True, slots=True)
class _Job:
    act: Callable[[Writer], Any]
    done: Future[Any]
    about: str


class GroupCommit:
    """A thread that runs appends in the order given, as many as are waiting in one transaction.

    A future is resolved only after the commit. If one append of a group fails, the group is rolled back and each is
    run by itself, so that one bad letter spoils nobody else's; the failing one gets its own exception.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="append", daemon=True)
        self._thread.start()

    def submit(self, act: Callable[[Writer], T], *, about: str = "") -> Future[T]:
        """Queue an append; the future holds its result once it is durable, or Transient, or the bug it raised.

        `about` says what it is for; only failpoints ask.
        """
        done: Future[T] = Future()
        self._jobs.put(_Job(act, done, about))
        return done

    def close(self) -> None:
        """Finish what is queued and end the thread."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            group = [job]
            last = False
            while len(group) < _MOST and not last:
                try:
                    more = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    last = True
                else:
                    group.append(more)
            # From here on nobody can cancel: a cancelled future cannot be resolved, and trying would end this thread.
            wanted = [job for job in group if job.done.set_running_or_notify_cancel()]
            if wanted:
                self._commit(wanted)
            if last:
                return

    def _commit(self, group: list[_Job]) -> None:
        try:
            results = self._together(group)
        except Transient as away:
            for job in group:
                job.done.set_exception(away)
        except Exception as error:
            if len(group) == 1:
                group[0].done.set_exception(error)
            else:
                for job in group:
                    self._commit([job])
        else:
            for job, result in zip(group, results, strict=True):
                job.done.set_result(result)

    def _together(self, group: list[_Job]) -> list[Any]:
        with self._ledger.append() as writer:
            results = [job.act(writer) for job in group]
            writer.flush()
            reached("router.before-commit", (job.about for job in group))
        reached("router.after-commit", (job.about for job in group))
        return results
