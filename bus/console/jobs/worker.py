"""Runs jobs: one of each kind at a time, each in a process of its own, so that no page waits for what it computes."""

from __future__ import annotations

import asyncio
import multiprocessing
from multiprocessing.process import BaseProcess

from bus import logs
from bus.console.jobs.child import run_job
from bus.console.jobs.table import Job, JobKind, Jobs, JobState
from bus.console.store import Store
from bus.errors import Transient
from bus.process import pause
from bus.settings import BusSettings

_LOOK_EVERY = 1.0
_log = logs.get("console")


async def run_jobs(settings: BusSettings, store: Store, stop: asyncio.Event) -> None:
    """Take jobs as they are asked for until stopped; those that run then wait for the next start."""
    jobs = Jobs(store)
    waiting = await asyncio.to_thread(jobs.wait_again)
    if waiting:
        _log.info("jobs-taken-up", jobs=waiting)
    await asyncio.gather(*(_lane(kind, settings, jobs, stop) for kind in JobKind))


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
