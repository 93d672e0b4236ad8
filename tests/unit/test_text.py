"""What people wrote, when it is printed and when it is compared."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.text import printable
from bus.thai import comparable, normalise_number
from tests.assets.thai import thai_digits


@given(st.text(st.characters()))
def test_printed_text_is_one_line_that_any_program_can_encode(text: str) -> None:
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    assert "\x1b" not in shown
    assert not set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c") & set(shown)
    shown.encode("utf-8")
    assert printable(shown) == shown


def test_thai_text_is_printed_as_it_is() -> None:
    assert printable("เรื่อง แผนน้ำท่วม [/ฉบับแก้ไข] ๑๒๓") == "เรื่อง แผนน้ำท่วม [/ฉบับแก้ไข] ๑๒๓"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("น้ำท่วม", "น\u0e4d\u0e49าท่วม"),
        ("น้ำท่วม", "น\u0e49\u0e4dาท่วม"),
        ("น้ำท่วม", "น\u0e33\u0e49ท่วม"),
        ("น้ำท่วม", "น้ำ\u200bท่วม"),
        ("แผน", "เเผน"),
        ("ที่", "ท\u0e48\u0e35"),
        ("ปี ๒๕๖๙", "ปี  2569"),
        ("é", "e\u0301"),
        ("ที่", "ที่\u0e48"),
        ("น้ำ", "น้\u202cำ"),
        ("แผน", "แ\ufe0fผน"),
    ],
)
def test_what_looks_the_same_compares_the_same(one: str, other: str) -> None:
    assert one != other
    assert comparable(one) == comparable(other)


@pytest.mark.parametrize(("one", "other"), [("ข้าว", "ขาว"), ("น้ำ", "นำ"), ("แผน", "เผน"), ("a", "A")])
def test_what_reads_differently_stays_different(one: str, other: str) -> None:
    assert comparable(one) != comparable(other)


@given(st.text(st.sampled_from("กนทเแาำํัิีึืุู็่้๊๋์ฺ๎ ๑1")))
def test_the_comparable_form_is_final(text: str) -> None:
    assert comparable(comparable(text)) == comparable(text)


@given(st.text())
def test_the_comparable_form_of_any_text_is_final(text: str) -> None:
    assert comparable(comparable(text)) == comparable(text)


@given(st.text(st.sampled_from("กนวท่้๊ิีึืุูำเแาะ 12๑๒/")), st.randoms())
def test_what_an_editor_or_a_keyboard_makes_of_a_text_compares_the_same(text: str, random: Any) -> None:
    disguised = "".join(
        disguise(char, random) + random.choice(["", "", "", "\u200b", "\u200d", "\u2060", "\ufeff"])
        for char in text
    )
    assert comparable(disguised) == comparable(text)
    assert normalise_number(disguised) == normalise_number(text)


def disguise(char: str, random: Any) -> str:
    """The character as another program writes it."""
    if char == "ำ":
        return random.choice(["ำ", "\u0e4d\u0e32"])  # type: ignore[no-any-return]
    if char == "แ":
        return random.choice(["แ", "เเ"])  # type: ignore[no-any-return]
    return thai_digits(char) if char.isdecimal() and random.random() < 0.5 else char
