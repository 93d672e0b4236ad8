"""Runs jobs: one of each kind at a time, each in a process of its own, so that no page waits for what it computes."""

from __future__ import annotations

import asyncio
import multiprocessing
import shutil
import time
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

from bus import logs
from bus.console.jobs.child import run_job
from bus.console.jobs.table import Job, JobKind, Jobs, JobState
from bus.console.store import Store
from bus.errors import Transient
from bus.process import pause
from bus.settings.bus import BusSettings

KEPT: Final = timedelta(days=7)
"""How long what a job made is kept."""
_LOOK_EVERY = 1.0
_TIDY_EVERY = 3600.0
_log = logs.get("console")


async def run_jobs(settings: BusSettings, store: Store, stop: asyncio.Event) -> None:
    """Take jobs as they are asked for until stopped; those that run then wait for the next start."""
    jobs = Jobs(store)
    waiting = await asyncio.to_thread(jobs.wait_again)
    if waiting:
        _log.info("jobs-taken-up", jobs=waiting)
    lanes = (_lane(kind, settings, jobs, stop) for kind in JobKind)
    await asyncio.gather(*lanes, _tidy_for_ever(settings.console.results, stop))


async def _tidy_for_ever(results: Path, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await asyncio.to_thread(tidy, results, time.time() - KEPT.total_seconds())
        await pause(stop, _TIDY_EVERY)


def tidy(results: Path, before: float) -> None:
    """Remove what jobs made and finished before a time (Unix seconds); who is still downloading keeps an open file."""
    for folder in results.glob("job-*"):
        if folder.stat().st_mtime < before:
            shutil.rmtree(folder, ignore_errors=True)


async def _lane(kind: JobKind, settings: BusSettings, jobs: Jobs, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            job = await asyncio.to_thread(jobs.take, kind)
        except Transient as away:
            _log.warning("jobs-wait", reason=away)
            job = None
        if job is None:
            await pause(stop, _LOOK_EVERY)
        else:
            await _run(job, settings, jobs, stop)


async def _run(job: Job, settings: BusSettings, jobs: Jobs, stop: asyncio.Event) -> None:
    # Started anew and not forked: a fork would share the connections of this process, and its threads' locks.
    process = multiprocessing.get_context("spawn").Process(target=run_job, args=(settings, job.number))
    process.start()
    _log.info("job-started", job=job.number, kind=job.kind)
    try:
        while process.is_alive() and not stop.is_set():
            await pause(stop, _LOOK_EVERY / 5)
    finally:
        await asyncio.to_thread(_ended, process)
    if stop.is_set():
        return
    if process.exitcode:
        result = {"error": "ended", "status": process.exitcode}
        await asyncio.to_thread(jobs.finish, job.number, JobState.FAILED, result)
    now = await asyncio.to_thread(jobs.get, job.number)
    _log.info("job-ended", job=job.number, kind=job.kind, state=now.state if now else None)


def _ended(process: BaseProcess) -> None:
    if process.is_alive():
        process.terminate()
    process.join()
