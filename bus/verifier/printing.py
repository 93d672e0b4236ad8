"""Foreign text on a terminal: a pack may have been made to draw its own verdict on the screen.

The verifier stands alone and so has a copy of `bus/text.py`; a test holds both to one behaviour.
"""

from __future__ import annotations

import io
import json
import sys
import unicodedata
from typing import Any

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_HARMLESS = frozenset("\u00ad\u200b\u200c\u200d")
"""Soft hyphen and the zero-width marks: they break words and join letters, and move nothing."""


def printable(text: object) -> str:
    """Return a text as one line that moves no cursor, turns no direction and can be encoded; the rest as escapes."""
    plain = str(text)
    if plain.isprintable():
        return plain
    return "".join(
        char.encode("unicode_escape").decode("ascii") if _is_unseen(char) else char for char in plain
    )


def json_text(value: Any, *, encoding: str = "utf-8", indent: int | None = 2) -> str:
    """Return a value as JSON that any console can show; ASCII, where the encoding is not UTF-8."""
    utf8 = encoding.lower().replace("_", "-") in ("utf-8", "utf8")
    text = json.dumps(value, ensure_ascii=not utf8, indent=indent, default=str)
    return "\n".join(map(_escaped_json, text.split("\n")))


def print_json(value: Any) -> None:
    """Print a value on standard output as JSON."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    sys.stdout.write(json_text(value, encoding=encoding) + "\n")


def harmless_streams() -> None:
    """Let no character end a program that prints: what a console's encoding has not, such as CP874, is escaped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def can_print(text: str) -> bool:
    """Whether the console's encoding has these characters."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _is_unseen(char: str) -> bool:
    return unicodedata.category(char) in _UNSEEN and char not in _HARMLESS


def _escaped_json(line: str) -> str:
    # Such characters stand in JSON only inside of strings, where an escape means the same.
    if line.isprintable():
        return line
    return "".join(json.dumps(char)[1:-1] if _is_unseen(char) else char for char in line)
