"""The auditors' reports on pages: the same as by command, bounded, page by page, with a CSV."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from bus.ledger.entry import Kind, timestamp
from bus.ledger.store import Ledger
from bus.operators import Role
from bus.thai import now
from bus.views.recent_reports import NAMES, recent
from bus.views.reports import REPORTS
from tests.assets.factory import DGA, OPM, SOC
from tests.contract.console_ledgers import auditors_console, readings
from tests.contract.console_rig import Visitor
from tests.contract.lived import Lived


@dataclass(frozen=True, slots=True)
class Looking:
    """An auditor's browser over the lived ledger, in which a deadline passed."""

    ledger: Ledger
    lived: Lived
    auditor: Visitor


@pytest.fixture(scope="module")
def looking(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Looking]:
    folder = tmp_path_factory.mktemp("reports")
    shutil.copy(sqlite_template, folder / "ledger.db")
    with (
        Ledger(f"sqlite:///{folder / 'ledger.db'}") as ledger,
        auditors_console(ledger, folder) as (console, lived),
    ):
        with ledger.append() as writer:
            due = timestamp(now() - timedelta(hours=1))
            writer.entry(Kind.OVERDUE, letter=lived.letter, deadline="receipt", due=due, silent=[DGA])
            for reason in ("หนึ่ง", "สอง", "สาม"):
                writer.entry(
                    Kind.GRANTED,
                    letter=lived.letter,
                    auditor="ใครคนหนึ่ง (ตัวอย่าง)",
                    until=due,
                    reason=reason,
                    operator="tester",
                )
        yield Looking(ledger, lived, console.visited_by(Role.AUDITOR))


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_a_page_has_the_rows_of_the_command(looking: Looking, name: str) -> None:
    with looking.ledger.read() as reader:
        by_command = list(REPORTS[name].rows(reader, None))
    rows = looking.auditor.json(f"/reports/{name}")["rows"]

    def plain(row: object) -> str:
        return str(sorted((key, str(value)) for key, value in dict(row).items()))  # type: ignore[call-overload]

    assert sorted(map(plain, rows)) == sorted(map(plain, by_command))


def test_who_has_not_acknowledged_is_a_report_with_what_is_missing(looking: Looking) -> None:
    (row,) = looking.auditor.json("/reports/unacknowledged")["rows"]
    assert (row["letter"], row["silent"]) == (looking.lived.letter, [SOC, DGA])
    assert row["missing"] == {"receipt": [DGA], "registration": [SOC]}
    body = looking.auditor.get("/reports/unacknowledged.csv").content.decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(body)))
    assert [row[0] for row in rows[1:3]] == [str(looking.lived.letter)] * 2, "one row for each that is silent"


def test_long_reports_go_page_by_page_and_join(looking: Looking, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [one["entry"] for one in looking.auditor.json("/reports/operators")["rows"]]
    monkeypatch.setattr("bus.views.recent_reports.MOST", 2)
    found, before = [], ""
    while True:
        value = looking.auditor.json(f"/reports/operators{before}")
        found += [one["entry"] for one in value["rows"]]
        if value["before"] is None:
            break
        before = f"?before={value['before']}"
    assert found == whole
    page = looking.auditor.get("/reports/operators").text
    assert 'rel="next"' in page
    assert "/jobs/new?kind=export&amp;report=operators" in page


def test_a_ledger_that_is_too_large_is_for_a_job(looking: Looking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bus.views.recent_reports._WHOLE_UP_TO", 1)
    with looking.ledger.read() as reader:
        assert recent(reader, "duplicates", None).too_long
        assert not recent(reader, "refused", None).too_long
    page = looking.auditor.get("/reports/keys?lang=en")
    assert page.status_code == 200
    assert "too large" in page.text


def test_each_report_has_a_name_in_both_languages_and_is_entered(looking: Looking) -> None:
    thai, english = (looking.auditor.get(f"/reports?lang={each}").text for each in ("th", "en"))
    for name in NAMES:
        assert f'href="/reports/{name}"' in thai
    assert "การอ่านของผู้ตรวจสอบ" in thai
    assert "Operators&#39; acts" in english or "Operators' acts" in english
    before = len(readings(looking.ledger))
    looking.auditor.get("/reports/gaps")
    entered = readings(looking.ledger)[before:]
    assert [(one["what"], one["query"]) for one in entered] == [("report", {"report": "gaps"})]


def test_times_are_in_the_language_of_the_page(looking: Looking) -> None:
    assert (
        "พ.ศ."
        not in looking.auditor.get("/reports/overdue?lang=en")
        .text.partition("<main")[2]
        .partition("</main")[0]
    )
    assert "BE 25" in looking.auditor.get("/reports/overdue?lang=en").text
    assert "น.</time>" in looking.auditor.get("/reports/overdue?lang=th").text


def test_a_report_that_is_none_is_not_there(looking: Looking) -> None:
    assert looking.auditor.get("/reports/nothing").status_code == 404
    assert looking.auditor.get("/reports/overdue?agency=" + OPM).status_code == 400
