"""Lists on the screen and in spreadsheets: what stands in a cell is text, whatever somebody wrote."""

from __future__ import annotations

import csv
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from bus.cli.output import listed
from bus.pages.columns import About, Column, as_csv, pairs
from bus.text import printable

COLUMNS = [Column("count", "count", "จำนวน", plain=True), Column("text", "text", "ข้อความ")]
HARMFUL = re.compile(r"[\s\u200b\u200c\u200d\u00ad]*[=+\-@|%＝＋－＠]")
NUMERIC = re.compile(r"\s*[0-9๐-๙][0-9๐-๙.,:/\- ]*")


def parsed(data: bytes) -> tuple[list[list[str]], dict[str, str]]:
    lines = list(csv.reader(data.decode("utf-8-sig").splitlines()))
    return lines[: lines.index([])], dict(lines[lines.index([]) + 1 :])


@given(st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"])), max_size=5))
@example(["=1+1", "@SUM(A1)", "-1", "\t=1", "\u200b=1", "＝1", "|calc", "a\r\n=1", "\x1b[2J"])
@example(["0100500000", "007", "1/2569", "๑๒๓", "1-2", "1e5", "12:30", "5 ม.ค. 69", "MAR 1", "(5)", " 7 "])
@example(["นร 0505/165", "", "ว 1", "กระทรวง =1"])
def test_a_cell_is_neither_formula_nor_number_and_says_what_was_written(texts: list[str]) -> None:
    data = as_csv(COLUMNS, ({"count": 3, "text": text} for text in texts), About())
    assert data.startswith(b"\xef\xbb\xbf")
    (heading, *rows), below = parsed(data)
    assert heading == ["จำนวน (count)", "ข้อความ (text)"], "headings come first"
    cells = [row[1] for row in rows]
    assert [cell.removeprefix("'") for cell in cells] == [printable(text).removeprefix("'") for text in texts]
    assert not any(HARMFUL.match(cell) or NUMERIC.fullmatch(cell) for cell in cells)
    assert {row[0] for row in rows} <= {"3"}, "a count stays a number"
    told = sum(int(value) for name, value in below.items() if name.startswith("# เติม"))
    assert told == sum(cell != printable(text) for cell, text in zip(cells, texts, strict=True))
    assert below["# จำนวนแถว (rows)"] == str(len(texts))


def test_an_export_says_below_its_rows_what_was_asked_and_of_which_ledger() -> None:
    data = as_csv(COLUMNS, [{"count": 1, "text": "=1"}], About({"sender": "0100500000"}, {"entries": 7}))
    _, below = parsed(data)
    assert below["# คำถาม (query)"] == '{"sender": "0100500000"}'
    assert below["# สถานะบัญชี (ledger head)"] == '{"entries": 7}'
    assert below["# เติม ' นำหน้าไม่ให้เป็นสูตร (defused formulas)"] == "1"


@given(
    st.lists(st.text(min_size=1, max_size=90), min_size=1, max_size=4), st.sampled_from(["40", "80", "200"])
)
def test_on_the_screen_every_value_stands_whole_on_one_line(texts: list[str], width: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", width)
        said: list[str] = []
        patch.setattr("sys.stdout.write", said.append)
        listed("a list", COLUMNS, ({"count": 3, "text": text} for text in texts))
    lines = "".join(said).split("\n")
    assert lines[0] == "a list"
    for text in texts:
        assert any(line.endswith(printable(text).rstrip()) for line in lines)


def test_a_table_is_aligned_under_thai_and_becomes_blocks_where_it_would_not_fit(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"count": 1, "text": "น้ำท่วม"}, {"count": 200, "text": "x" * 36}]
    monkeypatch.setenv("COLUMNS", "80")
    listed("two", COLUMNS, rows)
    _, _, heading, rule, first, second = capsys.readouterr().out.splitlines()
    assert (heading, first, second) == ("count  text", "1      น้ำท่วม", "200    " + "x" * 36)
    assert cell_len(rule) == cell_len(second)
    monkeypatch.setenv("COLUMNS", "40")
    listed("two", COLUMNS, rows)
    assert capsys.readouterr().out.splitlines()[2:] == [
        "count  1",
        "text   น้ำท่วม",
        "",
        "count  200",
        "text   " + "x" * 36,
    ]
    listed("none", COLUMNS, [], none="nothing at all")
    assert capsys.readouterr().out.splitlines() == ["none", "", "nothing at all"]


def test_what_was_asked_is_said_in_words() -> None:
    assert pairs({"sender": "0100500000", "words": ["งบ", "ปี"]}) == "sender 0100500000 · words งบ, ปี"
