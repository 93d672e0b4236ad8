"""Which characters the fonts of a certificate have: PDF/A allows no sign that a font lacks (ISO 19005-3, 6.2.11.8).

What they lack, such as Chinese or an emoji, stands as its escape (`\\u4e2d`), so that a reader sees that it is there.
"""

from __future__ import annotations

import struct
from functools import cache
from pathlib import Path
from typing import Final

from bus.text import printable

FONTS: Final = Path(__file__).with_name("fonts")


def shown(text: str) -> str:
    """Return a text as one line that turns no direction, of signs that each of the fonts has."""
    plain = printable(text)
    known = _known()
    if known.issuperset(plain):
        return plain
    return "".join(char if char in known else char.encode("unicode_escape").decode("ascii") for char in plain)


@cache
def _known() -> frozenset[str]:
    return frozenset.intersection(*(_characters(path.read_bytes()) for path in sorted(FONTS.glob("*.ttf"))))


def _characters(font: bytes) -> frozenset[str]:
    """The characters of the basic plane that a TrueType font maps to a glyph (OpenType, `cmap` of format 4)."""
    table = _table(font, b"cmap")
    (count,) = struct.unpack_from(">H", font, table + 2)
    for place in range(count):
        _, _, offset = struct.unpack_from(">HHI", font, table + 4 + 8 * place)
        if struct.unpack_from(">H", font, table + offset) == (4,):
            return frozenset(_mapped(font, table + offset))
    raise ValueError("the font has no cmap of format 4")


def _table(font: bytes, name: bytes) -> int:
    (count,) = struct.unpack_from(">H", font, 4)
    for place in range(count):
        tag, _, offset, _ = struct.unpack_from(">4sIII", font, 12 + 16 * place)
        if tag == name:
            return int(offset)
    raise ValueError(f"the font has no table {name.decode()}")


def _mapped(font: bytes, at: int) -> list[str]:
    (twice,) = struct.unpack_from(">H", font, at + 6)
    segments = range(twice // 2)
    ends, starts, deltas, ranges = (at + 14, at + 16 + twice, at + 16 + 2 * twice, at + 16 + 3 * twice)
    found = []
    for segment in segments:
        (end,), (start,), (delta,), (ranged,) = (
            struct.unpack_from(">H", font, base + 2 * segment) for base in (ends, starts, deltas, ranges)
        )
        for code in range(start, min(end, 0xFFFE) + 1):
            glyph = code
            if ranged:
                (glyph,) = struct.unpack_from(">H", font, ranges + 2 * segment + ranged + 2 * (code - start))
            if (glyph or not ranged) and (glyph + delta) % 0x10000:
                found.append(chr(code))
    return found
