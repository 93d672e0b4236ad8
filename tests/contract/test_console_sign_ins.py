"""The page of sign-ins, and the act that ends the sessions of a person."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bus.ledger.entry import Kind
from bus.ledger.store import Ledger
from bus.operators import Method, Operator, Role
from bus.pages.sign_ins import WHAT, recorded
from bus.thai import now
from tests.contract.console_rig import PEOPLE, Console, console_over

HOSTILE = '=HYPERLINK("x")<script>\u202e' + "ก" * 150


@pytest.fixture
def console(sqlite_template: Path, tmp_path: Path) -> Iterator[Console]:
    shutil.copy(sqlite_template, tmp_path / "ledger.db")
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    with console_over(ledger, tmp_path) as opened:
        yield opened
    ledger.close()


def note(console: Console, *whats: str, name: str = "ตัวอย่าง-ก") -> None:
    for what in whats:
        role = Role.OPERATOR if what in ("in", "out") else None
        console.site.store.note_sign_in(what, Operator(name, role, "local"), "192.0.2.1")


def test_what_was_recorded_is_listed_with_the_newest_first_in_words(console: Console) -> None:
    note(console, "failed", "in", "out", "refused")
    visitor = console.visited_by(Role.STEWARD)
    page = visitor.get("/sign-ins").text
    for words in ("เข้าสู่ระบบ", "ไม่สำเร็จ", "ออกจากระบบ", "ไม่รับ", "192.0.2.1", "ตัวอย่าง-ก"):
        assert words in page
    assert [row["what"] for row in visitor.json("/sign-ins")["rows"]] == ["refused", "out", "in", "failed"]
    english = visitor.get("/sign-ins?lang=en").text
    assert all(pair[1] in english for pair in WHAT.values())
    assert [row["what"] for row in visitor.json("/sign-ins?what=in&name=ตัวอย่าง-ก")["rows"]] == ["in"]
    assert visitor.json("/sign-ins?name=ตัวอย่าง-ข")["rows"] == []


def test_a_long_list_goes_on_below_the_last_number(console: Console) -> None:
    note(console, *["failed"] * 205)
    visitor = console.visited_by(Role.STEWARD)
    seen, address = [], "/sign-ins?what=failed"
    while address:
        value = visitor.json(address)
        seen += [row["number"] for row in value["rows"]]
        address = f"/sign-ins?what=failed&before={value['next']}" if value["next"] else ""
    assert seen == list(range(205, 0, -1))


def test_what_cost_no_password_is_recorded_a_bounded_number_of_times_and_a_wrong_password_always(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, most = console.site.store, 200

    def noted(what: str, method: Method, address: str = "192.0.2.1", times: int = 1) -> int:
        """How many more rows there are after so many sign-ins."""
        before = len(recorded(store, 1000, before=None, name=None, what=None))
        for _ in range(times):
            store.note_sign_in(what, Operator("ตัวอย่าง-ก", None, method), address)
        return len(recorded(store, 1000, before=None, name=None, what=None)) - before

    assert noted("refused", "local", times=most - 1) == most - 1
    assert noted("failed", "oidc", times=5) == 1
    assert noted("refused", "local", times=5) == 0
    assert noted("failed", "local", times=5) == 5
    assert noted("in", "local") == 1
    assert noted("refused", "oidc", address="192.0.2.2") == 1
    with monkeypatch.context() as later:
        later.setattr("bus.pages.store.now", lambda: now() + timedelta(minutes=16))
        assert noted("refused", "local") == 1


@pytest.mark.parametrize(
    "query", ["what=other", "before=x", "before=-1", "before=1&before=2", "colour=red", "before=" + "9" * 30]
)
def test_what_cannot_be_asked_is_not_answered(console: Console, query: str) -> None:
    assert console.visited_by(Role.STEWARD).get(f"/sign-ins?{query}").status_code == 400


def test_an_auditors_look_is_entered_and_a_stewards_is_not(console: Console) -> None:
    note(console, "in")
    console.visited_by(Role.STEWARD).get("/sign-ins")
    console.visited_by(Role.AUDITOR).get("/sign-ins?what=in")
    with console.site.ledger.read() as reader:
        bodies = [entry.body for entry in reader.entries(kind=Kind.READ)]
    (body,) = bodies
    assert (body["auditor"], body["what"], body["count"]) == (PEOPLE[Role.AUDITOR].name, "sign-ins", 1)
    assert body["query"] == {"what": "in"}


def test_a_spreadsheet_gets_it_harmless(console: Console) -> None:
    note(console, "failed", name=HOSTILE)
    response = console.visited_by(Role.STEWARD).get("/sign-ins.csv")
    assert response.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert rows[1][4].startswith("'=HYPERLINK")
    assert "\u202e" not in rows[1][4]


def test_hostile_names_harm_no_page(console: Console) -> None:
    note(console, "failed", name=HOSTILE)
    page = console.visited_by(Role.STEWARD).get("/sign-ins").text
    assert "<script>\u202e" not in page
    assert "\u202e" not in page


def test_a_steward_ends_the_sessions_of_a_person_with_a_reason(console: Console) -> None:
    visitor, other = console.visited_by(Role.STEWARD), console.visited_by(Role.OPERATOR)
    console.visited_by(Role.OPERATOR)
    name = PEOPLE[Role.OPERATOR].name
    assert other.get("/").headers["location"] == "/overview"
    link = re.search(r'href="(/sign-ins/end\?name=[^"]+)"', visitor.get("/sign-ins").text)
    assert link is not None
    consequence = visitor.get("/sign-ins/end?name=" + name)
    assert "ทั้งหมด 2 รายการ" in consequence.text
    assert name in consequence.text
    assert visitor.send("/sign-ins/end", {"name": name, "reason": " "}).status_code == 400
    assert visitor.send("/sign-ins/end", {"name": name, "reason": "ก" * 501}).status_code == 400
    assert other.get("/").headers["location"] == "/overview"
    done = visitor.send("/sign-ins/end", {"name": name, "reason": "ลืมออกจากระบบ"})
    assert done.headers["location"] == "/sign-ins?what=ended"
    assert other.get("/").headers["location"].startswith("/sign-in?to=")
    rows = visitor.json("/sign-ins?what=ended")["rows"]
    found = [(row["name"], row["role"], row["endedBy"], row["reason"]) for row in rows]
    assert found == [(name, "operator", PEOPLE[Role.STEWARD].name, "ลืมออกจากระบบ")] * 2
    assert "ลืมออกจากระบบ" in visitor.get("/sign-ins?what=ended").text
    again = visitor.send("/sign-ins/end", {"name": name, "reason": "อีกครั้ง"})
    assert again.status_code == 409
    assert "ไม่มีการใช้งานที่เปิดอยู่" in visitor.get(f"/sign-ins/end?name={name}").text


def test_an_auditor_sees_who_is_signed_in_and_ends_nothing(console: Console) -> None:
    visitor = console.visited_by(Role.AUDITOR)
    page = visitor.get("/sign-ins").text
    assert PEOPLE[Role.AUDITOR].name in page
    assert "/sign-ins/end" not in page
    assert visitor.send("/sign-ins/end", {"name": "x", "reason": "x"}).status_code == 403
