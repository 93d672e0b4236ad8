"""The form of a letter: what was typed comes back as it was typed, and makes the manifest that all doors read."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from adapters.desk.form import Written, answer_to, empty, field_of
from bus.thai import now, parse_date

FORM = {
    "number": " นร 0105/ว 165 ",
    "date": "27 พฤศจิกายน 2569",
    "subject": "ขอเชิญประชุม",
    "speed": "004",
    "due_date": "30/11/2569",
    "due_time": "09:00",
    "signers-1-given_name": "สมศรี",
    "signers-1-family_name": "ตัวอย่าง",
    "signers-1-job_title": "ผู้อำนวยการ",
    "references-1-relation": "refer",
    "references-2-relation": "reply",
    "references-2-number": "นร 0505/1",
    "enclosures-1-form": "file",
    "do": "save",
    "unknown": "is not kept",
}


def test_what_was_typed_is_kept_as_it_was_typed() -> None:
    written = Written().with_form(FORM).addressed("to", "0100500000")
    again = Written.read(written.kept())
    assert again == written
    assert again.texts["date"] == "27 พฤศจิกายน 2569"
    assert again.texts["number"] == "นร 0105/ว 165"
    assert "unknown" not in written.kept()


def test_a_row_in_which_nothing_but_a_choice_is_made_is_no_row() -> None:
    written = Written().with_form(FORM)
    assert [dict(row) for row in written.rows["references"]] == [{"relation": "reply", "number": "นร 0505/1"}]
    assert written.rows["enclosures"] == ()


def test_it_makes_the_manifest_that_all_doors_read() -> None:
    written = Written(replaces="x").with_form(FORM | {"replaces_reason": "ผิดฉบับ"})
    written = written.addressed("to", "0100500000").addressed("copy", "topic:holidays")
    assert written.manifest(["ก.pdf", "ข.pdf"]) == {
        "number": "นร 0105/ว 165",
        "date": "27 พฤศจิกายน 2569",
        "subject": "ขอเชิญประชุม",
        "speed": "004",
        "due_by": "2026-11-30T09:00",
        "signers": [{"given_name": "สมศรี", "family_name": "ตัวอย่าง", "job_title": "ผู้อำนวยการ"}],
        "references": [{"relation": "reply", "number": "นร 0505/1"}],
        "to": ["0100500000"],
        "copy": ["topic:holidays"],
        "replaces": {"letter_id": "x", "reason": "ผิดฉบับ"},
        "files": ["ก.pdf", "ข.pdf"],
    }


@pytest.mark.parametrize(
    ("form", "due"),
    [
        ({"due_date": "30/11/2569"}, "2026-11-30T16:30"),
        ({"due_date": "วันจันทร์", "due_time": "09:00"}, "วันจันทร์ 09:00"),
        ({"due_time": "09:00"}, "09:00"),
        ({}, None),
    ],
)
def test_a_due_time_that_cannot_be_read_is_left_for_the_reader_to_refuse(
    form: dict[str, str], due: str | None
) -> None:
    assert Written().with_form(form).manifest([]).get("due_by") == due


def test_an_addressee_stands_in_one_role_once() -> None:
    written = Written().addressed("to", "1").addressed("to", "2").addressed("copy", "1").addressed("to", "2")
    assert (written.to, written.copy) == (("2",), ("1",))
    assert written.without("2").to == ()


def test_an_answer_goes_to_the_sender_with_the_reference() -> None:
    letter = SimpleNamespace(
        sender="0100100000", letter_id="id", number="นร 1/2", date="2026-11-01", subject="เรื่องเดิม"
    )
    written = answer_to(cast(Any, letter))
    assert written.to == ("0100100000",)
    (reference,) = written.rows["references"]
    assert reference == {
        "relation": "reply",
        "letter_id": "id",
        "number": "นร 1/2",
        "date": "2026-11-01",
        "subject": "เรื่องเดิม",
    }
    assert parse_date(written.texts["date"]) == now().date() == parse_date(empty().texts["date"])
    assert json.loads(written.kept())["texts"]["subject"] == "เรื่องเดิม"


@pytest.mark.parametrize(
    ("where", "field"),
    [
        ("references[1].date", "references-1-date"),
        ("due_by", "due_date"),
        ("copy", "to"),
        ("files", "file"),
        ("subject", "subject"),
        ("replaces.reason", "replaces_reason"),
        ("/Letter/Subject", "letter"),
    ],
)
def test_a_mistake_leads_back_to_its_field(where: str, field: str) -> None:
    assert field_of(where) == field
