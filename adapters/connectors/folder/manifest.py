"""The fields of a manifest, the small TOML or JSON file by which an office asks for something.

Every mistake is noted, in Thai and English, and all of them are reported at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from adapters.mailbox.mistakes import Mistake
from bus.codes import Code
from bus.identifiers import AgencyCode
from bus.thai import BANGKOK, LAST_GREGORIAN_YEAR, parse_date

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)
"""RFC 3339, as TOML has it, and without seconds too; a date alone is no time, whoever's midnight it would be."""
_LARGEST = 2**31
_CODE_DIGITS = 10


class Fields:
    """The fields of a manifest, or of a table in it; `close` notes those that nobody asked for."""

    def __init__(self, values: Mapping[str, Any], mistakes: list[Mistake], place: str = "") -> None:
        self.values = values
        self.mistakes = mistakes
        self._place = place
        self._asked: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return self.values.get(name) not in (None, "", [], {})

    def wrong(self, name: str, th: str, en: str, code: str | None = None) -> None:
        """Note a mistake in a field, and the code with which the bus would refuse it."""
        self.mistakes.append(Mistake(f"{self._place}{name}", th, en, code))

    def text(self, name: str, *, required: bool = False, longest: int | None = None) -> str | None:
        """A text, None when it is left out."""
        value = self._take(name, required=required)
        if value is None:
            return None
        if isinstance(value, int | float) and not isinstance(value, bool):
            self.wrong(name, "ต้องเป็นข้อความในเครื่องหมายคำพูด", "must be a text, in quotation marks")
            return None
        if not isinstance(value, str):
            self.wrong(name, "ต้องเป็นข้อความ", "must be a text")
            return None
        if longest is not None and len(value) > longest:
            self.wrong(name, f"ยาวเกิน {longest} ตัวอักษร", f"is longer than {longest} characters")
        return value.strip() or None

    def must(self, name: str, *, longest: int | None = None) -> str:
        """A text that has to be there; empty, and noted, when it is not."""
        return self.text(name, required=True, longest=longest) or ""

    def number(self, name: str) -> int | None:
        """A whole number, None when it is left out."""
        value = self._take(name)
        if value is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST:
            return value
        self.wrong(name, "ต้องเป็นจำนวนเต็ม", "must be a whole number")
        return None

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; one text alone will do."""
        value = self._take(name)
        listed = [value] if isinstance(value, str) else value or []
        if isinstance(listed, list) and all(isinstance(each, str) and each.strip() for each in listed):
            return tuple(each.strip() for each in listed)
        self.wrong(name, "ต้องเป็นรายการของข้อความ", "must be a list of texts")
        return ()

    def agencies(self, name: str) -> tuple[AgencyCode, ...]:
        """A list of agencies' codes."""
        codes = self.texts(name)
        for code in codes:
            if not is_agency_code(code):
                self.wrong(name, f"{code} ไม่ใช่รหัสหน่วยงาน 10 หลัก", f"{code} is no agency's code of ten digits")
        return tuple(map(AgencyCode, codes))

    def choice(self, name: str, codes: Mapping[str, Code], default: str) -> str:
        """A code of a list, given as such or in its Thai or English words."""
        text = self.text(name)
        if text is None:
            return default
        for code in codes.values():
            if text.casefold() in (code.value, code.th, code.en.casefold()):
                return code.value
        known = ", ".join(f"{code.value} ({code.th})" for code in codes.values())
        self.wrong(name, f"ไม่รู้จัก “{text}” ใช้ได้: {known}", f"unknown “{text}”; known: {known}")
        return default

    def date(self, name: str, *, required: bool = False) -> date | None:
        """A date: TOML's own, ISO, or a Thai one of the Buddhist era."""
        value = self._take(name, required=required)
        if value is None:
            return None
        try:
            return parse_date(value.isoformat() if isinstance(value, date) else str(value))
        except ValueError:
            th = "ไม่ใช่วันที่ เขียนเช่น 22 พฤศจิกายน 2569, 22/11/2569 หรือ 2026-11-22"
            self.wrong(name, th, "is no date; write 2026-11-22, 22/11/2569 or 22 พฤศจิกายน 2569")
            return None

    def moment(self, name: str) -> datetime | None:
        """A time: TOML's own or ISO; Thailand's where no zone is given."""
        value = self._take(name)
        if value is None:
            return None
        try:
            if isinstance(value, str) and _MOMENT.fullmatch(value.strip()):
                value = datetime.fromisoformat(value.strip().upper())
            if isinstance(value, datetime) and 1 < value.year <= LAST_GREGORIAN_YEAR:
                return value.replace(tzinfo=BANGKOK) if value.tzinfo is None else value.astimezone(BANGKOK)
        except ValueError:
            pass  # such as the 31st of February
        self.wrong(name, "ไม่ใช่วันเวลา เขียนเช่น 2026-11-22T14:05", "is no date and time; write 2026-11-22T14:05")
        return None

    def uuid(self, name: str) -> UUID | None:
        """A UUID, None when it is left out."""
        text = self.text(name)
        try:
            return UUID(text) if text else None
        except ValueError:
            self.wrong(name, "ไม่ใช่ UUID", "is no UUID")
            return None

    def table(self, name: str) -> Fields | None:
        """A table, None when it is left out."""
        value = self._take(name)
        if value is None:
            return None
        if isinstance(value, dict):
            return Fields(value, self.mistakes, f"{self._place}{name}.")
        self.wrong(name, "ต้องเป็นตาราง", "must be a table")
        return None

    def tables(self, name: str) -> list[Fields]:
        """A list of tables."""
        value = self._take(name) or []
        if isinstance(value, list) and all(isinstance(each, dict) for each in value):
            return [
                Fields(each, self.mistakes, f"{self._place}{name}[{number}].")
                for number, each in enumerate(value, start=1)
            ]
        self.wrong(name, "ต้องเป็นรายการของตาราง", "must be a list of tables")
        return []

    def close(self) -> None:
        """Note the fields that nobody asked for: a misspelt name would silently be lost."""
        for name in self.values.keys() - self._asked:
            known = ", ".join(sorted(self._asked))
            self.wrong(name, f"ไม่รู้จักช่องนี้ ช่องที่ใช้ได้: {known}", f"unknown field; known: {known}")

    def _take(self, name: str, *, required: bool = False) -> Any:
        self._asked.add(name)
        if name in self:
            return self.values[name]
        if required:
            self.wrong(name, "ต้องระบุ", "is required")
        return None


def is_agency_code(text: str) -> bool:
    """Whether it has the form of an agency's code."""
    return len(text) == _CODE_DIGITS and text.isascii() and text.isdigit()
