"""How long to wait before trying the broker again: longer each time, never two clients in step."""

from __future__ import annotations

import random
from collections.abc import Iterator

FIRST = 0.2
LONGEST = 5.0


def pauses(first: float = FIRST, longest: float = LONGEST) -> Iterator[float]:
    """Seconds to wait, for ever: between half and all of a bound that doubles up to `longest`."""
    bound = first
    while True:
        yield random.uniform(bound / 2, bound)
        bound = min(bound * 2, longest)
