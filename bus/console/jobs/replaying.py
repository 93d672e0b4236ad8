"""A job that asks for the replay of many parked submissions, so many a minute."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bus.console.jobs.child import Work
from bus.identifiers import AgencyCode
from bus.ledger.parked import WhichParked
from bus.router.parking import portions, request_replays

_SLICE = 0.5


def replay(work: Work) -> Mapping[str, Any]:
    """Ask for the replay of what fitted when the job was asked for and still waits; return how many were asked for.

    Begun anew after a restart it goes over the same submissions, and passes over those that it has asked for already.
    """
    asked = work.job.asked
    with work.ledger.read() as reader:
        parked = [entry.seq for entry in reader.parked.waiting(which_of(asked)) if entry.seq <= asked["upto"]]
    done = requested = 0
    for some, wait in portions(parked, int(asked["rate"])):
        work.progress(done, len(parked), now=True)
        with work.ledger.append() as writer:
            given = request_replays(writer, some, operator=work.job.person, reason=str(asked["why"]))
        done, requested = done + len(some), requested + len(given.requests)
        # A minute has many portions, and whoever stops the job waits for none of them.
        until = time.monotonic() + wait
        while (left := until - time.monotonic()) > 0:
            work.progress(done, len(parked))
            time.sleep(min(left, _SLICE))
    work.progress(done, len(parked), now=True)
    return {"requested": requested, "passed": done - requested}


def which_of(asked: Mapping[str, Any]) -> WhichParked:
    """Return the filter of a job as the ledger takes it."""
    since = asked.get("since")
    return WhichParked(
        agency=AgencyCode(asked["agency"]) if asked.get("agency") else None,
        fault=asked.get("fault"),
        since=datetime.fromisoformat(since) if since else None,
    )
