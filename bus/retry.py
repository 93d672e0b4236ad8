"""How often and how long an attempt is repeated, as values; and which errors are worth repeating at all.

Only what is temporary is tried again: `Transient`, and the operating system's word that something is not there
right now. A `Refused` or a `Misconfigured` would be the same the second time. Every wait has jitter, so that
agencies cut off together do not come back together, and every wait ends at once when the process is told to stop.

    for attempt in DATABASE.attempts_until(stopping):    async for attempt in DEPOT.attempts_async():
        with attempt:                                        with attempt:
            ledger.append(batch)                                 await depot.put(file)

When the attempts are used up, the last error itself comes out.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Event
from typing import Final, TypeVar

import tenacity
from tenacity.wait import wait_base

from bus.errors import Transient

_T = TypeVar("_T")

_LASTING: Final = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)
_LASTING_NUMBERS: Final = frozenset({errno.ENAMETOOLONG, errno.EROFS, errno.EINVAL, errno.ELOOP, errno.EXDEV})


class Interrupted(Transient):
    """A wait before the next attempt was cut short, because the process is stopping."""


def is_temporary(error: BaseException) -> bool:
    """Whether the same attempt may succeed later: Transient, or an OSError not about a path or a permission."""
    if isinstance(error, Interrupted):
        return False
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
    def wait(self) -> wait_base:
        """The waits, as tenacity takes them; never less than a tenth of `first`, so that no loop spins."""
        return tenacity.wait_random_exponential(multiplier=self.first, max=self.longest, min=self.first / 10)

    def waits(self) -> Iterator[float]:
        """The waits themselves, in seconds, for a loop that keeps its own account; endless where attempts are."""
        state = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
        wait = self.wait
        while self.attempts is None or state.attempt_number < self.attempts:
            yield wait(state)
            state.attempt_number += 1

    def attempts_async(self) -> tenacity.AsyncRetrying:
        """The attempts, for `async for`; cancelling the task ends a wait."""
        return tenacity.AsyncRetrying(wait=self.wait, stop=self._stop, retry=_IF_TEMPORARY, reraise=True)

    def attempts_until(self, stopping: Event) -> tenacity.Retrying:
        """The attempts, for `for`; setting `stopping` ends a wait with Interrupted."""
        return tenacity.Retrying(
            wait=self.wait, stop=self._stop, retry=_IF_TEMPORARY, reraise=True, sleep=_sleep_until(stopping)
        )

    @property
    def _stop(self) -> tenacity.stop.stop_base:
        return tenacity.stop_never if self.attempts is None else tenacity.stop_after_attempt(self.attempts)


_IF_TEMPORARY: Final = tenacity.retry_if_exception(is_temporary)


def _sleep_until(stopping: Event) -> Callable[[float], None]:
    def sleep(seconds: float) -> None:
        if stopping.wait(seconds):
            raise Interrupted("stopped while waiting for the next attempt")

    return sleep


CONSIGN: Final = Policy(first=2.0, longest=20.0, attempts=None)
"""An inbox that did not take a consignment: its circuit is open for so long, then one is tried.

Together with the trial's own deadline it is what passes between the end of the cause and the next delivery."""

DEPOT: Final = Policy(first=0.5, longest=30.0, attempts=6)
"""An upload or a download, which goes on where it broke off."""

AWAY: Final = Policy(first=0.5, longest=5.0, attempts=None)
"""Something without which a router can do nothing: its database or the depot."""
