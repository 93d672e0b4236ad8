"""Jobs of the console: asked for on a page, done in a process of their own, taken up again, and stopped."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bus.console.jobs.table import Job, JobKind, Jobs, JobState
from bus.console.jobs.worker import KEPT, run_jobs, tidy
from bus.documents.making import write_seal
from bus.documents.notes import log_key
from bus.ledger.entry import Kind
from bus.ledger.store import Ledger
from bus.operators import Role
from tests.assets import factory
from tests.contract import ledger_rig as rig
from tests.contract.console_rig import PEOPLE, Console, console_over
from tests.contract.lived import Lived, live
from tests.faults.waiting import eventually

AUDITOR, STEWARD = PEOPLE[Role.AUDITOR], PEOPLE[Role.STEWARD]


@pytest.fixture
def lived(sqlite_template: Path, tmp_path: Path) -> Iterator[Lived]:
    shutil.copy(sqlite_template, tmp_path / "ledger.db")
    lived = live(Ledger(f"sqlite:///{tmp_path / 'ledger.db'}"), tmp_path)
    yield lived
    lived.ledger.close()


@pytest.fixture
def console(lived: Lived, tmp_path: Path) -> Iterator[Console]:
    seal = write_seal(factory.seal("bus"), tmp_path, "bus")
    settings: dict[str, Any] = {
        "ledger": {"url": f"sqlite:///{tmp_path / 'ledger.db'}"},
        "console": {
            "database": f"sqlite:///{tmp_path / 'console.db'}",
            "results": tmp_path / "results",
            "log_key": str(log_key(tmp_path / "log.key.pem", rig.ORIGIN).verifier),
        },
        "seal": {"key": seal.key, "certificate": seal.certificate},
    }
    with console_over(lived.ledger, tmp_path, **settings) as opened:
        yield opened


@contextmanager
def working(console: Console) -> Iterator[None]:
    """The worker of jobs, in a loop of its own, until the end of the block."""
    loop, ended = asyncio.new_event_loop(), asyncio.Event()
    work = threading.Thread(
        target=loop.run_until_complete, args=(run_jobs(console.site.settings, console.site.store, ended),)
    )
    work.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(ended.set)
        work.join()
        loop.close()


def over(jobs: Jobs, number: int) -> Job:
    """Wait until a job is over."""

    def ended() -> bool:
        job = jobs.get(number)
        return job is not None and job.state.over

    eventually(ended, f"job {number} is over")
    job = jobs.get(number)
    assert job is not None
    return job


def test_an_auditor_verifies_the_ledger_exports_a_report_and_takes_packs_of_a_search(
    console: Console,
) -> None:
    visitor = console.visited_by(Role.AUDITOR)
    forms = [
        {"kind": "verify"},
        {"kind": "export", "report": "refused"},
        {"kind": "packs", "query": "from=0100100000"},
        {"kind": "export", "query": "from=0100100000"},
    ]
    pages = [visitor.send("/jobs/new", form).headers["location"] for form in forms]
    jobs = Jobs(console.site.store)
    with working(console):
        verified, report, packs, found = (over(jobs, int(page.rpartition("/")[2])) for page in pages)
    assert verified.result is not None
    assert verified.result["verdict"] == "pass"
    assert "ผ่าน" in visitor.get(pages[0]).text
    assert visitor.get(f"{pages[1]}/result").text.startswith("\ufeffรหัส (code)")
    with zipfile.ZipFile(io.BytesIO(visitor.get(f"{pages[2]}/result").content)) as archive:
        assert [name for name in archive.namelist() if name.endswith(".asice")]
    assert "นร 0105/ว 165" in visitor.get(f"{pages[3]}/result").text
    assert {one.state for one in (verified, report, packs, found)} == {JobState.DONE}
    with console.site.ledger.read() as reader:
        readings = [entry.body["what"] for entry in reader.every(Kind.READ)]
    assert readings == ["job export", "job packs", "job export"]


def test_what_ran_when_the_console_ended_is_taken_up_again(console: Console) -> None:
    jobs = Jobs(console.site.store)
    number = jobs.add(JobKind.VERIFY, {}, AUDITOR)
    assert jobs.take(JobKind.VERIFY) is not None
    assert jobs.take(JobKind.VERIFY) is None
    with working(console):
        assert over(jobs, number).state is JobState.DONE


def test_a_job_that_waits_is_stopped_at_once_and_one_that_runs_where_it_is(console: Console) -> None:
    jobs = Jobs(console.site.store)
    number = jobs.add(JobKind.VERIFY, {}, AUDITOR)
    visitor = console.visited_by(Role.AUDITOR)
    assert visitor.send(f"/jobs/{number}/stop", {}).status_code == 303
    job = jobs.get(number)
    assert job is not None
    assert (job.state, job.stop_by) == (JobState.STOPPED, AUDITOR.name)
    assert jobs.progress(number, 5, 10) is False


def test_a_job_of_a_kind_that_is_not_there_or_of_a_question_that_is_not_understood_is_not_begun(
    console: Console,
) -> None:
    visitor = console.visited_by(Role.AUDITOR)
    wrong = [
        {"kind": "replay"},
        {"kind": "purge"},
        {},
        {"kind": "export", "report": "everything"},
        {"kind": "packs", "query": "from=nobody"},
        {"kind": "packs", "query": ""},
    ]
    for form in wrong:
        assert visitor.send("/jobs/new", form).status_code == 400, form
    assert Jobs(console.site.store).newest(list(JobKind)) == []


def test_what_auditors_look_for_is_no_operators_to_see(console: Console) -> None:
    jobs = Jobs(console.site.store)
    number = jobs.add(JobKind.PACKS, {"query": "subject=ลับเฉพาะ"}, AUDITOR)
    for role in (Role.OPERATOR, Role.STEWARD):
        visitor = console.visited_by(role)
        assert "ลับเฉพาะ" not in visitor.get("/jobs").text
        assert visitor.json("/jobs") == {"jobs": []}
        assert visitor.get(f"/jobs/{number}").status_code == 404
    assert "ลับเฉพาะ" in console.visited_by(Role.AUDITOR).get(f"/jobs/{number}").text


def test_what_a_job_made_is_kept_for_a_week(tmp_path: Path) -> None:
    week, now = KEPT.total_seconds(), 2_000_000_000.0
    for name, age in (("job-1", week + 60), ("job-2", week - 60), ("other", week + 60)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (now - age, now - age))
    tidy(tmp_path, now - week)
    assert {one.name for one in tmp_path.iterdir()} == {"job-2", "other"}
    tidy(tmp_path / "not-there", now)


def test_without_the_seal_packs_are_refused_with_the_command_that_makes_them(
    lived: Lived, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {
        "ledger": {"url": f"sqlite:///{tmp_path / 'ledger.db'}"},
        "console": {
            "database": f"sqlite:///{tmp_path / 'console.db'}",
            "results": tmp_path / "results",
            "seal": False,
        },
    }
    with console_over(lived.ledger, tmp_path, **settings) as console, working(console):
        jobs = Jobs(console.site.store)
        job = over(jobs, jobs.add(JobKind.PACKS, {"query": "from=0100100000"}, AUDITOR))
    assert job.state is JobState.FAILED
    assert job.result is not None
    assert "saraban-bus evidence" in job.result["error"]
