"""Worker processes that inspect submissions for a router: side by side, and apart from its keys.

What XML may do to a parser, it does to a process that has nothing but the bytes. If one of them dies, whatever was in
the pool is inspected again, each submission alone in a process of its own; the one that kills that too has met a fault
of ours and is parked, and no other suffers. A process that comes to no end is killed.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from hashlib import sha256

from bus.errors import BusError, Transient
from bus.failpoints import reached
from bus.identifiers import RawDigest
from bus.router.inspecting import Inspected, inspect

_WITHIN = 60.0
"""Seconds in which a share of a batch is inspected, which takes milliseconds."""
_KEPT = ("SARABAN_FAILPOINTS", "SARABAN_FAILPOINT_LOG")


class InspectorDied(BusError):
    """The process that inspected this submission, and no other beside it, ended."""

    for_logs = True


class NoInspector(Transient):
    """No process can be started now: the machine has no room for one."""


class Inspectors:
    """A number of worker processes; they start with the first submission."""

    def __init__(self, workers: int, *, within: float = _WITHIN) -> None:
        """`within` so many seconds a process ends what it is asked, or is killed."""
        self._workers = workers
        self._within = within
        self._pool = _pool(workers)
        self._alone = asyncio.Lock()

    def close(self) -> None:
        """Let the processes end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def ready(self) -> bool:
        """Whether there is a process to ask."""
        pool = self._pool
        try:
            await _started(pool)
        except NoInspector:
            self._renew(pool)
            return False
        return True

    async def inspect(self, raws: Mapping[RawDigest, bytes]) -> dict[RawDigest, Inspected | Exception]:
        """Return, by its key, what each submission says, or the fault that it met. Raises NoInspector."""
        pool, shares = self._pool, list(_shared(list(raws.values()), self._workers))
        answers = await asyncio.gather(*(self._ask(pool, share) for share in shares), return_exceptions=True)
        found: list[Inspected | Exception] = []
        for share, answer in zip(shares, answers, strict=True):
            if isinstance(answer, Exception):
                self._renew(pool)
                found += await self._each_alone(share)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                found += answer
        return dict(zip(raws, found, strict=True))

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
                        found += await self._ask(pool, [raw])
                    except (BrokenProcessPool, TimeoutError) as died:
                        alone = InspectorDied("an inspector died")
                        alone.__cause__ = died
                        found.append(alone)
                        pool = _pool(1)
                    except NoInspector:
                        raise
                    except Exception as fault:  # what cannot be pickled, for one
                        found.append(fault)
            finally:
                pool.shutdown(wait=False)
        return found

    async def _ask(self, pool: ProcessPoolExecutor, raws: Sequence[bytes]) -> list[Inspected | Exception]:
        await _started(pool)
        try:
            async with asyncio.timeout(self._within):
                return await asyncio.wrap_future(pool.submit(_inspect_all, raws))
        except TimeoutError:
            for process in list((pool._processes or {}).values()):  # Python 3.14 has kill_workers()
                process.kill()
            raise


def _pool(workers: int) -> ProcessPoolExecutor:
    # Not forked: a child of the router would have its keys in its memory.
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_begin)


async def _started(pool: ProcessPoolExecutor) -> None:
    try:
        await asyncio.wrap_future(pool.submit(int))
    except (BrokenProcessPool, OSError) as failed:  # that none starts is not the submissions' fault
        raise NoInspector("no process could be started") from failed


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
