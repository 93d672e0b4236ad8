"""Parked submissions for operators: by fault, one by one, and each as far as it is known without its content."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bus.ledger.store import Ledger
from bus.operators import Role
from bus.thai import now, to_buddhist
from tests.assets.factory import DGA, OPM
from tests.contract.console_rig import Console, console_over
from tests.contract.test_console_overview import NOWHERE
from tests.contract.watched import Watched, park, watch

HOSTILE = "=HYPERLINK(1)\u202e<script>" + "ก" * 200


@pytest.fixture(scope="module")
def looked(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Console, Watched]]:
    folder = tmp_path_factory.mktemp("parked")
    shutil.copy(sqlite_template, folder / "ledger.db")
    with Ledger(f"sqlite:///{folder / 'ledger.db'}") as ledger:
        watched = watch(ledger, folder)
        park(ledger, "<Letter>เรื่องลับ</Letter>".encode(), HOSTILE)
        with console_over(ledger, folder, **NOWHERE) as console:
            yield console, watched


def test_it_is_grouped_by_the_fault_that_was_met_last(looked: tuple[Console, Watched]) -> None:
    console, watched = looked
    visitor = console.visited_by(Role.OPERATOR)
    value = visitor.json("/parked")
    assert (value["total"], value["found"]) == (3, 3)
    assert value["faults"]["ValueError"] == value["faults"]["unknown"] == 1
    assert "KeyError" not in value["faults"], "the replay met another one"
    assert [row["entry"] for row in value["parked"]][:2] == [watched.parked, watched.unknown]
    only = visitor.json("/parked?fault=ValueError")
    assert ([row["agency"] for row in only["parked"]], only["found"], only["total"]) == ([OPM], 1, 3)
    assert [row["entry"] for row in visitor.json(f"/parked?agency={DGA}")["parked"]] == [watched.unknown]
    assert visitor.json("/parked?fault=TypeError")["found"] == 0


def test_a_day_is_given_in_either_calendar(looked: tuple[Console, Watched]) -> None:
    visitor = looked[0].visited_by(Role.OPERATOR)
    today = now()
    thai = f"{today:%d/%m}/{to_buddhist(today.year)}"
    assert visitor.client.get("/parked.json", params={"since": thai}).json()["found"] == 3
    assert visitor.json("/parked?since=1/1/2560")["query"]["since"] == "2017-01-01"
    assert visitor.json("/parked?since=2099-01-01")["found"] == 0
    for wrong in ("since=tomorrow", "agency=nobody", "after=x", "sort=at", "fault=a&fault=b"):
        assert visitor.get(f"/parked?{wrong}").status_code == 400, wrong


def test_it_goes_on_behind_the_last_row(
    looked: tuple[Console, Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bus.console.pages.parked.MOST", 2)
    visitor = looked[0].visited_by(Role.OPERATOR)
    first = visitor.json("/parked")
    second = visitor.json(f"/parked?after={first['next']}")
    assert [len(first["parked"]), len(second["parked"]), second["next"]] == [2, 1, None]
    assert second["total"] == 3


def test_one_is_shown_without_its_content(looked: tuple[Console, Watched]) -> None:
    console, watched = looked
    visitor = console.visited_by(Role.OPERATOR)
    value = visitor.json(f"/parked/{watched.parked}")
    assert (value["agency"], value["size"], value["fault"], value["waiting"]) == (OPM, 20, "ValueError", True)
    asked, failed = value["replays"]
    assert (asked["by"], asked["reason"]) == ("ผู้ดูแล (ตัวอย่าง)", "แก้แล้ว (ตัวอย่าง)")
    assert (failed["outcome"], failed["error"]) == ("parked", "ValueError")
    for row in visitor.json("/parked")["parked"]:
        page = visitor.get(f"/parked/{row['entry']}").text + visitor.get("/parked").text
        assert "เรื่องลับ" not in page
        assert "<script>" not in page.replace('<script src="/static', "")
        assert "\u202e" not in page
    assert visitor.get(f"/parked/{watched.letter}").status_code == 404, "a letter is nothing that is parked"
    assert visitor.get("/parked/999999999999999999999").status_code == 404


def test_a_steward_is_offered_the_replay_and_an_operator_is_not(looked: tuple[Console, Watched]) -> None:
    console, watched = looked
    one, many = f'href="/parked/{watched.parked}/replay"', 'href="/parked/replay?fault=ValueError"'
    steward, operator = console.visited_by(Role.STEWARD), console.visited_by(Role.OPERATOR)
    assert one in steward.get(f"/parked/{watched.parked}").text
    assert many in steward.get("/parked").text
    assert "/replay" not in operator.get(f"/parked/{watched.parked}").text + operator.get("/parked").text
    for path in (one, many):
        assert steward.get(path.split('"')[1]).status_code == 200, "the pages that it leads to are there"


def test_its_list_is_a_spreadsheet_too(looked: tuple[Console, Watched]) -> None:
    text = looked[0].visited_by(Role.OPERATOR).get("/parked.csv").content.decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text)))
    assert len(rows[: rows.index([])]) == 4
    assert any(cell.startswith("'=HYPERLINK") for row in rows for cell in row)
    assert not any(cell.startswith("=") for row in rows for cell in row)
