"""Configuration files read as a whole: every mistake is noted where it stands, and all are raised together.

A `Table` hands out its values by type, notes what is wrong with them and goes on with a stand-in; what nobody
asked for is an unknown key. The caller builds its frozen value and then calls `Mistakes.raise_any`, so a value
with stand-ins in it never gets out. The same reading serves canonical JSON, whose shape is the file's.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Final, TypeVar

from bus.errors import Misconfigured, Problem
from bus.thai import LAST_GREGORIAN_YEAR

_T = TypeVar("_T")
_MISSING: Final = object()
STAND_IN: Final = "?"
"""What a wrong text is replaced by, so that reading can go on; cross-checks pass over it."""
_DAY: Final = "a date such as 2026-11-22"
_MOMENT: Final = "a time with its offset, such as 2026-11-22T08:30:00+07:00"
_EARLIEST_YEAR: Final = 1900


class Mistakes:
    """The mistakes found so far in one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[Problem] = []

    def note(self, key: str, wrong: str, fix: str) -> None:
        """Remember one mistake; reading goes on."""
        self.found.append(Problem(self.file, key, wrong, fix))

    def raise_any(self) -> None:
        """Raise Misconfigured with everything that was noted, if anything was."""
        if self.found:
            raise Misconfigured(*self.found)


class Table:
    """One table of a configuration, and what was asked of it."""

    def __init__(self, values: Mapping[str, Any], mistakes: Mistakes, key: str = "") -> None:
        self.values = values
        self.mistakes = mistakes
        self.key = key
        self._asked: set[str] = set()

    def text(self, name: str, *, like: str = ".+", meant: str = "text") -> str:
        """A string that matches `like` as a whole; `meant` says in words what that is."""
        return self._matching(name, self._get(name, meant), like, meant)

    def optional_text(self, name: str, *, like: str = ".+", meant: str = "text") -> str | None:
        """The same, or None when absent."""
        self._asked.add(name)
        return self.text(name, like=like, meant=meant) if name in self.values else None

    def anything(self, name: str) -> Any:
        """A value as it stands, None when absent: for whoever must not have it shown in a problem."""
        self._asked.add(name)
        return self.values.get(name)

    def texts(self, name: str, *, like: str = ".+", meant: str = "text") -> tuple[str, ...]:
        """A list of strings without repetition; an absent one is empty."""
        listed = enumerate(self._list(name, f"a list, each of it {meant}"), 1)
        texts = [self._matching(f"{name}[{at}]", each, like, meant) for at, each in listed]
        for twice in sorted(each for each, count in Counter(texts).items() if each != STAND_IN and count > 1):
            self.wrong(name, f"{twice} stands there more than once", "Name each once")
        return tuple(texts)

    def flag(self, name: str, *, default: bool) -> bool:
        """A truth value."""
        value = self._get(name, "true or false", default)
        return value if isinstance(value, bool) else self._expected(name, value, "true or false", default)

    def positive(self, name: str) -> int:
        """A whole number from 1 on."""
        value = self._get(name, "a whole number from 1 on")
        if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
            return value
        return self._expected(name, value, "a whole number from 1 on", 1)

    def day(self, name: str) -> date:
        """A Gregorian date."""
        value = _parsed(date.fromisoformat, self._get(name, _DAY))
        if not isinstance(value, date) or isinstance(value, datetime):
            return self._expected(name, value, _DAY, date.min)
        self._of_our_time(name, value)
        return value

    def moment(self, name: str) -> datetime | None:
        """A point in time with its offset, or None when absent."""
        self._asked.add(name)
        if name not in self.values:
            return None
        value = _parsed(datetime.fromisoformat, self.values[name])
        if not isinstance(value, datetime) or value.tzinfo is None:
            return self._expected(name, value, _MOMENT, None)
        self._of_our_time(name, value)
        return value

    def table(self, name: str) -> Table:
        """A sub-table; an absent one is empty."""
        value = self._get(name, "a table", {})
        values = value if isinstance(value, Mapping) else self._expected(name, value, "a table", {})
        return Table(values, self.mistakes, self.at(name))

    def tables(self, name: str, label: str = "") -> Sequence[Table]:
        """A list of tables; each is named in problems by its value of `label`, or else by its position."""
        found = []
        for position, value in enumerate(self._list(name, "a list of tables"), 1):
            if isinstance(value, Mapping):
                found.append(Table(value, self.mistakes, self.at(f"{name}[{value.get(label, position)}]")))
            else:
                self._expected(f"{name}[{position}]", value, "a table", None)
        return found

    def named_tables(self, *, like: str, meant: str) -> Iterator[tuple[str, Table]]:
        """Every sub-table of this one with its name, where the names are data."""
        for name in self.values:
            if not re.fullmatch(like, name):
                self.wrong(name, "names a table wrongly", f"Name it by {meant}")
            yield name, self.table(name)

    def wrong(self, name: str, wrong: str, fix: str) -> None:
        """Note a mistake about one key of this table."""
        self.mistakes.note(self.at(name), wrong, fix)

    def close(self) -> None:
        """Note every key that nobody asked for."""
        for name in sorted(self.values.keys() - self._asked):
            near = difflib.get_close_matches(name, self._asked, n=1)
            known = ", ".join(sorted(self._asked))
            self.wrong(name, "is not a known key", f"Write {near[0]}" if near else f"Known here: {known}")

    def at(self, name: str) -> str:
        """The full key of `name` in this table."""
        return f"{self.key}.{name}" if self.key and name else self.key or name

    def _get(self, name: str, meant: str, default: Any = _MISSING) -> Any:
        self._asked.add(name)
        value = self.values.get(name, default)
        if value is _MISSING:
            self.wrong(name, "is missing", f"Add {meant}")
        return value

    def _list(self, name: str, meant: str) -> list[Any]:
        value = self._get(name, meant, [])
        return value if isinstance(value, list) else self._expected(name, value, meant, [])

    def _matching(self, name: str, value: Any, like: str, meant: str) -> str:
        if isinstance(value, str) and value == value.strip() and re.fullmatch(like, value):
            return value
        return self._expected(name, value, meant, STAND_IN)

    def _of_our_time(self, name: str, value: date) -> None:
        if not _EARLIEST_YEAR <= value.year <= LAST_GREGORIAN_YEAR:
            self.wrong(
                name, f"{value.year} is no Gregorian year of our time", "Subtract 543 from a Buddhist year"
            )

    def _expected(self, name: str, value: Any, meant: str, stand_in: _T) -> _T:
        if value is not _MISSING:
            self.wrong(name, f"{_shown(value)} is not {meant}", f"Write {meant}")
        return stand_in


def read_toml(path: Path) -> Table:
    """The table that a TOML file is; Misconfigured when it cannot be read at all."""
    try:
        return Table(tomllib.loads(path.read_text(encoding="utf-8-sig")), Mistakes(str(path)))
    except OSError as exc:
        reason = (exc.strerror or str(exc)).lower()
        problem = Problem(
            str(path), "(file)", f"cannot be read: {reason}", "Check the path and its permissions"
        )
        raise Misconfigured(problem) from exc
    except UnicodeDecodeError as exc:
        problem = Problem(
            str(path), "(file)", "is not UTF-8 text", "Save it as UTF-8, not as TIS-620 or CP874"
        )
        raise Misconfigured(problem) from exc
    except tomllib.TOMLDecodeError as exc:
        raise Misconfigured(Problem(str(path), "(file)", f"is not TOML: {exc}", "Mend that place")) from exc


def read_json(raw: bytes, name: str) -> Table:
    """The table that a JSON object is; `name` stands for the file in problems."""
    try:
        values = json.loads(raw)
    except ValueError as exc:
        raise Misconfigured(Problem(name, "(whole)", "is not JSON", "Ask for it again")) from exc
    if not isinstance(values, dict):
        raise Misconfigured(Problem(name, "(whole)", "is not a JSON object", "Ask for it again"))
    return Table(values, Mistakes(name))


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys, no blanks and UTF-8, so that equal values are equal bytes; times in ISO form."""
    return json.dumps(
        value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=_iso, allow_nan=False
    ).encode()


def _iso(value: object) -> str:
    if isinstance(value, (date, time)):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form here")


def _parsed(parse: Callable[[str], _T], value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return parse(value)
    except ValueError:
        return value


def _shown(value: Any) -> str:
    shown = repr(value) if isinstance(value, str) else str(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
