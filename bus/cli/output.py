"""Every list and report, on the screen and as a file: one writer, so that all of them look and can be trusted alike.

On the screen it is a table where one fits into the terminal, and else a block of lines for each row, in which no id is
broken. As CSV it is made for spreadsheets: UTF-8 with a byte order mark, headings in Thai and English, codes and
numbers as text, nothing that could be taken for a formula, and below the rows what was asked and of which ledger.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from rich.cells import cell_len
from rich.console import Console

from bus.directory import Names
from bus.text import json_text, printable
from bus.thai import now, thai_date, thai_datetime

Row = Mapping[str, Any]
_LIKE_A_FORMULA = re.compile(r"[\s\u200b-\u200f\u00ad\ufeff]*[=+\-@|%\uff0b\uff0d\uff1d\uff20]")
_MONTH = re.compile(
    r"jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|(?:ม\.ค|ก\.พ|มี\.ค|เม\.ย|พ\.ค|มิ\.ย|ก\.ค|ส\.ค|ก\.ย|ต\.ค|พ\.ย|ธ\.ค)\.",
    re.IGNORECASE,
)
_LIKE_A_NUMBER = re.compile(r"(?=.*[0-9๐-๙])[\s0-9๐-๙.,:/\-+%()eE]*")
_GAP = 2


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


def listed(
    title: str,
    columns: Sequence[Column],
    rows: Iterable[Row],
    names: Names | None = None,
    *,
    none: str = "nothing",
) -> None:
    """Print rows for people; with the names of agencies where a column is one of these."""
    cells = [[column.text(row, names) for column in columns] for row in rows]
    used = [place for place in range(len(columns)) if any(line[place] for line in cells)]
    cells = [[line[place] for place in used] for line in cells]
    headings = [columns[place].en for place in used]
    width = Console().width
    lines = _table(headings, cells) if cells else [none]
    if any(cell_len(line) > width for line in lines):
        lines = _blocks(headings, cells)
    sys.stdout.write("\n".join([printable(title), "", *lines]) + "\n")


def _table(headings: Sequence[str], cells: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(cell_len, column)) for column in zip(headings, *cells, strict=True)]
    rule = ["─" * width for width in widths]
    return [_aligned(line, widths) for line in (headings, rule, *cells)]


def _blocks(headings: Sequence[str], cells: Sequence[Sequence[str]]) -> list[str]:
    widest = max(map(cell_len, headings))
    lines: list[str] = []
    for line in cells:
        lines += [_aligned(pair, [widest]) for pair in zip(headings, line, strict=True) if pair[1]]
        lines.append("")
    return lines[:-1]


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    """Cells beside each other; Thai vowels and tone marks above and below take no room of their own."""
    padded = [cell + " " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=False)]
    return (" " * _GAP).join([*padded, *line[len(widths) :]]).rstrip()


# ---- CSV -----------------------------------------------------------------------------------------------------------


def exported(
    columns: Sequence[Column], rows: Iterable[Row], about: About, names: Names | None = None
) -> None:
    """Write rows to standard output as a spreadsheet opens them, and what they are below."""
    sys.stdout.flush()
    sys.stdout.buffer.write(as_csv(columns, rows, about, names))
    sys.stdout.buffer.flush()


def as_csv(columns: Sequence[Column], rows: Iterable[Row], about: About, names: Names | None = None) -> bytes:
    """Return rows as CSV (RFC 4180) in UTF-8 with a byte order mark.

    A text that a spreadsheet would take for a formula, a number or a date bears an apostrophe, and how many do is said
    below. What stands below the empty line is no row: each line there begins with `#`.
    """
    written = io.StringIO()
    out = csv.writer(written)
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
    return b"\xef\xbb\xbf" + written.getvalue().encode()


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
