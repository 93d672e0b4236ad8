"""How often and how long an attempt is repeated, as values.

Every wait has jitter, so that agencies cut off together do not come back together.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How an attempt is repeated: exponential waits with full jitter, until the attempts are used up."""

    first: float
    """Seconds: the upper bound of the first wait."""
    longest: float
    """Seconds: no wait is longer."""
    attempts: int | None
    """How many attempts in all; None is for ever."""

    def backoff(self) -> Iterator[float]:
        """The waits, in seconds; endless where attempts are."""
        # Never less than a tenth of `first`, so that no loop spins.
        least, most = self.first / 10, min(self.first, self.longest)
        for _ in count() if self.attempts is None else range(self.attempts - 1):
            yield random.uniform(least, most)
            most = min(2 * most, self.longest)


CONSIGN: Final = Policy(first=2.0, longest=20.0, attempts=None)
"""An inbox that did not take a consignment: its circuit is open for so long, then one is tried.

Together with the trial's own deadline it is what passes between the end of the cause and the next delivery."""

DEPOT: Final = Policy(first=0.5, longest=30.0, attempts=6)
"""An upload or a download, which goes on where it broke off."""

AWAY: Final = Policy(first=0.5, longest=5.0, attempts=None)
"""Something without which a router can do nothing: its database or the depot."""
