"""The page of one agency: why something waits, in words; its queue over time; its keys; its letters without content."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest

from bus.console.drawing import by_hour, queue_over_time
from bus.console.history import Point
from bus.ledger.entry import Kind
from bus.ledger.work import Lease, Whose
from bus.operators import Role
from bus.thai import now
from tests.assets.factory import DGA, OCS, OPM, SOC
from tests.contract import ledger_rig as rig
from tests.contract.console_rig import Console
from tests.contract.test_console_overview import looked
from tests.contract.watched import WHY, Watched

__all__ = ["looked"]


def test_a_suspended_agency_says_by_whom_and_for_what(looked: tuple[Console, Watched]) -> None:
    visitor = looked[0].visited_by(Role.OPERATOR)
    value = visitor.json(f"/agencies/{SOC}")
    first = value["reasons"][0]
    assert (first["says"], first["by"], first["reason"], first["version"]) == (
        "suspended", "ผู้ดูแล (ตัวอย่าง)", WHY, 2,
    )  # fmt: skip
    page = visitor.get(f"/agencies/{SOC}").text
    assert "หน่วยงานถูกพักใช้งาน" in page
    assert "&lt;b&gt;ตัวอย่าง&lt;/b&gt;" in page
    assert "<b>ตัวอย่าง" not in page
    assert "It is suspended by ผู้ดูแล (ตัวอย่าง)," in " ".join(
        visitor.get(f"/agencies/{SOC}?lang=en").text.split()
    )


def test_what_failed_is_said_in_words(looked: tuple[Console, Watched]) -> None:
    visitor = looked[0].visited_by(Role.OPERATOR)
    reasons = {one["says"]: one for one in visitor.json(f"/agencies/{DGA}")["reasons"]}
    assert set(reasons) == {"cluster-away", "retried", "failed"}
    assert (reasons["failed"]["reason"], reasons["failed"]["number"]) == ("Nacked", 1)
    assert "its queue is full, or not ready" in visitor.get(f"/agencies/{DGA}?lang=en").text
    assert "ตู้หนังสือเต็มหรือไม่พร้อม" in visitor.get(f"/agencies/{DGA}?lang=th").text


def test_a_circuit_is_open_while_what_failed_is_pending_and_closed_once_it_is_confirmed(
    looked: tuple[Console, Watched],
) -> None:
    console, _ = looked
    ledger, visitor = console.site.ledger, console.visited_by(Role.OPERATOR)
    with ledger.append() as writer:
        made = rig.in_ledger(writer, to=(OCS,), number="นร 0105/99")
    assert visitor.json(f"/agencies/{OCS}")["circuits"] == []
    assert "ไม่มีการพักส่ง" in visitor.get(f"/agencies/{OCS}").text
    lease = Lease("router-sample", now() + timedelta(minutes=1))
    leased = ledger.lease(lease, limit=100, per_agency=100, whose=Whose(among=(OCS,)))
    number = leased[-1].number
    with ledger.append() as writer:
        for reason in ("Nacked", "Unconfirmed"):
            writer.entry(Kind.CONSIGNMENT_FAILED, agency=OCS, letter=made, number=number, reason=reason)
    (open_one,) = visitor.json(f"/agencies/{OCS}")["circuits"]
    assert (open_one["router"], open_one["reason"], open_one["number"]) == (
        "router-sample", "Unconfirmed", number,
    )  # fmt: skip
    assert "open: tried again by itself" in visitor.get(f"/agencies/{OCS}?lang=en").text
    with ledger.append() as writer:
        writer.confirmed(leased)
    assert visitor.json(f"/agencies/{OCS}")["circuits"] == []


def test_its_statement_and_certificates_are_there(looked: tuple[Console, Watched]) -> None:
    visitor = looked[0].visited_by(Role.OPERATOR)
    value = visitor.json(f"/agencies/{OCS}")
    assert (value["statement"]["contiguous"], value["statement"]["highest"]) == (1, 1)
    (certificate,) = value["certificates"]
    assert certificate["state"] == "in-force"
    assert certificate["daysLeft"] > 0
    assert certificate["fingerprint"] == rig.agency(OCS).certificates[0].fingerprint
    assert value["witness"] is None
    unit = visitor.json(f"/agencies/{rig.UNIT}")
    assert (unit["inbox"], [one["code"] for one in unit["above"]]) == (False, [OCS])


def test_its_letters_have_no_number_and_no_subject(
    looked: tuple[Console, Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    console, watched = looked
    with console.site.ledger.append() as writer:
        for number in range(3):
            rig.in_ledger(writer, to=(DGA,), number=f"นร 0105/{number}", subject="เรื่องลับมาก")
    monkeypatch.setattr("bus.console.pages.agency.MOST", 2)
    visitor = console.visited_by(Role.OPERATOR)
    found, before = [], ""
    while True:
        value = visitor.json(f"/agencies/{DGA}{before}")
        found += value["letters"]
        if value["next"] is None:
            break
        before = f"?before={value['next']}"
    assert [row["entry"] for row in found] == sorted((row["entry"] for row in found), reverse=True)
    assert len(found) == 4
    oldest = found[-1]
    assert (oldest["entry"], oldest["direction"]) == (watched.letter, "got")
    assert set(oldest["overdue"]) == {"receipt", "registration"}
    page = visitor.get(f"/agencies/{DGA}").text
    for secret in (
        "เรื่องลับมาก",
        "นร 0105",
        watched.lived.circular.content.subject if watched.lived.circular.content else "-",
    ):
        assert secret not in page
        assert secret not in visitor.get(f"/agencies/{DGA}.json").text
    sent = {row["entry"]: row for row in visitor.json(f"/agencies/{OPM}")["letters"]}
    assert all(row["direction"] == "sent" and row["unacknowledged"] for row in sent.values())


def test_a_letter_to_many_is_not_worked_out_in_a_list(
    looked: tuple[Console, Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bus.views.agency._FOLDED", 2)
    console, watched = looked
    row = next(
        one
        for one in console.visited_by(Role.OPERATOR).json(f"/agencies/{DGA}")["letters"]
        if one["entry"] == watched.letter
    )
    assert (row["outcome"], row["recipients"]) == (None, 3)


def test_who_is_not_there_has_no_page(looked: tuple[Console, Watched]) -> None:
    visitor = looked[0].visited_by(Role.OPERATOR)
    for path in ("/agencies/9999999999", "/agencies/x", f"/agencies/{DGA}%20"):
        assert visitor.get(path).status_code == 404, path
    assert visitor.get(f"/agencies/{DGA}?before=x").status_code == 400
    assert looked[0].visited_by(Role.AUDITOR).get(f"/agencies/{DGA}").status_code == 403


def test_a_steward_is_offered_what_an_operator_is_not(looked: tuple[Console, Watched]) -> None:
    console, _ = looked
    for code, act in ((DGA, "suspend"), (SOC, "resume")):
        link = f'href="/agencies/{code}/{act}"'
        assert link in console.visited_by(Role.STEWARD).get(f"/agencies/{code}").text
        assert link not in console.visited_by(Role.OPERATOR).get(f"/agencies/{code}").text


def test_the_picture_has_gaps_where_nothing_is_known_and_the_table_the_same_figures() -> None:
    begun = datetime.fromisoformat("2026-11-27T09:58:00+07:00")
    figures = [4, 7, None, None, 12, 3]
    points = [
        Point((begun + timedelta(minutes=at)).isoformat(), waiting, at) for at, waiting in enumerate(figures)
    ]
    drawn = str(queue_over_time(points, "<ตู้>"))
    assert len(re.findall('<polyline class="waiting"', drawn)) == 2
    assert len(re.findall('<polyline class="pending"', drawn)) == 1
    assert "style" not in drawn
    assert 'aria-label="&lt;ตู้&gt;"' in drawn
    assert ">20</text>" in drawn, "the scale ends at a round number"
    newest, oldest = by_hour(points)
    assert (newest["most"], newest["last"], newest["pending"]) == (12, 3, 5)
    assert (oldest["most"], oldest["last"]) == (7, 7)
    assert queue_over_time([], "-") == ""
