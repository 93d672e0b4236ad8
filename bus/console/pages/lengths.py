"""How long something has been so, in words: the two largest units of it."""

from __future__ import annotations

from collections.abc import Callable

from bus.console.wording import say
from bus.pages.asked import Language

_UNITS = (("length.days", 86_400), ("length.hours", 3_600), ("length.minutes", 60), ("length.seconds", 1))


def lengths(language: Language) -> Callable[[float | None], str]:
    """Return what says a number of seconds in a language: `3 h 12 min`; a dash where there is none."""

    def length(seconds: float | None) -> str:
        if seconds is None:
            return "–"
        if 0 < seconds < 1:
            return say(language, "length.below")
        left, words = max(0, int(seconds)), list[str]()
        for key, size in _UNITS:
            if left >= size or (size == 1 and not words):
                words.append(say(language, key, n=left // size))
                left %= size
        return " ".join(words[:2])

    return length
