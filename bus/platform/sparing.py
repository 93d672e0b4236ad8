"""Libraries without what they load beside themselves for people at a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_FOR_TERMINALS: Final = ("rich", "pygments")


@contextmanager
def without_colours() -> Iterator[None]:
    """Import as if nothing were installed that colours text: it is 4 MB of a process, and 50 ms of its start."""
    hidden = [name for name in _FOR_TERMINALS if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
