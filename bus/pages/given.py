"""What an address asks: every value once, known and bounded, or the question is not understood."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

from bus.errors import NotUnderstood
from bus.pages.asked import Asked
from bus.text import printable

_ROW = re.compile(r"[1-9][0-9]{0,14}")
_LONGEST = 1000
"""Characters of a value; no subject is longer."""


def given(asked: Asked, known: Collection[str]) -> dict[str, str]:
    """Return what the query asks, by name, without what is empty.

    Raises NotUnderstood for a name that this page does not know, one that stands twice, and a value that is too long or
    has control characters in it.
    """
    found: dict[str, str] = {}
    for name, values in asked.query.items():
        if name == "lang":
            continue
        if name not in known:
            raise NotUnderstood(f"this page cannot be asked by {printable(name)[:60]!r}")
        if len(values) != 1:
            raise NotUnderstood(f"{name} stands more than once")
        text = values[0].strip()
        if len(text) > _LONGEST:
            raise NotUnderstood(f"{name} has {len(text)} characters, where at most {_LONGEST} are asked by")
        if any(unicodedata.category(one) in ("Cc", "Cs", "Cn") for one in text):
            raise NotUnderstood(f"{name} has a character in it that no text has: {printable(text)[:80]}")
        if text:
            found[name] = text
    return found


def row_in(values: dict[str, str], name: str) -> int | None:
    """Return the row that a page begins behind; None where nothing is given. Raises NotUnderstood for what is none."""
    if (text := values.get(name)) is None:
        return None
    if not _ROW.fullmatch(text):
        raise NotUnderstood(f"{name} is no row: {text}")
    return int(text)


def place_in(values: dict[str, str], name: str) -> tuple[str, int] | None:
    """Return the place `time~row` that a page begins behind; None where nothing is given.

    Raises NotUnderstood for what is none.
    """
    if (text := values.get(name)) is None:
        return None
    at, _, number = text.partition("~")
    if not at or not _ROW.fullmatch(number):
        raise NotUnderstood(f"{name} is no place in this list: {text}")
    return at, int(number)
