"""What is overdue now, and silent still: the three kinds of trouble apart, what has been due for the longest first."""

from __future__ import annotations

import csv
import io

import pytest

from bus.operators import Role
from tests.assets.factory import DGA, OCS, OPM, SOC
from tests.contract import ledger_rig as rig
from tests.contract.console_rig import Console
from tests.contract.test_console_overview import looked
from tests.contract.watched import Watched

__all__ = ["looked"]


def test_the_three_kinds_of_trouble_are_apart(looked: tuple[Console, Watched]) -> None:
    console, watched = looked
    with console.site.ledger.append() as writer:
        rig.in_ledger(writer, to=(OCS,), number="นร 0105/5")
    console.site.readings.look()
    visitor = console.visited_by(Role.OPERATOR)
    value = visitor.json("/overdue")
    assert value["retry"]["consignments"] > 0
    assert OCS in {one["code"] for one in value["retry"]["most"]}
    assert value["parked"] == 2
    assert value["counts"] == {"receipt": 1, "registration": 1}
    assert [(row["deadline"], row["silent"], row["letter"]) for row in value["overdue"]] == [
        ("receipt", [DGA], watched.letter), ("registration", [SOC, DGA], watched.letter),
    ]  # fmt: skip
    assert value["overdue"][0]["overdueFor"] > value["overdue"][1]["overdueFor"] > 3600 * 29
    thai, english = visitor.get("/overdue?lang=th").text, visitor.get("/overdue?lang=en").text
    for words, page in (
        ("จะส่งใหม่เอง", thai),
        ("พักไว้ให้ผู้ดูแลระบบ", thai),
        ("Overdue, and silent still", english),
    ):
        assert words in page
    content = watched.lived.circular.content
    assert content is not None
    assert content.subject not in thai
    assert "นร 0105" not in thai


def test_it_is_asked_by_deadline_and_by_agency(looked: tuple[Console, Watched]) -> None:
    visitor = looked[0].visited_by(Role.OPERATOR)
    assert [row["deadline"] for row in visitor.json("/overdue?deadline=receipt")["overdue"]] == ["receipt"]
    of_one = visitor.json(f"/overdue?agency={SOC}")
    assert [(row["deadline"], row["silent"], row["silentCount"]) for row in of_one["overdue"]] == [
        ("registration", [SOC], 2)
    ]
    assert of_one["counts"] == {"receipt": 0, "registration": 1}
    named = visitor.client.get("/overdue.json", params={"agency": rig.agency(SOC).name_th}).json()
    assert named["query"] == {"agency": SOC}
    for wrong in (
        "deadline=answer",
        "agency=nobody",
        "after=1",
        "before=1",
        "deadline=receipt&deadline=receipt",
    ):
        assert visitor.get(f"/overdue?{wrong}").status_code == 400, wrong


def test_it_goes_on_behind_the_last_row(
    looked: tuple[Console, Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bus.console.pages.overdue.MOST", 1)
    visitor = looked[0].visited_by(Role.OPERATOR)
    first = visitor.json("/overdue")
    second = visitor.client.get("/overdue.json", params={"after": first["next"]}).json()
    assert [row["deadline"] for row in first["overdue"] + second["overdue"]] == ["receipt", "registration"]
    assert second["next"] is None


def test_its_list_has_a_row_for_each_silent_agency(looked: tuple[Console, Watched]) -> None:
    text = looked[0].visited_by(Role.OPERATOR).get("/overdue.csv").content.decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text)))
    rows = rows[1 : rows.index([])]
    assert sorted(row[5].strip("'").split()[0] for row in rows) == sorted([DGA, SOC, DGA])
    assert {row[4].strip("'").split()[0] for row in rows} == {OPM}
