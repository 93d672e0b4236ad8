"""From what an office's columns hold to what a letter says, and back: code pages, dates of either era, room.

Nothing is replaced or cut: what a column cannot hold is Unfit, which names the column.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Literal

from bus.errors import BusError
from bus.thai import BANGKOK, BUDDHIST_OFFSET, LAST_GREGORIAN_YEAR, arabic_digits, parse_date, thai_date

Unit = Literal["characters", "bytes", "UTF-16 units"]
_ISO: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_MOMENT: Final = re.compile(r"(.+?)[ T]+([0-9]{1,2})[:.]([0-9]{2})((?::[0-9]{2})?(?:\.[0-9]+)?)(.*)")
_CLOCK_ENDS: Final = ("", "น", "น.")
_THAI_DIGITS: Final = str.maketrans("0123456789", "๐๑๒๓๔๕๖๗๘๙")


class Unfit(BusError):
    """A value that a column cannot hold; `th` and `en` say which column and why, and nothing of the value."""

    def __init__(self, column: str, th: str, en: str) -> None:
        super().__init__(f"{column}: {en}")
        self.column, self.th, self.en = column, th, en


@dataclass(frozen=True, slots=True)
class Room:
    """How much a column holds, None for whatever; `page` is a code page of its own; `native` if it holds dates."""

    column: str
    size: int | None = None
    unit: Unit = "characters"
    page: str | None = None
    native: Literal["date", "moment", "zoned"] | None = None

    def require(self, value: str | bytes) -> None:
        """Raise Unfit for what is longer."""
        if self.page is not None and isinstance(value, str):
            encoded(value, self.page, self.column)
        if isinstance(value, bytes) or self.unit == "characters":
            needed = len(value)
        else:
            coded = value.encode("utf-8" if self.unit == "bytes" else "utf-16-le", "surrogatepass")
            needed = len(coded) // (1 if self.unit == "bytes" else 2)
        self.require_room(needed)

    def require_room(self, needed: int) -> None:
        """Raise Unfit for more than it holds."""
        if self.size is not None and needed > self.size:
            th = f"คอลัมน์ {self.column} แคบเกินไป เก็บได้ {self.size} ต้องใช้ {needed} ({self.unit})"
            en = f"column {self.column} is too narrow: it holds {self.size} {self.unit}, {needed} are needed"
            raise Unfit(self.column, th, en)


def encoded(text: str, page: str, column: str) -> bytes:
    """The text in a code page. Raises Unfit for what that page does not have."""
    try:
        return text.encode(_CODECS[page])
    except UnicodeEncodeError as exc:
        point = f"U+{ord(text[exc.start]):04X}"
        th = f"คอลัมน์ {column} เก็บอักขระ {point} ไม่ได้ ({page})"
        raise Unfit(column, th, f"column {column} cannot hold the character {point} ({page})") from exc


_CODECS: Final = {"utf-8": "utf-8", "tis-620": "tis-620", "windows-874": "cp874"}


@dataclass(frozen=True, slots=True)
class Writing:
    """How an office writes: its code page, how the columns store that, and its dates (see the settings)."""

    code_page: str = "utf-8"
    stored_as: str = "text"
    dates: str = "iso"

    def text(self, value: Any) -> str | None:
        """What a text column says; None for NULL and for nothing. ValueError for bytes that are no such text."""
        if value is None:
            return None
        if isinstance(value, bytes | bytearray | memoryview):
            found = bytes(value).decode(_CODECS[self.code_page])
        elif self.stored_as == "latin-1" and isinstance(value, str):
            found = b"".join(map(_latin, value)).decode(_CODECS[self.code_page])
        else:
            found = str(value)
        return found.strip() or None

    def put_text(self, text: str, room: Room) -> str | bytes:
        """The text as its column stores it. Raises Unfit."""
        raw = encoded(text, self.code_page, room.column)
        stored: str | bytes = text
        if self.stored_as == "latin-1":
            stored = raw.decode("latin-1")
        elif self.stored_as == "bytes":
            stored = raw
        room.require(stored)
        return stored

    def day(self, value: Any) -> str | None:
        """A date in a form that manifests know: what it cannot be is left as it is, for them to say so."""
        if isinstance(value, datetime):
            value = value.date()
        text = value.isoformat() if isinstance(value, date) else self.text(value)
        if text is None or self.dates != "buddhist":
            return text
        found = _ISO.fullmatch(arabic_digits(text))
        if found is None:
            return text
        year = int(found[1]) - BUDDHIST_OFFSET
        return f"{year:04}-{found[2]}-{found[3]}" if int(found[1]) > LAST_GREGORIAN_YEAR else f"พ.ศ. {text}"

    def moment(self, value: Any) -> str | None:
        """A moment in such a form; Thailand's, where no zone is given."""
        if isinstance(value, datetime):
            text = value.isoformat()
        elif isinstance(value, date):
            return self.day(value)
        else:
            text = arabic_digits(self.text(value) or "")
        found = _MOMENT.fullmatch(text)
        if found is None:
            return text or None
        with suppress(ValueError):
            day = parse_date(self.day(found[1]) or "")
            rest = "" if found[5].strip() in _CLOCK_ENDS else found[5]
            seconds = found[4] if found[4].startswith(":") else ""
            return f"{day.isoformat()}T{int(found[2]):02}:{found[3]}{seconds}{rest}"
        return text

    def put_day(self, day: date, room: Room) -> Any:
        """The date as its column holds it. Raises Unfit."""
        if room.native is not None:
            year = self._native_year(day, room)
            if room.native == "date":
                return date(year, day.month, day.day)
            return datetime(year, day.month, day.day, tzinfo=BANGKOK if room.native == "zoned" else None)
        return self.put_text(self._shown(day), room)

    def put_moment(self, moment: datetime, room: Room) -> Any:
        """The moment as its column holds it, in Thailand's time. Raises Unfit."""
        at = moment.astimezone(BANGKOK)
        if room.native is not None:
            year = self._native_year(at.date(), room)
            at = at.replace(year=year, microsecond=0)
            return (
                at.date()
                if room.native == "date"
                else at
                if room.native == "zoned"
                else at.replace(tzinfo=None)
            )
        if self.dates == "iso":
            return self.put_text(at.isoformat(timespec="seconds"), room)
        clock = f"{at:%H:%M:%S}"
        text = f"{self._shown(at.date())} {clock.translate(_THAI_DIGITS) if self.dates == 'thai' else clock}"
        return self.put_text(text, room)

    def _native_year(self, day: date, room: Room) -> int:
        if self.dates != "buddhist":
            return day.year
        if (day.month, day.day) == (2, 29):
            # 2567 is the leap year 2024, and no leap year in the calendar of the database.
            th = f"คอลัมน์ {room.column} เป็นชนิดวันที่ เก็บวันที่ 29 กุมภาพันธ์ เป็นปี พ.ศ. ไม่ได้"
            en = f"column {room.column} is of a date type, which has no 29 February of a Buddhist year"
            raise Unfit(room.column, th, en)
        return day.year + BUDDHIST_OFFSET

    def _shown(self, day: date) -> str:
        match self.dates:
            case "buddhist":
                return f"{day.year + BUDDHIST_OFFSET:04}-{day.month:02}-{day.day:02}"
            case "slashed":
                return f"{day.day:02}/{day.month:02}/{day.year + BUDDHIST_OFFSET:04}"
            case "thai":
                return thai_date(day).translate(_THAI_DIGITS)
            case _:
                return day.isoformat()


def _latin(character: str) -> bytes:
    """The byte that a character of a Latin-1 column was; MariaDB's `latin1` is Windows-1252."""
    try:
        return character.encode("latin-1")
    except UnicodeEncodeError:
        return character.encode("cp1252")
