"""Single values of e-CMS: codes of agencies in all the lengths that clients post, dates, persons, media types."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

from adapters.connectors.ecms.errors import Code, RefusedAs, Wrong
from bus.codes import load_codes
from bus.directory import Directory
from bus.errors import RefusalCode
from bus.identifiers import AgencyCode
from bus.thai import BANGKOK, BUDDHIST_OFFSET, LAST_GREGORIAN_YEAR, arabic_digits, now

_SPOKEN_DATE = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})")
_ISO_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ].*)?")
_BREAKS = re.compile(r"[\x00-\x20\x7f\u2028\u2029]+")
_SHORT_TYPES = {
    "application/x-pdf": "pdf",
    "image/pdf": "pdf",
    "image/jpg": "jpg",
    "image/pjpeg": "jpg",
    "image/tif": "tif",
    "text/txt": "txt",
}
_BEGINNINGS = (
    (b"%PDF", "pdf"),
    (b"\xff\xd8", "jpg"),
    (b"\x89PNG", "png"),
    (b"II*\0", "tif"),
    (b"MM\0*", "tif"),
)


def agency_code(stated: str, directory: Directory, what: str) -> AgencyCode:
    """The ten digits that a posted code stands for (docs/ecms.md). Raises Wrong for none, and for no code."""
    digits = re.sub(r"\s", "", arabic_digits(stated))
    if not digits:
        raise Wrong(Code.FIELD_MISSING, what)
    if not (digits.isascii() and digits.isdecimal()) or len(digits) > 10 or len(digits) < 3:
        raise Wrong(Code.CODE_UNKNOWN, f"{what} “{stated}” (ต้องเป็นตัวเลข 10 หรือ 5 หลัก)")
    if len(digits) == 10:
        return AgencyCode(digits)
    if len(digits) == 5:
        return AgencyCode(digits + "00000")
    # A leading nought lost in a number: only what the directory knows is not a guess.
    code = AgencyCode(digits.zfill(5) + "00000" if len(digits) < 5 else digits.zfill(10))
    if code not in directory.agencies:
        raise Wrong(Code.CODE_UNKNOWN, f"{what} “{stated}” (ต้องเป็นตัวเลข 10 หรือ 5 หลัก)")
    return code


def shown_code(code: str, digits: int) -> str:
    """A code as the client has it: ten digits, or five of one that ends in noughts."""
    return code[:5] if digits == 5 and code.endswith("00000") else code


def ministry_of(code: str) -> str:
    """The code of an agency's ministry."""
    return code[:2] + "00000000"


def day(stated: str, what: str) -> date:
    """A date as clients write it: ISO, with a time or without, or day/month/year; of either calendar."""
    plain = arabic_digits(stated).strip()
    if not plain:
        raise Wrong(Code.FIELD_MISSING, what)
    if found := _ISO_DATE.fullmatch(plain):
        year, month, number = map(int, found.groups())
    elif found := _SPOKEN_DATE.fullmatch(plain):
        number, month, year = map(int, found.groups())
    else:
        raise Wrong(Code.FIELD_WRONG, f"{what} “{stated}” (ต้องเป็น yyyy-MM-dd)")
    if year > LAST_GREGORIAN_YEAR:
        year -= BUDDHIST_OFFSET
    try:
        return date(year, month, number)
    except ValueError as exc:
        raise Wrong(Code.FIELD_WRONG, f"{what} “{stated}”") from exc


def moment(stated: str) -> datetime:
    """When a letter was sent: Thai time unless a zone is named; now, if nothing that can be is stated."""
    at = now()
    try:
        found = datetime.fromisoformat(stated.strip())
    except ValueError:
        return at
    if found.year > LAST_GREGORIAN_YEAR:
        try:
            found = found.replace(year=found.year - BUDDHIST_OFFSET)
        except ValueError:
            return at
    found = found.replace(tzinfo=BANGKOK) if found.tzinfo is None else found.astimezone(BANGKOK)
    return at if found > at + timedelta(hours=24) or found.year < 1941 else found


def clock(at: datetime) -> str:
    """A moment as e-CMS writes it: Thai time, without fraction or zone."""
    return f"{at.astimezone(BANGKOK):%Y-%m-%dT%H:%M:%S}"


def one_line(text: str, longest: int, what: str) -> str:
    """Text without line breaks and control characters. Raises Wrong where it is longer."""
    plain = _BREAKS.sub(" ", text).strip()
    if len(plain) > longest:
        raise Wrong(Code.FIELD_WRONG, f"{what} ยาว {len(plain)} อักขระ (ไม่เกิน {longest})")
    return plain


def media_type(stated: str, begins: bytes, what: str) -> tuple[str, str]:
    """The media type that is meant, and the usual extension of such files. Raises RefusedAs for one not accepted."""
    known = load_codes().media_types
    plain = stated.partition(";")[0].strip().lower()
    if plain in known:
        return plain, known[plain].ext[0]
    short = _SHORT_TYPES.get(plain) or plain.removeprefix("application/").removeprefix("image/").lstrip(".")
    if not plain:
        short = next((each for beginning, each in _BEGINNINGS if begins.startswith(beginning)), "")
    found = load_codes().media_type_of(f"x.{short}")
    if found is None:
        listed = ", ".join(ext for each in known.values() for ext in each.ext)
        raise RefusedAs(RefusalCode.FILE_MEDIA_TYPE, f"{what} “{stated}” ชนิดที่ส่งได้: {listed}")
    return found.value, found.ext[0]
