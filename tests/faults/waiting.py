"""Waiting for something to happen, with a time limit; no test sleeps for a while and hopes."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep
from typing import TypeVar

T = TypeVar("T")
WITHIN = 60.0
"""Seconds after which something is taken not to come; on an idle machine it takes a few."""
_LOOK_EVERY = 0.05


def eventually(look: Callable[[], T], what: str, *, within: float = WITHIN) -> T:
    """Look again and again until the answer is true, and return it; fail with `what` when the time is up."""
    deadline = monotonic() + within
    while True:
        if found := look():
            return found
        if monotonic() > deadline:
            raise AssertionError(f"after {within:.0f} s still not: {what}")
        sleep(_LOOK_EVERY)


def nothing_left(look: Callable[[], list[str]], *, within: float = WITHIN) -> None:
    """Wait until `look` finds nothing more that is unfinished; fail with what it found at last."""
    deadline = monotonic() + within
    while left := look():
        if monotonic() > deadline:
            raise AssertionError(f"after {within:.0f} s unfinished:\n" + "\n".join(left[:20]))
        sleep(_LOOK_EVERY * 2)
