"""Thai dates, digits and letter numbers.

A Buddhist year is the Gregorian one plus 543. That holds only from 2484 BE (1941) on: earlier Thai years
began in April, so they are refused rather than guessed.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date, datetime, timedelta, timezone
from typing import Final

BANGKOK: Final = timezone(timedelta(hours=7))
"""Thailand's time; it has had no other offset since 1920, so no time-zone database is needed."""

BUDDHIST_OFFSET: Final = 543
FIRST_BUDDHIST_YEAR: Final = 2484
"""The first Buddhist year that began in January."""
LAST_GREGORIAN_YEAR: Final = 2400
"""A Gregorian field with a later year holds a Buddhist year by mistake."""

_MONTHS: Final = (
    ("มกราคม", "ม.ค."),
    ("กุมภาพันธ์", "ก.พ."),
    ("มีนาคม", "มี.ค."),
    ("เมษายน", "เม.ย."),
    ("พฤษภาคม", "พ.ค."),
    ("มิถุนายน", "มิ.ย."),
    ("กรกฎาคม", "ก.ค."),
    ("สิงหาคม", "ส.ค."),
    ("กันยายน", "ก.ย."),
    ("ตุลาคม", "ต.ค."),
    ("พฤศจิกายน", "พ.ย."),
    ("ธันวาคม", "ธ.ค."),
)
_MONTH_OF: Final = {
    name.replace(".", ""): month for month, names in enumerate(_MONTHS, start=1) for name in names
}
_THAI_DIGIT: Final = re.compile("[๐-๙]")
_DIGITS_APART: Final = ord("๐") - ord("0")
_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u061c\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e0fff]"
)
"""Soft hyphens, zero-width blanks and joiners, directional marks, variation selectors, tags: nobody sees them."""

_TONES: Final = "\u0e48-\u0e4c"
_SARA_AM_IN_PARTS: Final = re.compile(f"\u0e4d([{_TONES}]*)\u0e32")
_SARA_AM_AMONG_TONES: Final = re.compile(f"[\u0e33{_TONES}]{{2,}}")
_NEITHER_THAI_NOR_LATIN: Final = re.compile("[^\u0000-\u02ff\u0e00-\u0e7f]")
_MARKS: Final = re.compile("[\u0e31\u0e34-\u0e3a\u0e47-\u0e4e]{2,}")

_ISO: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_NUMERIC: Final = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")
_NAMED: Final = re.compile(r"(?:วันที่ ?)?([0-9]{1,2}) ?([ก-์.]+?) ?(?:พ\. ?ศ\. ?)?([0-9]{4})")


def now() -> datetime:
    """The present moment, in Thailand's time."""
    return datetime.now(BANGKOK)


def timestamp(moment: datetime) -> str:
    """Return an aware time as records have it: microseconds, +07:00, so that text order is time order."""
    return moment.astimezone(BANGKOK).isoformat(timespec="microseconds")


def to_buddhist(year: int) -> int:
    """The Buddhist year of a Gregorian one; ValueError before 1941, and for a year that is Buddhist already."""
    if year > LAST_GREGORIAN_YEAR:
        raise ValueError(f"{year} is a Buddhist year where a Gregorian one is expected")
    if year + BUDDHIST_OFFSET < FIRST_BUDDHIST_YEAR:
        raise ValueError(f"{year} is before 1941: Thai years began in April then")
    return year + BUDDHIST_OFFSET


def to_gregorian(year: int) -> int:
    """The Gregorian year of a Buddhist one, from 2484 on; ValueError otherwise."""
    if year < FIRST_BUDDHIST_YEAR:
        raise ValueError(f"{year} is no Buddhist year from {FIRST_BUDDHIST_YEAR} on")
    return year - BUDDHIST_OFFSET


def arabic_digits(text: str) -> str:
    """The text with its Thai digits written in Arabic."""
    return _THAI_DIGIT.sub(lambda digit: chr(ord(digit[0]) - _DIGITS_APART), text)


def thai_date(value: date, *, short: bool = False) -> str:
    """A date as a letter shows it, `22 พฤศจิกายน 2569`; a moment is shown as the date that it has in Thailand.

    A date before 1941 is shown with its Gregorian year, marked as such (ค.ศ.). `short` abbreviates the month.
    """
    if isinstance(value, datetime):
        value = _in_bangkok(value).date()
    early = value.year + BUDDHIST_OFFSET < FIRST_BUDDHIST_YEAR
    year = f"ค.ศ. {value.year}" if early else str(value.year + BUDDHIST_OFFSET)
    return f"{value.day} {_MONTHS[value.month - 1][short]} {year}"


def thai_datetime(moment: datetime, *, seconds: bool = False, short: bool = False) -> str:
    """A moment in Thailand's time, `22 พฤศจิกายน 2569 14:05 น.`; ValueError for one without a time zone."""
    clock = f"{_in_bangkok(moment):{'%H:%M:%S' if seconds else '%H:%M'}}"
    return f"{thai_date(moment, short=short)} {clock} น."


def parse_date(text: str) -> date:
    """The date that `22 พฤศจิกายน 2569`, `22 พ.ย. 2569`, `22/11/2569` or, Gregorian, `2026-11-22` stands for.

    Either set of digits will do. Anything else is a ValueError, a Gregorian year in a Buddhist form and the
    other way round included.
    """
    plain = " ".join(arabic_digits(_INVISIBLE.sub("", text)).split())
    if found := _ISO.fullmatch(plain):
        year, month, day = map(int, found.groups())
        to_buddhist(year)
        return date(year, month, day)
    if found := _NUMERIC.fullmatch(plain):
        day, month, year = map(int, found.groups())
        return date(to_gregorian(year), month, day)
    if found := _NAMED.fullmatch(plain):
        named = _MONTH_OF.get(found[2].replace(".", ""))
        if named is not None:
            return date(to_gregorian(int(found[3])), named, int(found[1]))
    raise ValueError("not a date: write 22 พฤศจิกายน 2569, 22/11/2569 or 2026-11-22")


def normalise_number(number: str) -> str:
    """A letter number (ที่) in the form by which it is compared and searched; it is displayed as written.

    `ดศ (สพธอ) ๕๑๑.๐๕/ ๑๒๓๔` becomes `ดศ (สพธอ) 511.05/1234`: Arabic digits, single blanks, none around the
    stroke, and for the rest as `comparable` has it.
    """
    return re.sub(r" ?/ ?", "/", comparable(number))


def comparable(text: str) -> str:
    """The one form of a text in which those that look the same are the same; for comparing, never for showing.

    NFC, without invisible characters, single blanks, Arabic digits, `แ` for `เเ`, sara am in one piece behind its tone
    mark, and of several marks on a consonant the vowel first and each once.
    """
    plain = _formed(text)
    # Marks of other scripts among Thai ones may take their places only in a second round.
    while _NEITHER_THAI_NOR_LATIN.search(plain) and (again := _formed(plain)) != plain:
        plain = again
    return plain


def _formed(text: str) -> str:
    plain = unicodedata.normalize("NFC", _marks_in_order(_INVISIBLE.sub("", text)))
    plain = plain.replace("\u0e41", "\u0e40\u0e40").replace("\u0e40\u0e40", "\u0e41")
    plain = _SARA_AM_IN_PARTS.sub("\\1\u0e33", _marks_in_order(plain))
    plain = _SARA_AM_AMONG_TONES.sub(lambda run: "".join(sorted(run[0], key="\u0e33".__eq__)), plain)
    plain = _marks_in_order(plain)
    return " ".join(arabic_digits(plain).split())


def _marks_in_order(text: str) -> str:
    return _MARKS.sub(lambda run: "".join(sorted(set(run[0]), key=_mark_order)), text)


def _mark_order(mark: str) -> tuple[bool, str]:
    return "\u0e48" <= mark <= "\u0e4c", mark


def _in_bangkok(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return moment.astimezone(BANGKOK)
