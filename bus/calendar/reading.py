"""Reading a calendar from its TOML file or its canonical JSON, which have one shape; every mistake is noted."""

from __future__ import annotations

import re
from datetime import date, time, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Final

from bus.calendar.model import WEEKDAYS, Calendar, Closure, Deadline, Holiday, Span
from bus.codes import load_codes
from bus.identifiers import AgencyCode
from bus.toml import Mistakes, Table, read_json, read_toml

_CODE: Final = r"[0-9]{10}"
_SPAN: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])")
_SPAN_MEANT: Final = "hours such as 08:30-12:00, the earlier first"
_DURATION: Final = re.compile(r"PT(?=[0-9])(?:([0-9]{1,4})H)?(?:([0-9]{1,4})M)?(?:([0-9]{1,4})S)?")
_DURATION_MEANT: Final = "a duration in hours, minutes and seconds, such as PT4H or PT30M"
_LONGEST_CLOSURE: Final = timedelta(days=366)


def load_calendar(path: Path) -> Calendar:
    """The calendar of a TOML file; Misconfigured with all its mistakes."""
    return _read(read_toml(path))


def from_json(raw: bytes) -> Calendar:
    """The calendar of canonical JSON; Misconfigured when it is none."""
    return _read(read_json(raw, "calendar"))


def _read(table: Table) -> Calendar:
    holidays = [_holiday(each) for each in table.tables("holiday", "date")]
    calendar = Calendar(
        version=table.positive("version"),
        hours=_hours(table.table("hours")),
        holidays=MappingProxyType({each.day: each for each in holidays}),
        closures=tuple(_closure(each) for each in table.tables("closure")),
        deadlines=MappingProxyType(_deadlines(table.table("deadline"))),
    )
    _no_day_twice(holidays, table.mistakes)
    table.close()
    table.mistakes.raise_any()
    return calendar


def _hours(table: Table) -> tuple[tuple[Span, ...], ...]:
    week = tuple(_spans(table, weekday) for weekday in WEEKDAYS)
    table.close()
    if not any(week):
        table.wrong("", "state no working time at all", 'Write, for example, monday = ["08:30-16:30"]')
    return week


def _spans(table: Table, weekday: str) -> tuple[Span, ...]:
    spans = []
    for written in table.texts(weekday, like=_SPAN.pattern, meant=_SPAN_MEANT):
        if found := _SPAN.fullmatch(written):
            hours = [int(each) for each in found.groups()]
            spans.append(Span(time(hours[0], hours[1]), time(hours[2], hours[3])))
    edges = [edge for span in spans for edge in (span.opens, span.closes)]
    if edges != sorted(set(edges)):
        table.wrong(weekday, "has hours that overlap, touch or run backwards", f"Write {_SPAN_MEANT}")
    return tuple(spans)


def _holiday(table: Table) -> Holiday:
    holiday = Holiday(
        day=table.day("date"),
        name_th=table.text("name_th", meant="the Thai name"),
        name_en=table.text("name_en", meant="the English name"),
    )
    table.close()
    return holiday


def _no_day_twice(holidays: list[Holiday], mistakes: Mistakes) -> None:
    days = [each.day for each in holidays if each.day != date.min]
    for twice in sorted({day for day in days if days.count(day) > 1}):
        mistakes.note(f"holiday[{twice}]", "stands there more than once", "Keep one of them")


def _closure(table: Table) -> Closure:
    closure = Closure(
        agencies=tuple(
            map(AgencyCode, table.texts("agencies", like=_CODE, meant="an agency's code of ten digits"))
        ),
        first=table.day("first"),
        last=table.day("last"),
        reason_th=table.text("reason_th", meant="the reason in Thai"),
        reason_en=table.text("reason_en", meant="the reason in English"),
    )
    table.close()
    if not table.values.get("agencies"):
        table.wrong("agencies", "names none", "Name the agencies; a day on which all are closed is a holiday")
    if date.min not in (closure.first, closure.last):
        if closure.last < closure.first:
            table.wrong("last", "is before the first day", "Write the later day there")
        elif closure.last - closure.first > _LONGEST_CLOSURE:
            table.wrong(
                "last", "is more than a year after the first day", "Mend the date, or suspend the agency"
            )
    return closure


def _deadlines(table: Table) -> dict[str, Deadline]:
    deadlines = {}
    speeds = load_codes().speed
    for speed, entry in table.named_tables(like="|".join(speeds), meant="a speed code of speed.toml"):
        deadlines[speed] = Deadline(
            receipt=_duration(entry, "receipt"), registration=_duration(entry, "registration")
        )
        entry.close()
    for speed in speeds.keys() - deadlines.keys():
        table.wrong(speed, "is missing", "State receipt and registration for this speed")
    return deadlines


def _duration(table: Table, name: str) -> timedelta:
    written = table.text(name, like=_DURATION.pattern, meant=_DURATION_MEANT)
    found = _DURATION.fullmatch(written)
    if found is None:
        return timedelta()
    amount = timedelta(hours=int(found[1] or 0), minutes=int(found[2] or 0), seconds=int(found[3] or 0))
    if not amount:
        table.wrong(name, "is no time at all", f"Write {_DURATION_MEANT}")
    return amount
