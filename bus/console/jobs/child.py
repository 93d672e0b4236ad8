"""The process of one job: it opens what it needs by the settings, does its work, and notes what came of it."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bus import logs
from bus.console.jobs.table import Job, JobKind, Jobs, JobState
from bus.console.store import Store
from bus.errors import BusError
from bus.ledger.store import Ledger
from bus.process import collect_rarely, keep_private
from bus.settings.bus import BusSettings

_NOTE_EVERY = 0.5
_log = logs.get("console")


class Stopped(Exception):
    """Somebody has stopped the job, or the console that it belongs to is gone."""


@dataclass(slots=True)
class Work:
    """What a job works with."""

    settings: BusSettings
    ledger: Ledger
    job: Job
    jobs: Jobs
    _noted_at: float = 0.0

    @property
    def folder(self) -> Path:
        """Where its results are kept; made when it is first asked for."""
        folder = self.settings.console.results / f"job-{self.job.number}"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    def progress(self, done: int, total: int | None = None, *, now: bool = False) -> None:
        """Note how far it is, a few times a second at most. Raises Stopped when it is to end."""
        at = time.monotonic()
        if at - self._noted_at < _NOTE_EVERY and not now:
            return
        self._noted_at = at
        if _orphaned() or not self.jobs.progress(self.job.number, done, total):
            raise Stopped


Kind = Callable[[Work], Mapping[str, Any]]


def run_job(settings: BusSettings, number: int) -> None:
    """Do the job of this number and note its result."""
    keep_private()
    collect_rarely()
    logs.configure("console", level=settings.log.level)
    with Store(settings.console.database_address()) as store:
        jobs = Jobs(store)
        job = jobs.get(number)
        if job is None or job.state.over:
            return
        with Ledger(settings.ledger.address(), tiles_folder=settings.ledger.tiles_folder) as ledger:
            work = Work(settings, ledger, job, jobs)
            try:
                result = _kinds()[job.kind](work)
            except Stopped:
                # Of a console that was killed, the next one takes the job up again.
                if not _orphaned():
                    jobs.finish(number, JobState.STOPPED, {"done": job.done})
            except BusError as wrong:
                jobs.finish(number, JobState.FAILED, {"error": str(wrong)})
            except Exception as fault:
                _log.error("job-failed", job=number, kind=job.kind, exc_info=fault)
                jobs.finish(number, JobState.FAILED, {"error": type(fault).__name__})
            else:
                jobs.finish(number, JobState.DONE, result)


def _orphaned() -> bool:
    """Whether the console that began this process is gone."""
    parent = multiprocessing.parent_process()
    return parent is not None and not parent.is_alive()


def _kinds() -> dict[JobKind, Kind]:
    # Loaded here: the process that serves pages needs none of it.
    from bus.console.jobs.exporting import export
    from bus.console.jobs.packing import pack
    from bus.console.jobs.replaying import replay
    from bus.console.jobs.verifying import verify_ledger

    return {
        JobKind.VERIFY: verify_ledger,
        JobKind.PACKS: pack,
        JobKind.EXPORT: export,
        JobKind.REPLAY: replay,
    }
