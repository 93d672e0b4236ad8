"""What ends a step."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


class Failed(Exception):
    """The client does not do what the step asks for; the message says what was looked for."""


def wait(what: str, look: Callable[[], _T | None], *, within: float = 120) -> _T:
    """Look again and again until there is something. Raises Failed."""
    deadline = time.monotonic() + within
    while not (found := look()):
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not within {within:g} s")
        time.sleep(0.2)
    return found
