"""The calendar: due times in clock time and in working time, and what its file may say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus import assets
from bus.calendar import Calendar, Closure, Deadline, Holiday, Span, from_json, load_calendar, to_json
from bus.codes import load_codes
from bus.errors import Misconfigured
from bus.identifiers import AgencyCode
from bus.thai import BANGKOK

ETDA, DGA = AgencyCode("1100700000"), AgencyCode("1100800000")
MINUTE = timedelta(minutes=1)
MONDAY = date(2026, 11, 16)


@pytest.fixture(scope="module")
def shipped() -> Calendar:
    return load_calendar(assets.path("config/calendar.toml"))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BANGKOK)


# ── the shipped example ─────────────────────────────────────────────────────────────────────────────


def test_every_speed_has_its_deadlines_and_the_more_urgent_is_never_later(shipped: Calendar) -> None:
    speeds = list(load_codes().speed)
    assert sorted(shipped.deadlines) == speeds
    for slower, faster in pairwise(speeds):
        assert shipped.deadlines[faster].receipt < shipped.deadlines[slower].receipt
        assert shipped.deadlines[faster].registration < shipped.deadlines[slower].registration


def test_the_shipped_holidays_are_of_2569_and_2570(shipped: Calendar) -> None:
    assert {day.year for day in shipped.holidays} == {2026, 2027}
    assert shipped.holidays[date(2026, 10, 23)].name_th == "วันปิยมหาราช"


@pytest.mark.parametrize(
    ("speed", "start", "due"),
    [
        ("001", "2026-11-16T09:00", "2026-11-18T09:00"),  # sixteen hours are two working days
        ("002", "2026-11-16T08:30", "2026-11-16T16:30"),  # to the end of the day, not to the next morning
        ("002", "2026-11-16T08:31", "2026-11-17T08:31"),
        ("003", "2026-11-20T15:30", "2026-11-23T11:30"),  # over a weekend
        ("004", "2026-11-21T12:00", "2026-11-23T10:30"),  # accepted on a Saturday
        ("004", "2026-12-04T15:30", "2026-12-08T09:30"),  # over วันพ่อแห่งชาติ and its substitute
        ("004", "2026-11-16T16:30", "2026-11-17T10:30"),  # accepted as the office closes
    ],
)
def test_a_registration_is_due_in_working_time(shipped: Calendar, speed: str, start: str, due: str) -> None:
    assert shipped.registration_due(speed, at(start), ETDA) == at(due)


def test_a_receipt_is_due_in_clock_time_day_and_night(shipped: Calendar) -> None:
    assert shipped.receipt_due("001", at("2026-11-21T23:00")) == at("2026-11-22T03:00")
    assert shipped.receipt_due("004", at("2026-11-21T23:45")) == at("2026-11-22T00:15")


def test_due_times_are_thailands_wherever_the_clock_stands(shipped: Calendar) -> None:
    start = datetime(2026, 11, 16, 2, 0, tzinfo=UTC)  # 09:00 in Thailand
    for due in (shipped.registration_due("003", start, ETDA), shipped.receipt_due("003", start)):
        assert due.utcoffset() == timedelta(hours=7)
    assert shipped.registration_due("003", start, ETDA) == at("2026-11-16T13:00")


def test_an_unknown_speed_has_no_due_time(shipped: Calendar) -> None:
    with pytest.raises(KeyError):
        shipped.receipt_due("009", at("2026-11-16T09:00"))


# ── working time ────────────────────────────────────────────────────────────────────────────────────


def _calendar(
    week: tuple[tuple[Span, ...], ...], holidays: frozenset[date] = frozenset(), *closures: Closure
) -> Calendar:
    named = {day: Holiday(day=day, name_th="วันหยุด", name_en="Holiday") for day in holidays}
    deadline = Deadline(receipt=timedelta(hours=1), registration=timedelta(hours=8))
    return Calendar(version=1, hours=week, holidays=named, closures=closures, deadlines={"001": deadline})


def _closure(agency: AgencyCode, first: date, last: date) -> Closure:
    return Closure(agencies=(agency,), first=first, last=last, reason_th="ย้าย", reason_en="Moving")


WITH_LUNCH = (*((Span(time(8, 30), time(12)), Span(time(13), time(16, 30))),) * 5, (), ())


def test_lunch_is_no_working_time() -> None:
    calendar = _calendar(WITH_LUNCH)
    assert calendar.after_working(timedelta(hours=1), at("2026-11-16T11:30"), ETDA) == at("2026-11-16T13:30")
    assert calendar.after_working(timedelta(minutes=30), at("2026-11-16T11:30"), ETDA) == at(
        "2026-11-16T12:00"
    )


def test_a_closure_stops_the_time_of_its_agency_only() -> None:
    calendar = _calendar(WITH_LUNCH, frozenset(), _closure(ETDA, date(2026, 11, 17), date(2026, 11, 18)))
    start = at("2026-11-16T16:00")
    assert calendar.registration_due("001", start, ETDA) == at("2026-11-20T09:00")
    assert calendar.registration_due("001", start, DGA) == at("2026-11-18T09:00")
    assert calendar.registration_due("001", start, None) == at("2026-11-18T09:00")


@st.composite
def _days(draw: st.DrawFn) -> tuple[Span, ...]:
    edges = sorted(draw(st.sets(st.integers(0, 95), max_size=4)))
    pairs = zip(edges[::2], edges[1::2], strict=False)
    return tuple(Span(time(a // 4, a % 4 * 15), time(b // 4, b % 4 * 15)) for a, b in pairs)


@st.composite
def _calendars(draw: st.DrawFn) -> Calendar:
    week = draw(st.tuples(*[_days()] * 7).filter(any))
    near = st.integers(0, 10).map(lambda days: MONDAY + timedelta(days=days))
    first, last = sorted([draw(near), draw(near)])
    return _calendar(week, frozenset(draw(st.sets(near, max_size=4))), _closure(ETDA, first, last))


def _stepped(calendar: Calendar, amount: int, start: datetime, agency: AgencyCode) -> datetime:
    """The same by counting minutes: the end of the minute with which the amount is complete."""
    moment = start
    while amount:
        day = moment.date()
        closed = any(agency in each.agencies and each.first <= day <= each.last for each in calendar.closures)
        working = any(span.opens <= moment.time() < span.closes for span in calendar.hours[day.weekday()])
        amount -= working and day not in calendar.holidays and not closed
        moment += MINUTE
    return moment


@given(
    calendar=_calendars(),
    amount=st.integers(1, 20 * 60),
    offset=st.integers(0, 10 * 24 * 60),
    agency=st.sampled_from([ETDA, DGA]),
)
def test_working_time_is_what_counting_minutes_finds(
    calendar: Calendar, amount: int, offset: int, agency: AgencyCode
) -> None:
    start = datetime.combine(MONDAY, time(), BANGKOK) + offset * MINUTE
    week = sum(
        (datetime.combine(MONDAY, span.closes) - datetime.combine(MONDAY, span.opens)) // MINUTE
        for spans in calendar.hours
        for span in spans
    )
    amount = min(amount, 2 * week)  # else the naive count would take for ever
    assert calendar.after_working(amount * MINUTE, start, agency) == _stepped(calendar, amount, start, agency)


@given(
    calendar=_calendars(),
    one=st.timedeltas(timedelta(seconds=1), timedelta(hours=20)),
    other=st.timedeltas(timedelta(seconds=1), timedelta(hours=20)),
)
def test_working_time_adds_up(calendar: Calendar, one: timedelta, other: timedelta) -> None:
    start = datetime.combine(MONDAY, time(7, 13, 5, 17), BANGKOK)
    halfway = calendar.after_working(one, start, ETDA)
    assert calendar.after_working(other, halfway, ETDA) == calendar.after_working(one + other, start, ETDA)


# ── canonical JSON ──────────────────────────────────────────────────────────────────────────────────


def test_canonical_json_carries_the_whole_calendar(shipped: Calendar, load: Loading) -> None:
    closed = shipped_text() + (
        f'[[closure]]\nagencies = ["{ETDA}", "{DGA}"]\nfirst = 2027-01-04\nlast = 2027-01-05\n'
        'reason_th = "ย้ายสถานที่"\nreason_en = "Moving"\n'
    )
    for calendar in (shipped, load(closed.replace('"PT16H"', '"PT1H30M"'))):
        raw = to_json(calendar)
        assert from_json(raw) == calendar
        assert to_json(from_json(raw)) == raw
    assert to_json(load(closed)) != to_json(shipped)


def test_json_that_is_no_calendar_is_refused() -> None:
    with pytest.raises(Misconfigured):
        from_json(b'{"version":1}')


# ── mistakes ────────────────────────────────────────────────────────────────────────────────────────

Loading = Callable[[str], Calendar]


def shipped_text() -> str:
    return assets.path("config/calendar.toml").read_text(encoding="utf-8")


@pytest.fixture
def load(tmp_path: Path) -> Loading:
    def loaded(text: str) -> Calendar:
        path = tmp_path / "calendar.toml"
        path.write_text(text, encoding="utf-8")
        return load_calendar(path)

    return loaded


def test_all_mistakes_of_a_file_are_told_at_once(load: Loading) -> None:
    with pytest.raises(Misconfigured) as caught:
        load("""
version = "1"
[hours]
monday = ["08:30-16:30", "12:00-13:00"]
tuesday = ["16:30-08:30"]
wednesday = ["8:30-16:30"]
thrusday = ["08:30-16:30"]
[deadline.001]
receipt = "PT0H"
registration = "PT"
[deadline.002]
receipt = "P1D"
registration = 16
[deadline.004]
receipt = "PT30M"
[deadline.005]
receipt = "PT1H"
registration = "PT1H"
[[holiday]]
date = 2569-01-01
name_th = "วันขึ้นปีใหม่"
name_en = "New Year"
[[holiday]]
date = 2027-01-01
name_th = "วันขึ้นปีใหม่"
name_en = "New Year"
[[holiday]]
date = 2027-01-01
name_th = "วันขึ้นปีใหม่"
[[closure]]
agencies = []
first = 2027-01-05
last = 2027-01-04
reason_th = "ย้าย"
reason_en = "Moving"
[[closure]]
agencies = ["ETDA"]
first = 2027-01-05T00:00:00+07:00
last = 2027-01-06
reason_th = "ย้าย"
reason_en = "Moving"
[[closure]]
agencies = ["1100700000"]
first = 2027-01-05
last = 2072-01-06
reason_th = "ย้าย"
reason_en = "Moving"
""")
    problems = caught.value.problems
    assert {each.key for each in problems} == {
        "version",
        "hours.monday",
        "hours.tuesday",
        "hours.wednesday[1]",
        "hours.thrusday",
        "deadline.001.receipt",
        "deadline.001.registration",
        "deadline.002.receipt",
        "deadline.002.registration",
        "deadline.003",
        "deadline.004.registration",
        "deadline.005",
        "holiday[2569-01-01].date",
        "holiday[2027-01-01]",
        "holiday[2027-01-01].name_en",
        "closure[1].agencies",
        "closure[1].last",
        "closure[2].agencies[1]",
        "closure[2].first",
        "closure[3].last",
    }
    fixes = {each.key: each.fix for each in problems}
    assert all(fixes.values())
    assert fixes["hours.thrusday"] == "Write thursday"


def test_a_week_without_any_work_is_a_mistake(load: Loading) -> None:
    with pytest.raises(Misconfigured, match="no working time at all"):
        load(shipped_text().replace('["08:30-16:30"]', "[]"))
