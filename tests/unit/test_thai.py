"""Thai dates, digits and letter numbers."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.thai import (
    BANGKOK,
    arabic_digits,
    normalise_number,
    now,
    parse_date,
    thai_date,
    thai_datetime,
    to_buddhist,
    to_gregorian,
)
from tests.assets.thai import thai_digits

DATES = st.dates(min_value=date(1941, 1, 1), max_value=date(2400, 12, 31))
NUMBERS = st.text(alphabet="นรดศว() ๐๑๒๙0159./\u200b\u00a0\t", max_size=30)


@pytest.mark.parametrize(
    "written",
    [
        "22 พฤศจิกายน 2569",
        "๒๒ พฤศจิกายน ๒๕๖๙",
        "22 พ.ย. 2569",
        "22 พย 2569",
        "22 พ.ย.2569",
        "วันที่ 22 พฤศจิกายน พ.ศ. 2569",
        "๒๒ พ.ย. พ.ศ. ๒๕๖๙",
        "22/11/2569",
        "๒๒/๑๑/๒๕๖๙",
        " 22\u00a0พฤศจิกายน\u200b  2569 ",
        "2026-11-22",
    ],
)
def test_every_way_to_write_a_date_is_the_same_date(written: str) -> None:
    assert parse_date(written) == date(2026, 11, 22)


@pytest.mark.parametrize(
    "written",
    [
        "2569-11-22",  # a Buddhist year in the Gregorian form
        "22/11/2026",  # a Gregorian year in the Buddhist form
        "22 พฤศจิกายน 2026",
        "31 ธันวาคม 2483",  # the last year that did not begin in January
        "1940-12-31",
        "22/11/69",
        "30/2/2569",
        "2026-02-30",
        "22 พฤศจิกา 2569",
        "22 November 2569",
        "2026-11-22T08:30",
        "",
        "0/0/2569",
    ],
)
def test_what_is_no_sure_date_is_refused(written: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - datetime's own messages are as good as ours
        parse_date(written)


@given(DATES)
def test_a_shown_date_is_read_back(day: date) -> None:
    assert parse_date(thai_date(day)) == day
    assert parse_date(thai_digits(thai_date(day))) == day
    assert parse_date(day.isoformat()) == day


@given(st.integers(1941, 2400))
def test_years_go_there_and_back(year: int) -> None:
    assert to_gregorian(to_buddhist(year)) == year


@pytest.mark.parametrize("year", [1940, 2401, 2569])
def test_a_year_that_is_not_gregorian_has_no_buddhist_one(year: int) -> None:
    with pytest.raises(ValueError, match=str(year)):
        to_buddhist(year)


def test_a_moment_is_shown_as_thailands_day() -> None:
    late = datetime(2026, 12, 31, 17, 30, tzinfo=UTC)
    assert thai_date(late) == "1 มกราคม 2570"
    assert thai_datetime(late) == "1 มกราคม 2570 00:30 น."
    assert thai_digits(thai_datetime(late)) == "๑ มกราคม ๒๕๗๐ ๐๐:๓๐ น."


def test_a_moment_without_a_zone_is_nobodys_time() -> None:
    with pytest.raises(ValueError, match="time zone"):
        thai_date(datetime(2026, 11, 22))


def test_an_old_date_is_shown_with_a_marked_gregorian_year() -> None:
    assert thai_date(date(1932, 6, 24)) == "24 มิถุนายน ค.ศ. 1932"


def test_now_is_in_thailands_time() -> None:
    moment = now()
    assert moment.tzinfo is BANGKOK
    assert abs(moment - datetime.now(UTC)) < timedelta(seconds=5)


@pytest.mark.parametrize(
    ("displayed", "normalised"),
    [
        ("นร 0505/ว 165", "นร 0505/ว 165"),
        ("อก 0905/0007", "อก 0905/0007"),
        ("ดศ (สพธอ) ๕๑๑.๐๕/ ๑๒๓๔", "ดศ (สพธอ) 511.05/1234"),
        ("  นร   ๐๕๐๕ /  ว ๑๖๕ ", "นร 0505/ว 165"),
        ("นร\u00a00505\u200b/ว\t165", "นร 0505/ว 165"),
        ("", ""),
    ],
)
def test_a_number_has_one_form_to_be_found_by(displayed: str, normalised: str) -> None:
    assert normalise_number(displayed) == normalised


@given(NUMBERS)
def test_normalising_twice_changes_nothing_more(number: str) -> None:
    once = normalise_number(number)
    assert normalise_number(once) == once
    assert normalise_number(thai_digits(number)) == once
    assert arabic_digits(once) == once
