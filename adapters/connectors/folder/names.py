"""File names: those that every office's disk takes, and those that an office's disk has, compared and shown."""

from __future__ import annotations

import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator
from difflib import get_close_matches

from bus.text import printable
from bus.thai import comparable

MOST_BYTES = 255
_FORBIDDEN = frozenset('<>:"/\\|?*')
_RESERVED = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{device}{digit}" for device in ("com", "lpt") for digit in "0123456789¹²³"}
)
_LONGEST_EXTENSION = 20
_NAMELESS = "file"
_NEIGHBOURS = 100
"""Names to either side among which the nearest is sought: in a folder of thousands nobody waits for it."""


def safe_name(wanted: str, taken: Collection[str] = (), *, most: int = MOST_BYTES) -> str:
    """The name wanted, or the nearest one that is allowed and free.

    At most `most` bytes of UTF-8, cut between characters with the extension kept; no separators, control or
    invisible characters; not hidden; none of Windows's device names; not one of `taken`, compared without regard to
    case and form, as some disks do, and as people read Thai.
    """
    plain = _plain(wanted)
    compared = {_compared(name) for name in taken}
    number = 1
    while _compared(name := _numbered(plain, number, most)) in compared:
        number += 1
    return name


def free_name(wanted: str, taken: Callable[[str], bool], *, most: int = MOST_BYTES) -> str:
    """Return the nearest allowed name of which `taken` says no, after few questions however often it was given out."""
    plain = _plain(wanted)
    low, high = 0, 1
    while taken(_numbered(plain, high, most)):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if taken(_numbered(plain, middle, most)) else (low, middle)
    return _numbered(plain, high, most)


def readable(name: str) -> str:
    """A name of the office's disk as one harmless line; one that is no UTF-8 as the TIS-620 that it may be."""
    try:
        name.encode()
    except UnicodeEncodeError:
        try:
            return printable(name.encode(errors="surrogateescape").decode("cp874"))
        except UnicodeError:
            pass
    return printable(name)


def is_utf8(name: str) -> bool:
    """Whether a name can be written as UTF-8, as all that a letter says must."""
    return name.isascii() or not any("\ud800" <= character <= "\udfff" for character in name)


class Names:
    """The names in a folder, found in whichever form a disk or an office writes Thai."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)
        self._by_form: dict[str, list[str]] = {}
        for name in self._names:
            self._by_form.setdefault(_form(name), []).append(name)
        self._forms: list[str] | None = None

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def find(self, name: str) -> str | None:
        """The name on the disk; None if there is none, or if several look like this one and none is it."""
        if name in self._names:
            return name
        found = self._by_form.get(_form(name), [])
        return found[0] if len(found) == 1 else None

    def nearest(self, name: str) -> str | None:
        """Another name that may be meant, to be shown; None if none is near."""
        form = _form(name)
        if form in self._by_form:
            return readable(sorted(self._by_form[form])[0])
        if self._forms is None:
            self._forms = sorted(self._by_form)
        place = bisect_left(self._forms, form)
        around = {
            each.casefold(): each for each in self._forms[max(0, place - _NEIGHBOURS) : place + _NEIGHBOURS]
        }
        near = get_close_matches(form.casefold(), around, n=1)
        return readable(self._by_form[around[near[0]]][0]) if near else None


def _form(name: str) -> str:
    return comparable(readable(name))


def _plain(wanted: str) -> str:
    plain = "".join(map(_allowed, unicodedata.normalize("NFC", wanted)))
    plain = " ".join(plain.split()).strip(" .") or _NAMELESS
    return f"_{plain}" if plain.split(".")[0].strip().casefold() in _RESERVED else plain


def _numbered(plain: str, number: int, most: int) -> str:
    return _fitted(plain, "" if number == 1 else f"~{number}", most)


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
