"""How often and how long an attempt is repeated, as values; and which errors are worth repeating at all.

Only what is temporary is tried again: `Transient`, and what the operating system reports as not there
right now. A `Refused` or a `Misconfigured` would be the same the second time. Every wait has jitter, so that
agencies cut off together do not come back together, and cancelling a task ends its wait.

    async for attempt in DEPOT.attempts_async():
        with attempt:
            await depot.put(file)

When the attempts are used up, the last error itself comes out.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import tenacity
from tenacity.wait import wait_base

from bus.errors import Transient

_LASTING: Final = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)
_LASTING_NUMBERS: Final = frozenset({errno.ENAMETOOLONG, errno.EROFS, errno.EINVAL, errno.ELOOP, errno.EXDEV})


def is_temporary(error: BaseException) -> bool:
    """Whether the same attempt may succeed later: Transient, or an OSError not about a path or a permission."""
    if isinstance(error, OSError):
        return not isinstance(error, _LASTING) and error.errno not in _LASTING_NUMBERS
    return isinstance(error, Transient)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How an attempt is repeated: exponential waits with full jitter, until the attempts are used up."""

    first: float
    """Seconds: the upper bound of the first wait."""
    longest: float
    """Seconds: no wait is longer."""
    attempts: int | None
    """How many attempts in all; None is for ever."""

    @property
    def _wait(self) -> wait_base:
        # Never less than a tenth of `first`, so that no loop spins.
        return tenacity.wait_random_exponential(multiplier=self.first, max=self.longest, min=self.first / 10)

    def backoff(self) -> Iterator[float]:
        """The waits, in seconds, for a loop that keeps its own account; endless where attempts are."""
        state = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
        wait = self._wait
        while self.attempts is None or state.attempt_number < self.attempts:
            yield wait(state)
            state.attempt_number += 1

    def attempts_async(self) -> tenacity.AsyncRetrying:
        """The attempts, for `async for`; cancelling the task ends a wait."""
        return tenacity.AsyncRetrying(wait=self._wait, stop=self._stop, retry=_IF_TEMPORARY, reraise=True)

    @property
    def _stop(self) -> tenacity.stop.stop_base:
        return tenacity.stop_never if self.attempts is None else tenacity.stop_after_attempt(self.attempts)


_IF_TEMPORARY: Final = tenacity.retry_if_exception(is_temporary)


CONSIGN: Final = Policy(first=2.0, longest=20.0, attempts=None)
"""An inbox that did not take a consignment: its circuit is open for so long, then one is tried.

Together with the trial's own deadline it is what passes between the end of the cause and the next delivery."""

DEPOT: Final = Policy(first=0.5, longest=30.0, attempts=6)
"""An upload or a download, which goes on where it broke off."""

AWAY: Final = Policy(first=0.5, longest=5.0, attempts=None)
"""Something without which a router can do nothing: its database or the depot."""
