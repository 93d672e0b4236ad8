"""A letter's timeline for operators: each hop, attempt and silence with what it took, and not what the letter says."""

from __future__ import annotations

from typing import Any

import pytest

from bus.documents.lifecycle import Deadline
from bus.operators import Role
from tests.assets.factory import DGA, OCS, OPM, SOC
from tests.contract import ledger_rig as rig
from tests.contract.console_rig import Console
from tests.contract.test_console_overview import looked
from tests.contract.watched import Watched

__all__ = ["looked"]


def test_every_hop_is_there_in_order_with_what_it_took(looked: tuple[Console, Watched]) -> None:
    console, watched = looked
    value = console.visited_by(Role.OPERATOR).json(f"/timelines/{watched.letter}")
    kinds = [(step["kind"], step["deadline"]) for step in value["steps"]]
    assert kinds[0] == ("accepted", None)
    assert kinds[-3:] == [
        ("overdue", str(Deadline.REGISTRATION)), ("overdue", str(Deadline.RECEIPT)), ("consignment-failed", None),
    ]  # fmt: skip
    assert [step["kind"] for step in value["steps"]].count("notice") == 3
    assert all(step["took"] is not None and step["took"] >= 0 for step in value["steps"])
    entries = [step["entry"] for step in value["steps"]]
    assert entries == sorted(entries)
    assert value["steps"][-1]["reason"] == "Nacked"
    assert value["steps"][-1]["about"] == [DGA]
    recipients = {one["agency"]: one for one in value["recipients"]}
    assert {code: one["outcome"] for code, one in recipients.items()} == {
        OCS: "registered", SOC: "delivered", DGA: "consigned",
    }  # fmt: skip
    assert set(recipients[DGA]["overdue"]) == {"receipt", "registration"}
    assert recipients[OCS]["took"]["answered"] >= 0
    assert recipients[DGA]["took"]["delivered"] is None
    assert {one["deadline"] for one in value["coming"]["deadlines"]} == {"receipt", "registration"}


def test_it_says_in_words_what_failed_and_nothing_of_the_letter(looked: tuple[Console, Watched]) -> None:
    console, watched = looked
    visitor = console.visited_by(Role.OPERATOR)
    content = watched.lived.circular.content
    assert content is not None
    for path in (f"/timelines/{watched.letter}", f"/timelines/{watched.letter}.json"):
        text = visitor.get(path).text
        for secret in (content.subject, watched.lived.circular.main_file.name, "๑๒๓"):
            assert secret not in text, path
    thai = visitor.get(f"/timelines/{watched.letter}").text
    assert "นร 0105/ว 165" in thai, "the number is how people call it"
    assert "ตู้หนังสือเต็มหรือไม่พร้อม" in thai
    assert "its queue is full, or not ready" in visitor.get(f"/timelines/{watched.letter}?lang=en").text


def test_steps_go_on_page_by_page_with_their_times(
    looked: tuple[Console, Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    console, watched = looked
    visitor = console.visited_by(Role.OPERATOR)
    whole = visitor.json(f"/timelines/{watched.letter}")["steps"]
    monkeypatch.setattr("bus.console.pages.timelines.MOST", 4)
    found: list[Any] = []
    after: int | None = 0
    while after is not None:
        value = visitor.json(f"/timelines/{watched.letter}?after={after}")
        found += value["steps"]
        after = value["next"]
    assert found == whole


def test_of_a_letter_to_too_many_one_recipient_is_worked_out(
    looked: tuple[Console, Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    console, watched = looked
    visitor = console.visited_by(Role.OPERATOR)
    whole = {one["agency"]: one for one in visitor.json(f"/timelines/{watched.letter}")["recipients"]}
    monkeypatch.setattr("bus.views.timeline.FOLDED", 5)
    assert visitor.json(f"/timelines/{watched.letter}")["recipients"] is None
    assert "เลือกหน่วยงานหนึ่ง" in visitor.get(f"/timelines/{watched.letter}").text
    for code in (OCS, SOC, DGA):
        (one,) = visitor.json(f"/timelines/{watched.letter}?agency={code}")["recipients"]
        assert one == whole[code], "as it is when all are worked out"
    assert visitor.json(f"/timelines/{watched.letter}?agency={OPM}")["recipients"] == []


def test_what_waits_says_when_it_is_tried_again(looked: tuple[Console, Watched]) -> None:
    console, _ = looked
    with console.site.ledger.append() as writer:
        letter = rig.in_ledger(writer, to=(OCS, DGA), on_hold=(DGA,), number="นร 0105/7")
    visitor = console.visited_by(Role.OPERATOR)
    attempts = {one["agency"]: one for one in visitor.json(f"/timelines/{letter}")["coming"]["attempts"]}
    assert {code: one["on_hold"] for code, one in attempts.items()} == {OCS: False, DGA: True}
    page = visitor.get(f"/timelines/{letter}?lang=en").text
    assert "A router takes it in its next round." in page
    assert "on hold while it is suspended" in page


def test_what_is_no_letter_has_no_timeline(looked: tuple[Console, Watched]) -> None:
    console, watched = looked
    visitor = console.visited_by(Role.OPERATOR)
    for number in (1, 999_999, 10**30):
        assert visitor.get(f"/timelines/{number}").status_code == 404, number
    assert visitor.get(f"/timelines/{watched.letter}?agency=nobody").status_code == 400
    assert visitor.get(f"/timelines/{watched.letter}?x=1").status_code == 400
