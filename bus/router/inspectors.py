"""Worker processes that inspect submissions for a router: side by side, and apart from its keys.

What XML may do to a parser, it does to a process that has nothing but the bytes. If one of them dies, whatever was in
the pool is inspected again, each submission alone in a process of its own; the one that kills that too has met a fault
of ours and is parked, and no other suffers.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from hashlib import sha256

from bus.errors import BusError
from bus.failpoints import reached
from bus.router.inspecting import Inspected, inspect

_KEPT = ("SARABAN_FAILPOINTS", "SARABAN_FAILPOINT_LOG")


class InspectorDied(BusError):
    """The process that inspected this submission, and no other beside it, ended."""

    for_logs = True


class Inspectors:
    """A number of worker processes; they start with the first submission."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool = _pool(workers)
        self._alone = asyncio.Lock()

    def close(self) -> None:
        """Let the processes end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def inspect(self, raws: Sequence[bytes]) -> list[Inspected | Exception]:
        """Return, in order, what each submission says, or the fault that it met."""
        pool, shares = self._pool, list(_shared(raws, self._workers))
        answers = await asyncio.gather(*(_ask(pool, share) for share in shares), return_exceptions=True)
        found: list[Inspected | Exception] = []
        for share, answer in zip(shares, answers, strict=True):
            if isinstance(answer, Exception):
                self._renew(pool)
                found += await self._each_alone(share)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                found += answer
        return found

    def _renew(self, broken: ProcessPoolExecutor) -> None:
        if self._pool is broken:
            broken.shutdown(wait=False)
            self._pool = _pool(self._workers)

    async def _each_alone(self, raws: Sequence[bytes]) -> list[Inspected | Exception]:
        found: list[Inspected | Exception] = []
        async with self._alone:
            pool = _pool(1)
            try:
                for raw in raws:
                    try:
                        found += await _ask(pool, [raw])
                    except BrokenProcessPool as died:
                        found.append(InspectorDied("an inspector died"))
                        found[-1].__cause__ = died
                        pool = _pool(1)
                    except Exception as fault:  # what cannot be pickled, for one
                        found.append(fault)
            finally:
                pool.shutdown(wait=False)
        return found


def _pool(workers: int) -> ProcessPoolExecutor:
    # Not forked: a child of the router would have its keys in its memory.
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_begin)


async def _ask(pool: ProcessPoolExecutor, raws: Sequence[bytes]) -> list[Inspected | Exception]:
    return await asyncio.wrap_future(pool.submit(_inspect_all, raws))


def _shared(raws: Sequence[bytes], workers: int) -> Iterator[Sequence[bytes]]:
    size = -(-len(raws) // workers)
    return (raws[start : start + size] for start in range(0, len(raws), size)) if size else iter(())


# In a worker -----------------------------------------------------------------------------------------------------


def _begin() -> None:
    """Forget the passwords in the environment, leave being stopped to the router, and end with it however it ends."""
    for name in [name for name in os.environ if name.startswith("SARABAN_") and name not in _KEPT]:
        del os.environ[name]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if (router := multiprocessing.parent_process()) is not None:
        router.join()
        os._exit(0)


def _inspect_all(raws: Sequence[bytes]) -> list[Inspected | Exception]:
    return [_inspected(raw) for raw in raws]


def _inspected(raw: bytes) -> Inspected | Exception:
    try:
        reached("inspector.before-inspection", (sha256(raw).hexdigest() for _ in "1"))
        return inspect(raw)
    except Exception as fault:
        return fault
