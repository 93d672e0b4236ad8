"""Tables: identifiers stay whole at every width, foreign text moves nothing, a pipe gets plain wide lines."""

from __future__ import annotations

import sys
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from rich.cells import cell_len
from rich.text import Text

from adapters.cli.tables import account, listing
from bus.cli.output import listed
from bus.pages.columns import Column

SUBJECT = "ขอเชิญประชุมคณะกรรมการขับเคลื่อนระบบสารบรรณอิเล็กทรอนิกส์ ครั้งที่ 3/2569"
COLUMNS = [
    Column(name, name, name) for name in ("entry", "number", "sender", "subject", "LetterID", "SHA-256")
]
HEADINGS = ("Number", "Date", "Id", "Subject", "State")


def row(letter: str, sha256: str = "") -> dict[str, object]:
    given = {"entry": 123456, "number": "นร 0105/ว 165", "sender": "0100100000"}
    return given | {"subject": SUBJECT, "LetterID": letter, "SHA-256": sha256 or None}


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Standard output is a terminal of so many columns."""

    def of(width: int) -> None:
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")

    return of


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(letter=some.uuids().map(str), width=some.integers(20, 240))
def test_a_letter_id_is_never_folded_on_a_terminal(
    letter: str, width: int, terminal: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal(width)
    sha256 = "0123456789abcdef" * 4
    listed("1 letters", COLUMNS, [row(letter, sha256)])
    said = capsys.readouterr().out
    for identifier in (letter, sha256, "0100100000"):
        assert identifier in said


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(letter=some.uuids().map(str), width=some.integers(80, 240))
def test_an_adapters_list_fits_a_terminal_and_folds_no_identifier(
    letter: str, width: int, terminal: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal(width)
    day = "26 พฤศจิกายน 2569\n2026-11-26"
    listing("Outbox", HEADINGS, [("นร 0105/ว 165", day, letter, SUBJECT * 3, "accepted")])
    said = capsys.readouterr().out
    assert letter in said
    assert "2026-11-26" in said
    assert max(cell_len(Text.from_ansi(line).plain) for line in said.splitlines()) <= width


def test_an_adapters_list_is_not_folded_where_it_is_read_by_a_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    assert not sys.stdout.isatty()
    letter = str(UUID(int=7))
    listing("Outbox", HEADINGS, [("นร 1/1", "2026-11-26", letter, SUBJECT * 5, "accepted")])
    said = capsys.readouterr().out
    assert letter in said
    assert SUBJECT * 5 in said


def test_what_stands_in_a_cell_is_data_and_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    listing("x", ["subject"], [["แผน [/ฉบับแก้ไข] [link=https://x]a\x1b[2J"]])
    assert "แผน [/ฉบับแก้ไข] [link=https://x]a\\x1b[2J" in capsys.readouterr().out


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_an_adapters_account_breaks_no_identifier_on_a_terminal(
    width: int, terminal: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal(width)
    sha256 = "cd" * 32
    letter = {"letter": {"states": [{"agency": "0100100000", "id": str(UUID(int=3)), "subject": SUBJECT}]}}
    account({"quarantine": [{"submission": sha256, "why": SUBJECT}], **letter})
    said = capsys.readouterr().out
    assert sha256 in said
    assert str(UUID(int=3)) in said
    assert "0100100000" in said


def test_an_adapters_account_is_not_folded_where_it_is_read_by_a_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    sha256 = "ab" * 32
    account({"quarantine": [{"id": str(UUID(int=1)), "submission": sha256}]})
    said = capsys.readouterr().out
    assert sha256 in said
    assert str(UUID(int=1)) in said
