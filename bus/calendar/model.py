"""What the calendar holds, the due times it computes, and its canonical JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import cached_property
from typing import Any, Final

from bus.identifiers import AgencyCode
from bus.thai import BANGKOK
from bus.toml import canonical_json

WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_ONE_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """Working hours without a break, within one day."""

    opens: time
    closes: time

    def __str__(self) -> str:
        return f"{self.opens:%H:%M}-{self.closes:%H:%M}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holiday:
    """A public holiday, for every agency."""

    day: date
    name_th: str
    name_en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure:
    """Days, first and last included, on which agencies do not work although others do."""

    agencies: tuple[AgencyCode, ...]
    first: date
    last: date
    reason_th: str
    reason_en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """How long a letter of one speed may wait."""

    receipt: timedelta
    """Clock time from acceptance to the machine's receipt."""
    registration: timedelta
    """Working time from acceptance to the clerk's registration."""


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """One version of the calendar. (Without slots, for the sake of what is cached.)"""

    version: int
    hours: tuple[tuple[Span, ...], ...]
    """Seven, Monday first; ascending and without overlap."""
    holidays: Mapping[date, Holiday]
    closures: tuple[Closure, ...] = ()
    deadlines: Mapping[str, Deadline] = field(default_factory=dict)
    """By speed code."""

    def receipt_due(self, speed: str, start: datetime) -> datetime:
        """By when the machine's receipt is due, in Thailand's time; KeyError for an unknown speed."""
        return start.astimezone(BANGKOK) + self.deadlines[speed].receipt

    def registration_due(self, speed: str, start: datetime, agency: AgencyCode | None) -> datetime:
        """By when the agency's clerk has to register, in Thailand's time; KeyError for an unknown speed.

        Without an agency, its closures are left out: the time that holds for everyone else.
        """
        return self.after_working(self.deadlines[speed].registration, start, agency)

    def closes(self, agency: AgencyCode) -> bool:
        """Whether it has closures of this agency: only then may the agency's due times be others than everybody's."""
        return agency in self._closures_of

    def after_working(self, amount: timedelta, start: datetime, agency: AgencyCode | None) -> datetime:
        """The moment at which the agency has worked for `amount`, counted from `start`.

        Work that ends with the day's hours is due then, and not at the opening of the next working day.
        """
        start = start.astimezone(BANGKOK)
        for opens, closes in self._working(start.date(), agency):
            begins = max(opens, start)
            if closes <= begins:
                continue
            if amount <= closes - begins:
                return begins + amount
            amount -= closes - begins
        raise AssertionError("working hours do not end")  # pragma: no cover

    @cached_property
    def half_day(self) -> timedelta:
        """Half of the working time of the longest day of the week: a mailbox is to be looked at twice a day."""
        return max(sum(map(_length, day), timedelta()) for day in self.hours) / 2

    def _working(self, day: date, agency: AgencyCode | None) -> Iterator[tuple[datetime, datetime]]:
        while True:
            if not self._is_free(day, agency):
                for span in self.hours[day.weekday()]:
                    yield (
                        datetime.combine(day, span.opens, BANGKOK),
                        datetime.combine(day, span.closes, BANGKOK),
                    )
            day += _ONE_DAY

    def _is_free(self, day: date, agency: AgencyCode | None) -> bool:
        closures = self._closures_of.get(agency, ()) if agency else ()
        return day in self.holidays or any(each.first <= day <= each.last for each in closures)

    @cached_property
    def _closures_of(self) -> Mapping[AgencyCode, tuple[Closure, ...]]:
        found: dict[AgencyCode, tuple[Closure, ...]] = {}
        for closure in self.closures:
            for agency in closure.agencies:
                found[agency] = (*found.get(agency, ()), closure)
        return found


def _length(span: Span) -> timedelta:
    return datetime.combine(date.min, span.closes) - datetime.combine(date.min, span.opens)


def to_json(calendar: Calendar) -> bytes:
    """The canonical JSON of a calendar, as the ledger keeps it."""
    return canonical_json(
        {
            "version": calendar.version,
            "hours": dict(
                zip(WEEKDAYS, ([str(span) for span in day] for day in calendar.hours), strict=True)
            ),
            "holiday": [
                {"date": each.day, "name_th": each.name_th, "name_en": each.name_en}
                for _, each in sorted(calendar.holidays.items())
            ],
            "closure": [_closure_out(each) for each in calendar.closures],
            "deadline": {
                speed: {"receipt": _iso(each.receipt), "registration": _iso(each.registration)}
                for speed, each in calendar.deadlines.items()
            },
        }
    )


def _iso(amount: timedelta) -> str:
    minutes, seconds = divmod(amount // timedelta(seconds=1), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "H"), (minutes, "M"), (seconds, "S"))
    return "PT" + "".join(f"{count}{unit}" for count, unit in parts if count)


def _closure_out(closure: Closure) -> dict[str, Any]:
    return {
        "agencies": closure.agencies,
        "first": closure.first,
        "last": closure.last,
        "reason_th": closure.reason_th,
        "reason_en": closure.reason_en,
    }
