"""The jobs as they stand in the console's database.

A job waits, runs, and ends as done, failed or stopped. What ran when the console ended waits again at the next start:
every kind of job can be begun anew without doing anything twice.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, select, update

from bus.console.store import Store, jobs
from bus.ledger.entry import timestamp
from bus.operators import Method, Operator, Role
from bus.text import json_text
from bus.thai import now


class JobKind(StrEnum):
    """What a job does."""

    VERIFY = "verify"
    PACKS = "packs"
    EXPORT = "export"
    REPLAY = "replay"


class JobState(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def over(self) -> bool:
        """Whether it will do nothing more."""
        return self not in (JobState.WAITING, JobState.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job: what was asked, by whom, how far it is, and what came of it."""

    number: int
    kind: JobKind
    asked: Mapping[str, Any]
    person: Operator
    at: str
    state: JobState
    done: int
    total: int | None
    result: Mapping[str, Any] | None
    stop_by: str | None
    changed_at: str


class Jobs:
    """The table of jobs."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, kind: JobKind, asked: Mapping[str, Any], person: Operator) -> int:
        """Enter a job that waits; return its number."""
        at = timestamp(now())
        row = {
            "kind": kind,
            "asked": json_text(asked, indent=None),
            "name": person.name,
            "role": person.role,
            "method": person.method,
            "at": at,
            "state": JobState.WAITING,
            "done": 0,
            "changed_at": at,
        }
        with self._store.transaction() as connection:
            (number,) = connection.execute(jobs.insert().returning(jobs.c.number), [row]).one()
        return int(number)

    def get(self, number: int) -> Job | None:
        """Return a job by its number."""
        with self._store.transaction() as connection:
            row = connection.execute(select(jobs).where(jobs.c.number == number)).first()
        return _job(row) if row else None

    def newest(self, kinds: Collection[JobKind], *, before: int | None = None, limit: int = 50) -> list[Job]:
        """Return jobs of these kinds, the newest first, below a number."""
        query = select(jobs).where(jobs.c.kind.in_(kinds)).order_by(jobs.c.number.desc()).limit(limit)
        query = query.where(jobs.c.number < before) if before else query
        with self._store.transaction() as connection:
            return [_job(row) for row in connection.execute(query)]

    def take(self, kind: JobKind) -> Job | None:
        """Have the oldest waiting job of a kind run; return it, or None where none waits."""
        with self._store.transaction() as connection:
            waiting = select(jobs).where(jobs.c.kind == kind, jobs.c.state == JobState.WAITING)
            row = connection.execute(waiting.order_by(jobs.c.number).limit(1)).first()
            if row is None:
                return None
            self._set(connection, row.number, state=JobState.RUNNING)
        return self.get(row.number)

    def wait_again(self) -> int:
        """Have everything that was running wait, at the start of the only process that runs jobs; return how many."""
        running = update(jobs).where(jobs.c.state == JobState.RUNNING)
        with self._store.transaction() as connection:
            return connection.execute(running.values(state=JobState.WAITING)).rowcount

    def progress(self, number: int, done: int, total: int | None) -> bool:
        """Note how far a job is; return whether it is to go on."""
        with self._store.transaction() as connection:
            self._set(connection, number, done=done, total=total)
            query = select(jobs.c.stop_by).where(jobs.c.number == number)
            return connection.scalar(query) is None

    def finish(self, number: int, state: JobState, result: Mapping[str, Any]) -> None:
        """Note what came of a job that has not ended yet."""
        running = jobs.c.state.in_((JobState.RUNNING, JobState.WAITING))
        said = {"state": state, "result": json_text(result, indent=None), "changed_at": timestamp(now())}
        with self._store.transaction() as connection:
            connection.execute(update(jobs).where(jobs.c.number == number, running).values(**said))

    def stop(self, number: int, person: Operator) -> None:
        """Ask a job to stop; one that has not begun is stopped at once."""
        with self._store.transaction() as connection:
            mine = jobs.c.number == number
            connection.execute(update(jobs).where(mine, jobs.c.stop_by.is_(None)).values(stop_by=person.name))
            waiting = update(jobs).where(mine, jobs.c.state == JobState.WAITING)
            connection.execute(waiting.values(state=JobState.STOPPED, changed_at=timestamp(now())))

    @staticmethod
    def _set(connection: Connection, number: int, **values: Any) -> None:
        values["changed_at"] = timestamp(now())
        connection.execute(update(jobs).where(jobs.c.number == number).values(**values))


def _job(row: Any) -> Job:
    method: Method = "oidc" if row.method == "oidc" else "local"
    return Job(
        number=row.number,
        kind=JobKind(row.kind),
        asked=json.loads(row.asked),
        person=Operator(row.name, Role(row.role), method),
        at=row.at,
        state=JobState(row.state),
        done=row.done,
        total=row.total,
        result=json.loads(row.result) if row.result else None,
        stop_by=row.stop_by,
        changed_at=row.changed_at,
    )
