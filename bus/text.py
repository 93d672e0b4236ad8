"""Foreign text on a terminal, in a log or in a table: what letters, offices and packs say is data and nothing else."""

from __future__ import annotations

import unicodedata
from typing import Final

_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_HARMLESS: Final = frozenset("\u00ad\u200b\u200c\u200d")
"""Soft hyphen and the zero-width marks: they break words and join letters, and move nothing."""


def printable(text: object) -> str:
    """Return a text as one line that moves no cursor, turns no direction and can be encoded.

    Control characters, line ends, directional marks, lone surrogates and what is no character stand as their escapes
    (`\\x1b`, `\\u202e`), so that a reader sees that they are there (Unicode TR 36, section 3).
    """
    return "".join(_shown(char) for char in str(text))


def _shown(char: str) -> str:
    if unicodedata.category(char) not in _UNSEEN or char in _HARMLESS:
        return char
    return char.encode("unicode_escape").decode("ascii")
