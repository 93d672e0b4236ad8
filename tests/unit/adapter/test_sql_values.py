"""What an office's columns hold: code pages, dates of either era, room; told whole or not at all."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from adapters.connectors.sql.codes import CodeMaps
from adapters.connectors.sql.values import Room, Unfit, Writing
from adapters.mailbox.conditions import Condition, ConditionCode
from bus.thai import BANGKOK, parse_date

DATES = ("iso", "buddhist", "slashed", "thai")
days = some.dates(min_value=date(1941, 1, 1), max_value=date(2400, 12, 31))
tis = some.text(some.sampled_from([*map(chr, range(0x20, 0x7F)), *map(chr, range(0xE01, 0xE3B)), "฿", "๙"]))
COLUMN = Room("inbox.subject")


@given(day=days, dates=some.sampled_from(DATES))
def test_a_date_that_was_written_is_read_as_the_same_day(day: date, dates: str) -> None:
    writing = Writing(dates=dates)
    stored = writing.put_day(day, COLUMN)
    assert isinstance(stored, str)
    assert parse_date(writing.day(stored) or "") == day


@given(day=days, dates=some.sampled_from(DATES))
def test_a_date_in_a_column_of_that_type_is_the_same_day_or_said_to_be_unfit(day: date, dates: str) -> None:
    writing, room = Writing(dates=dates), Room("inbox.date", native="date")
    try:
        stored = writing.put_day(day, room)
    except Unfit:
        assert (dates, day.month, day.day) == ("buddhist", 2, 29)
        return
    assert parse_date(writing.day(stored) or "") == day


@given(
    moment=some.datetimes(min_value=datetime(1941, 1, 2), max_value=datetime(2400, 12, 30)),
    dates=some.sampled_from(DATES),
    hours=some.integers(-12, 12),
)
def test_a_moment_that_was_written_is_read_as_the_same_moment(
    moment: datetime, dates: str, hours: int
) -> None:
    at = moment.replace(microsecond=0, tzinfo=BANGKOK) + timedelta(hours=hours)
    writing = Writing(dates=dates)
    read = datetime.fromisoformat(writing.moment(writing.put_moment(at, COLUMN)) or "")
    assert (read if read.tzinfo else read.replace(tzinfo=BANGKOK)) == at


@pytest.mark.parametrize("dates", DATES)
@pytest.mark.parametrize(
    "text", ["22/11/2569", "๒๒/๑๑/๒๕๖๙", "22 พฤศจิกายน 2569", "๒๒ พ.ย. ๒๕๖๙", "วันที่ 22 พฤศจิกายน พ.ศ. 2569"]
)
def test_every_thai_form_is_understood_whatever_is_set(dates: str, text: str) -> None:
    assert parse_date(Writing(dates=dates).day(text) or "") == date(2026, 11, 22)


@pytest.mark.parametrize(("dates", "text"), [("iso", "2569-11-22"), ("buddhist", "2026-11-22")])
def test_a_year_of_the_other_era_is_a_mistake_and_not_guessed(dates: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"year|write"):
        parse_date(Writing(dates=dates).day(text) or "")


@given(
    text=tis,
    page=some.sampled_from(["tis-620", "windows-874"]),
    how=some.sampled_from(["latin-1", "bytes", "text"]),
)
def test_thai_text_comes_back_from_a_column_of_its_code_page(text: str, page: str, how: str) -> None:
    writing = Writing(code_page=page, stored_as=how)
    stored = writing.put_text(text, COLUMN)
    assert writing.text(stored) == (text.strip() or None)
    if how == "latin-1":
        assert isinstance(stored, str)
        assert stored.encode("latin-1") == text.encode("tis-620")
    # MariaDB's latin1 is Windows-1252, which shows some bytes as other characters.
    if how == "latin-1" and page == "windows-874":
        assert writing.text("“ก”".encode("cp874").decode("cp1252")) == "“ก”"


@given(text=some.text(), page=some.sampled_from(["tis-620", "windows-874"]))
def test_what_a_code_page_lacks_is_said_and_never_replaced(text: str, page: str) -> None:
    writing, codec = Writing(code_page=page, stored_as="bytes"), "tis-620" if page == "tis-620" else "cp874"
    if text.encode(codec, "ignore").decode(codec) == text:
        assert writing.put_text(text, COLUMN) == text.encode(codec)
        return
    with pytest.raises(Unfit, match=r"inbox\.subject cannot hold the character U\+") as found:
        writing.put_text(text, COLUMN)
    assert "inbox.subject" in found.value.th


@given(text=some.text(some.characters(exclude_categories=["Cs"])), size=some.integers(1, 30))
def test_a_text_fits_a_column_whole_or_is_said_not_to(text: str, size: int) -> None:
    rooms = {
        len(text): Room("c", size),
        len(text.encode()): Room("c", size, "bytes"),
        len(text.encode("utf-16-le")) // 2: Room("c", size, "UTF-16 units"),
    }
    for needed, room in rooms.items():
        if needed <= size:
            assert Writing().put_text(text, room) == text
        else:
            with pytest.raises(Unfit, match=f"holds {size} {room.unit}, {needed} are needed"):
                Writing().put_text(text, room)


def test_a_column_of_sql_server_that_is_not_unicode_takes_only_what_it_can_hold() -> None:
    room = Room("c", 100, page="windows-874")
    assert Writing().put_text("หนังสือ", room) == "หนังสือ"
    with pytest.raises(Unfit, match=r"U\+1F600"):
        Writing().put_text("😀", room)


# ── codes ───────────────────────────────────────────────────────────────────────────────────────────

codes = some.dictionaries(some.text(min_size=1, max_size=5), some.text(min_size=1, max_size=5), max_size=6)


@given(mapped=codes, value=some.text(min_size=1, max_size=5))
def test_a_code_is_mapped_or_its_default_stands_for_it_with_an_alarm(
    mapped: dict[str, str], value: str
) -> None:
    maps = CodeMaps({"speed": mapped}, {"speed_out": "001", "speed_in": "ปกติ"})
    assert maps.outward("speed", value) == (mapped.get(value, "001") if mapped else value)
    known = {code: office for office, code in reversed(mapped.items())}
    assert maps.inward("speed", value) == known.get(value, "ปกติ")
    assert len(maps.findings("out")) == bool(mapped and value not in mapped)
    assert len(maps.findings("in")) == (value not in known)


def test_without_a_map_codes_are_as_they_are() -> None:
    maps = CodeMaps({}, {})
    assert (maps.outward("speed", "ด่วน"), maps.inward("speed", "002")) == ("ด่วน", "002")
    assert maps.findings("out") == maps.findings("in") == []


def test_the_bus_s_own_codes_and_groups_pass_a_map_of_agencies() -> None:
    maps = CodeMaps({"agencies": {"01": "0100100000"}}, {})
    for code in ("0200100000", "group:ministries", "topic:announcements"):
        assert maps.outward("agencies", code) == code
    assert maps.findings("out") == []
    assert maps.outward("agencies", "02") == "02"
    assert [each.about for each in maps.findings("out")] == ["agencies_out: 02"]


def test_an_alarm_lasts_over_a_restart_until_the_code_is_mapped() -> None:
    mapped = {"agencies": {"01": "0100100000"}}
    first = CodeMaps(mapped, {})
    first.outward("agencies", "02")
    first.inward("agencies", "0200100000")
    lasting = [Condition(each, "now") for way in ("out", "in") for each in first.findings(way)]
    assert {each.finding.code for each in lasting} == {ConditionCode.SQL_UNMAPPED}
    again = CodeMaps(mapped, {}, lasting)
    assert again.findings("out") + again.findings("in") == [each.finding for each in lasting]
    mapped["agencies"] |= {"02": "0200100000"}
    assert CodeMaps(mapped, {}, lasting).findings("out") == []
    assert CodeMaps(mapped, {}, lasting).findings("in") == []
