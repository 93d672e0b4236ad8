"""Named steps at which a fault test can make a process die, stop or fail; they cost one comparison when off.

`SARABAN_FAILPOINTS` arms them: `NAME=ACTION[@N]`, several joined by commas. ACTION is `kill` (SIGKILL to itself),
`stop` (SIGSTOP to itself) or `raise`; N is the visit at which it acts, the first if left out. `SARABAN_FAILPOINT_LOG`
names a file that takes the point's name just before it acts: a test asserts by it that its fault happened, and a
point that stands in it does not act again, so that a restarted process gets further.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from bus.errors import BusError


class FailpointReached(BusError):
    """A failpoint armed with `raise` was reached."""


def _armed(text: str) -> dict[str, tuple[str, int]]:
    points = {}
    for item in filter(None, text.split(",")):
        name, _, action = item.partition("=")
        action, _, visit = action.partition("@")
        points[name.strip()] = (action.strip(), int(visit or 1))
    return points


_points = _armed(os.environ.get("SARABAN_FAILPOINTS", ""))
_visits: dict[str, int] = {}


def reached(name: str) -> None:
    """Act if the failpoint `name` is armed and this is its visit; return at once otherwise."""
    if _points and name in _points:
        _act(name)


def _act(name: str) -> None:
    action, visit = _points[name]
    _visits[name] = _visits.get(name, 0) + 1
    log = os.environ.get("SARABAN_FAILPOINT_LOG")
    if _visits[name] != visit or (log and _stands_in(Path(log), name)):
        return
    if log:
        with open(log, "a", encoding="utf-8") as lines:
            lines.write(name + "\n")
            lines.flush()
            os.fsync(lines.fileno())
    if action == "raise":
        raise FailpointReached(name)
    os.kill(os.getpid(), signal.SIGKILL if action == "kill" else signal.SIGSTOP)


def _stands_in(log: Path, name: str) -> bool:
    return log.exists() and name in log.read_text(encoding="utf-8").splitlines()
