"""What somebody means by a word out of a list, and what it may have been meant for if it is in none."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping

from bus.thai import comparable

_NEAREST = 4


def meant(text: str, known: Mapping[str, Iterable[str]]) -> list[str]:
    """The codes that a text stands for, by themselves or by their names: one, or none, or several."""
    wanted = plain(text)
    return [code for code, names in known.items() if wanted in map(plain, (code, *names))]


def near(text: str, known: Mapping[str, Iterable[str]]) -> list[str]:
    """The codes that a text may have been meant for, the nearest first."""
    called: dict[str, list[str]] = {}
    for code, names in known.items():
        for name in (code, *names):
            called.setdefault(plain(name), []).append(code)
    return list(dict.fromkeys(code for word in nearest(text, called) for code in called[word]))


def nearest(text: str, known: Iterable[str]) -> list[str]:
    """Those of the known words that a text may have been meant for, the nearest first."""
    words = {plain(word): word for word in known}
    wanted = plain(text)
    within = [key for key in words if wanted and (wanted in key or (len(key) > 2 and key in wanted))]
    close = difflib.get_close_matches(wanted, words, n=_NEAREST, cutoff=0.5)
    close = close or within or difflib.get_close_matches(wanted, words, n=_NEAREST, cutoff=0.0)
    return [words[key] for key in dict.fromkeys([*close, *sorted(within, key=len)])]


def plain(text: str) -> str:
    """A name as it is compared: `สลค.`, `สลค` and `ส ล ค` are one, capitals and small letters too."""
    return re.sub(r"[\s.,\-_]", "", comparable(text)).casefold()
