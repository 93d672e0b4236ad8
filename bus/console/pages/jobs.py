"""Jobs: what is asked for, how far it is, what came of it, and a stop."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from bus.console.asked import Asked
from bus.console.jobs.found import question_of
from bus.console.jobs.table import Job, JobKind, Jobs, JobState
from bus.console.roles import AUDITORS, EVERYBODY, STEWARDS
from bus.operators import Role
from bus.pages.answers import Answer, Elsewhere, Listed, NoSuchPage, Page, Sent, Shown
from bus.pages.columns import About, Column, iso, moment
from bus.views.asking import NotUnderstood, names_of
from bus.views.reports import REPORTS

_PAGE: Final = 50
_OF: Final[Mapping[StrEnum, tuple[JobKind, ...]]] = {
    Role.OPERATOR: (JobKind.REPLAY,),
    Role.STEWARD: (JobKind.REPLAY,),
    Role.AUDITOR: (JobKind.VERIFY, JobKind.PACKS, JobKind.EXPORT),
}
"""The kinds of job that each role sees: what auditors ask for may be words of a subject."""


def jobs(asked: Asked) -> Answer:
    """The jobs that this person's role sees, the newest first."""
    before = number_of(asked, "before")
    found = Jobs(asked.site.store).newest(_OF[asked.session.role], before=before, limit=_PAGE)
    value = {"jobs": [value_of(one) for one in found]}
    more = found[-1].number if len(found) == _PAGE else None
    listed = Listed(_COLUMNS, value["jobs"], About({"before": before} if before else {}))
    beside = {"before": more, "auditor": asked.session.role is Role.AUDITOR}
    return Shown("jobs.html", value, beside, listed)


_COLUMNS: Final = (
    Column("number", "job", "งานที่", plain=True),
    Column("kind", "kind", "ชนิด"),
    Column("state", "state", "สถานะ"),
    Column("done", "done", "ทำแล้ว", plain=True),
    Column("total", "of", "จาก", plain=True),
    Column("person", "asked by", "ผู้สั่ง"),
    Column("at", "asked at", "สั่งเมื่อ", moment),
    Column("at", "asked at, ISO", "สั่งเมื่อ ค.ศ.", iso, plain=True),
)


def job(asked: Asked) -> Answer:
    """One job; a page that a script asks for anew while it runs."""
    found = _job(asked)
    may_stop = asked.session.role in STEWARDS | AUDITORS and not found.state.over
    return Shown("job.html", value_of(found), {"may_stop": may_stop, "over": found.state.over})


def stop(asked: Asked) -> Answer:
    """Ask a job to stop; what it has done stays done."""
    found = _job(asked)
    Jobs(asked.site.store).stop(found.number, asked.person)
    return Elsewhere(f"/jobs/{found.number}")


def result(asked: Asked) -> Answer:
    """The file that a job made, for as long as it is kept."""
    found = _job(asked)
    name = (found.result or {}).get("file")
    file = asked.site.settings.console.results / f"job-{found.number}" / str(name)
    if found.state is not JobState.DONE or not name or not file.is_file():
        raise NoSuchPage("the file of this job is kept for a week")
    asked.note_reading(f"job {found.kind}", {"job": found.number, **found.asked}, 1)
    return Sent(file, _MEDIA[found.kind], file.name)


_MEDIA: Final = {JobKind.EXPORT: "text/csv; charset=utf-8", JobKind.PACKS: "application/zip"}


def ask(asked: Asked) -> Answer:
    """Before a job of an auditor begins: what it does, and how long that may take."""
    kind = _kind(asked.value("kind"))
    value: dict[str, Any] = {"kind": kind, "report": asked.value("report"), "query": asked.value("query")}
    if kind is JobKind.EXPORT and value["query"] is None:
        value["report"] = _report(value["report"])
    return Shown("job_new.html", value, {"reports": list(REPORTS)})


def begin(asked: Asked) -> Answer:
    """Begin it."""
    kind = _kind(asked.field("kind") or None)
    query = asked.field("query")
    if kind is JobKind.VERIFY:
        given: dict[str, Any] = {"signatures": asked.field("signatures") == "yes"}
    elif kind is JobKind.EXPORT and not query:
        given = {"report": _report(asked.field("report") or None)}
    else:
        with asked.site.ledger.read() as reader:
            question_of(reader, names_of(reader), query)
        given = {"query": query}
    number = Jobs(asked.site.store).add(kind, given, asked.person)
    return Elsewhere(f"/jobs/{number}")


def value_of(one: Job) -> dict[str, Any]:
    """Return a job as plain values."""
    return {
        "number": one.number,
        "kind": one.kind,
        "asked": dict(one.asked),
        "person": one.person.name,
        "role": one.person.role,
        "at": one.at,
        "state": one.state,
        "done": one.done,
        "total": one.total,
        "result": dict(one.result) if one.result is not None else None,
        "stopBy": one.stop_by,
        "changedAt": one.changed_at,
    }


def number_of(asked: Asked, name: str) -> int | None:
    """Return the number that the query has under a name. Raises NotUnderstood for what is none."""
    text = asked.value(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise NotUnderstood(f"{name}: {text[:40]!r} is no number")
    return int(text)


def _job(asked: Asked) -> Job:
    found = Jobs(asked.site.store).get(int(asked.path["number"]))
    if found is None or found.kind not in _OF[asked.session.role]:
        raise NoSuchPage(f"job {asked.path['number']}")
    return found


def _kind(text: str | None) -> JobKind:
    if text not in _OF[Role.AUDITOR]:
        raise NotUnderstood(f"there is no job {(text or '')[:40]!r} to begin here")
    return JobKind(text)


def _report(name: str | None) -> str:
    if name not in REPORTS:
        raise NotUnderstood(f"there is no report {(name or '')[:40]!r}")
    return name


PAGES = (
    Page("/jobs", EVERYBODY, jobs, csv=True),
    Page("/jobs/new", AUDITORS, ask),
    Page("/jobs/new", AUDITORS, begin, act=True),
    Page("/jobs/{number:int}", EVERYBODY, job),
    Page("/jobs/{number:int}/stop", STEWARDS | AUDITORS, stop, act=True),
    Page("/jobs/{number:int}/result", AUDITORS, result, twin=False),
)
