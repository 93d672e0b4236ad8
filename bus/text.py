"""Foreign text on a terminal, in a log or in a table: what letters, offices and packs say is data and nothing else.

`bus/verifier/printing.py` has the same for the verifier, which stands alone; a test holds both to one behaviour.
"""

from __future__ import annotations

import io
import json
import sys
import unicodedata
from collections.abc import Callable
from typing import Any, Final

_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_HARMLESS: Final = frozenset("\u00ad\u200b\u200c\u200d")
"""Soft hyphen and the zero-width marks: they break words and join letters, and move nothing."""


def printable(text: object) -> str:
    """Return a text as one line that moves no cursor, turns no direction and can be encoded.

    Control characters, line ends, directional marks, lone surrogates and what is no character stand as their escapes
    (`\\x1b`, `\\u202e`), so that a reader sees that they are there (Unicode TR 36, section 3).
    """
    plain = str(text)
    if plain.isprintable():
        return plain
    return "".join(
        char.encode("unicode_escape").decode("ascii") if _is_unseen(char) else char for char in plain
    )


def printable_lines(text: object) -> str:
    """Return a text of several lines, such as the body of a letter, with only its line feeds left as they are."""
    return "\n".join(printable(line) for line in str(text).replace("\r\n", "\n").split("\n"))


def json_text(
    value: Any, *, encoding: str = "utf-8", indent: int | None = 2, default: Callable[[Any], str] = str
) -> str:
    """Return a value as JSON that any console can show: the same value, with what `printable` escapes as `\\uXXXX`.

    For an `encoding` other than UTF-8 all of it is ASCII: JSON in another encoding is none (RFC 8259, section 8.1).
    """
    utf8 = encoding.lower().replace("_", "-") in ("utf-8", "utf8")
    text = json.dumps(value, ensure_ascii=not utf8, indent=indent, default=default)
    return "\n".join(map(_escaped_json, text.split("\n")))


def print_json(value: Any, *, indent: int | None = 2) -> None:
    """Print a value on standard output as JSON."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    sys.stdout.write(json_text(value, encoding=encoding, indent=indent) + "\n")


def harmless_streams() -> None:
    """Let no character end a program that prints: what a console's encoding has not, such as CP874, is escaped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _is_unseen(char: str) -> bool:
    return unicodedata.category(char) in _UNSEEN and char not in _HARMLESS


def _escaped_json(line: str) -> str:
    # Such characters stand in JSON only inside of strings, where an escape means the same.
    if line.isprintable():
        return line
    return "".join(json.dumps(char)[1:-1] if _is_unseen(char) else char for char in line)
