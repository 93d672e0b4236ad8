"""File names that every office's disk takes, made from what a letter says; never a path."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection

from bus.thai import comparable

MOST_BYTES = 255
_FORBIDDEN = frozenset('<>:"/\\|?*')
_RESERVED = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{device}{digit}" for device in ("com", "lpt") for digit in "0123456789¹²³"}
)
_LONGEST_EXTENSION = 20
_NAMELESS = "file"


def safe_name(wanted: str, taken: Collection[str] = (), *, most: int = MOST_BYTES) -> str:
    """The name wanted, or the nearest one that is allowed and free.

    At most `most` bytes of UTF-8, cut between characters with the extension kept; no separators, control or
    invisible characters; not hidden; none of Windows's device names; not one of `taken`, compared without regard to
    case and form, as some disks do, and as people read Thai.
    """
    plain = "".join(map(_allowed, unicodedata.normalize("NFC", wanted)))
    plain = " ".join(plain.split()).strip(" .") or _NAMELESS
    if plain.split(".")[0].strip().casefold() in _RESERVED:
        plain = f"_{plain}"
    compared = {_compared(name) for name in taken}
    number = 1
    while True:
        name = _fitted(plain, "" if number == 1 else f"~{number}", most)
        if _compared(name) not in compared:
            return name
        number += 1


def _allowed(character: str) -> str:
    if character in _FORBIDDEN:
        return "-"
    # Cc, Cf, Cs, Co, Cn: control, invisible (among them those that reverse a name's reading), surrogates, unassigned.
    return " " if unicodedata.category(character).startswith("C") else character


def _fitted(plain: str, suffix: str, most: int) -> str:
    stem, dot, extension = plain.rpartition(".")
    if not stem or len(extension.encode()) > _LONGEST_EXTENSION:
        stem, dot, extension = plain, "", ""
    room = most - len(f"{suffix}{dot}{extension}".encode())
    kept = stem
    while len(kept.encode()) > room:
        kept = kept[:-1]
    if kept != stem:
        # Not between a letter and its vowel or tone mark, either.
        cut = len(kept)
        while cut > 1 and unicodedata.combining(stem[cut]) | (unicodedata.category(stem[cut]) == "Mn"):
            cut -= 1
        kept = stem[:cut].rstrip(" .")
    return f"{kept}{suffix}{dot}{extension}"


def _compared(name: str) -> str:
    return comparable(name).casefold()
