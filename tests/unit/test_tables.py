"""Tables: identifiers stay whole at every width, foreign text moves nothing, a pipe gets plain wide lines."""

from __future__ import annotations

import sys
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from adapters.cli.speaking import bilingual, say
from bus.tables import print_table

COLUMNS = ["entry", "number", "dated", "from", "subject", "LetterID", "recipients"]
SUBJECT = "ขอเชิญประชุมคณะกรรมการขับเคลื่อนระบบสารบรรณอิเล็กทรอนิกส์ ครั้งที่ 3/2569"


def row(letter: str, subject: str = SUBJECT) -> list[object]:
    return [123456, "นร 0105/ว 165", "2026-11-26", "0100100000", subject, letter, "consigned 2, delivered 5"]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Standard output is a terminal of so many columns."""

    def of(width: int) -> None:
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")

    return of


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(letter=some.uuids().map(str), width=some.integers(38, 240))
def test_a_letter_id_is_never_folded_on_a_terminal(
    letter: str, width: int, terminal: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal(width)
    print_table("1 letters", COLUMNS, [row(letter)])
    said = capsys.readouterr().out
    assert letter in said
    assert "0100100000" in said


def test_a_hash_that_fits_no_column_stands_on_a_line_of_its_own(
    terminal: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal(80)
    sha256 = "0123456789abcdef" * 4
    print_table(
        "1 parked", ["entry", "since", "agency", "SHA-256 of the submission"], [[7, "x", None, sha256]]
    )
    lines = capsys.readouterr().out.splitlines()
    assert any(sha256 in line for line in lines)


def test_what_is_no_terminal_gets_plain_wide_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    assert not sys.stdout.isatty()
    letter = str(UUID(int=7))
    print_table("2 letters", COLUMNS, [row(letter, SUBJECT * 5), row(letter)])
    title, head, first, second = capsys.readouterr().out.splitlines()
    assert title == "2 letters"
    assert head.split() == COLUMNS
    assert SUBJECT * 5 in first
    assert letter in first
    assert letter in second
    assert first.split().index("0100100000") == second.split().index("0100100000")


def test_what_stands_in_a_cell_is_data_and_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("x", ["subject"], [["แผน [/ฉบับแก้ไข] [link=https://x]a\x1b[2J\nb"]])
    said = capsys.readouterr().out
    assert "แผน [/ฉบับแก้ไข] [link=https://x]a\\x1b[2J\\nb" in said


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_an_adapters_account_breaks_no_identifier_on_a_terminal(
    width: int, terminal: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal(width)
    sha256 = "cd" * 32
    account = {"letter": {"states": [{"agency": "0100100000", "id": str(UUID(int=3)), "subject": SUBJECT}]}}
    say(False, None, bilingual({"quarantine": [{"submission": sha256, "why": SUBJECT}], **account}))
    said = capsys.readouterr().out
    assert sha256 in said
    assert str(UUID(int=3)) in said
    assert "0100100000" in said


def test_an_adapters_account_is_not_folded_where_it_is_read_by_a_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    sha256 = "ab" * 32
    say(False, None, bilingual({"quarantine": [{"id": str(UUID(int=1)), "submission": sha256}]}))
    said = capsys.readouterr().out
    assert sha256 in said
    assert str(UUID(int=1)) in said
