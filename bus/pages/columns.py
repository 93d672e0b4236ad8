"""The columns of every list and report, and the file that a spreadsheet opens.

A CSV file is UTF-8 with a byte order mark, with headings in Thai and English, codes and numbers as text, nothing that
could be taken for a formula, and below the rows what was asked and of which ledger.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from bus.directory import Names
from bus.text import json_text, printable
from bus.thai import now, thai_date, thai_datetime

Row = Mapping[str, Any]
_MARK = b"\xef\xbb\xbf"
"""The byte order mark."""
_LIKE_A_FORMULA = re.compile(r"[\s\u200b-\u200f\u00ad\ufeff]*[=+\-@|%\uff0b\uff0d\uff1d\uff20]")
_MONTH = re.compile(
    r"jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|(?:ม\.ค|ก\.พ|มี\.ค|เม\.ย|พ\.ค|มิ\.ย|ก\.ค|ส\.ค|ก\.ย|ต\.ค|พ\.ย|ธ\.ค)\.",
    re.IGNORECASE,
)
_LIKE_A_NUMBER = re.compile(r"(?=.*[0-9๐-๙])[\s0-9๐-๙.,:/\-+%()eE]*")


@dataclass(frozen=True, slots=True)
class Column:
    """A column: where its values are in a row, what it is called, and how a value is shown."""

    key: str
    en: str
    th: str
    show: Callable[[Any], str] = str
    who: Literal["", "short", "full"] = ""
    """How an agency is named whose code is the value, or of which each code is; empty for what is no agency."""
    plain: bool = False
    """Whether a spreadsheet may well take it for a number or a date: a count, a ledger number, an ISO date."""

    @property
    def heading(self) -> str:
        return f"{self.th} ({self.en})"

    def text(self, row: Row, names: Names | None) -> str:
        """What stands in a row, as one harmless line; nothing is an empty text."""
        value = row.get(self.key)
        if value is not None and names is not None and self.who:
            name = names.short if self.who == "short" else names.full
            value = joined(map(name, value if isinstance(value, list) else [value]))
        return "" if value is None else printable(self.show(value))


@dataclass(frozen=True, slots=True)
class About:
    """What was asked, and of which state of the ledger: without it nobody could ask again and compare."""

    query: Mapping[str, Any] = field(default_factory=dict)
    head: Mapping[str, Any] = field(default_factory=dict)


def as_csv(columns: Sequence[Column], rows: Iterable[Row], about: About, names: Names | None = None) -> bytes:
    """Return rows as CSV (RFC 4180) in UTF-8 with a byte order mark.

    A text that a spreadsheet would take for a formula, a number or a date bears an apostrophe, and how many do is said
    below. What stands below the empty line is no row: each line there begins with `#`.
    """
    # Encoded as it goes: a text of thousands of rows takes several times the memory of its octets.
    written = io.BytesIO(_MARK)
    written.seek(len(_MARK))
    text_of = io.TextIOWrapper(written, encoding="utf-8", newline="")
    out = csv.writer(text_of)
    out.writerow(column.heading for column in columns)
    count = formulas = numbers = 0
    for row in rows:
        texts = [column.text(row, names) for column in columns]
        guarded = [
            text if column.plain else _as_text(text) for column, text in zip(columns, texts, strict=True)
        ]
        changed = [text for text, cell in zip(texts, guarded, strict=True) if text != cell]
        formulas += sum(1 for text in changed if _LIKE_A_FORMULA.match(text))
        numbers += sum(1 for text in changed if not _LIKE_A_FORMULA.match(text))
        out.writerow(guarded)
        count += 1
    out.writerow([])
    said = {
        "# คำถาม (query)": json_text(about.query, indent=None),
        "# จำนวนแถว (rows)": str(count),
        "# สถานะบัญชี (ledger head)": json_text(about.head, indent=None),
        "# จัดทำเมื่อ (made at)": now().isoformat(timespec="seconds"),
        "# เติม ' นำหน้าไม่ให้เป็นสูตร (defused formulas)": str(formulas),
        "# เติม ' นำหน้าให้คงเป็นข้อความ (numbers kept as text)": str(numbers),
    }
    out.writerows(said.items())
    text_of.flush()
    return written.getvalue()


def _as_text(text: str) -> str:
    """A text that no spreadsheet takes for a formula, a number or a date (OWASP, CSV Injection)."""
    number = _LIKE_A_NUMBER.fullmatch(_MONTH.sub("", text))
    return f"'{text}" if number or _LIKE_A_FORMULA.match(text) else text


# ---- values in words -----------------------------------------------------------------------------------------------


def day(text: str) -> str:
    """An ISO date in the Buddhist era: `26 พฤศจิกายน 2569`."""
    return thai_date(date.fromisoformat(text))


def moment(text: str) -> str:
    """A ledger time in the Buddhist era, with seconds: `26 พฤศจิกายน 2569 15:50:41 น.`."""
    return thai_datetime(datetime.fromisoformat(text), seconds=True)


def iso(text: str) -> str:
    """A ledger time to the second."""
    return datetime.fromisoformat(text).isoformat(timespec="seconds")


def joined(values: Iterable[object]) -> str:
    """Several values in one cell."""
    return ", ".join(map(str, values))


def pairs(value: Mapping[str, object]) -> str:
    """What was asked, in words: `sender 0100500000 · since 2026-01-01`."""
    return " · ".join(
        f"{name} {joined(each) if isinstance(each, (list, tuple)) else each}" for name, each in value.items()
    )
