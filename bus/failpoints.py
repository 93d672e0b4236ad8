"""Named steps at which a fault test can make a process die, stop or fail; they cost one comparison when off.

`SARABAN_FAILPOINTS` arms them: `NAME[:SUBJECT]=ACTION[@N]`, several joined by commas. ACTION is `kill` (SIGKILL to
itself), `stop` (SIGSTOP to itself) or `raise`; N is the visit at which it acts, the first if left out. With a SUBJECT
(a submission's SHA-256, what an append is for) only those visits count that are about it. `SARABAN_FAILPOINT_LOG`
names a file that takes the point's name just before it acts: a test asserts by it that its fault happened, and a
point that stands in it does not act again, so that a restarted process gets further. `@*` acts at every visit in
every process: what is about that subject can never get past this point.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bus.errors import BusError
from bus.platform.process import FREEZE, KILL


class FailpointReached(BusError):
    """A failpoint armed with `raise` was reached."""

    for_logs = True


@dataclass(frozen=True, slots=True)
class _Point:
    subject: str
    action: str
    visit: int | None
    """None: every one."""


def _armed(text: str) -> dict[str, _Point]:
    points = {}
    for item in filter(None, text.split(",")):
        step, _, act = item.partition("=")
        name, _, subject = step.strip().partition(":")
        action, _, visit = act.strip().partition("@")
        points[name] = _Point(subject, action, None if visit == "*" else int(visit or 1))
    return points


_points: dict[str, _Point] = {}
_visits: dict[str, int] = {}


def arm(text: str) -> None:
    """Arm the points of this text, in place of those before."""
    _points.clear()
    _points.update(_armed(text))


arm(os.environ.get("SARABAN_FAILPOINTS", ""))


def reached(name: str, about: Iterable[str] = ()) -> None:
    """Act if the failpoint `name` is armed for something of what this visit is about; return at once otherwise."""
    if _points and name in _points:
        _act(name, about)


def _act(name: str, about: Iterable[str]) -> None:
    point = _points[name]
    if point.subject and point.subject not in about:
        return
    _visits[name] = _visits.get(name, 0) + 1
    log = os.environ.get("SARABAN_FAILPOINT_LOG")
    if point.visit and (_visits[name] != point.visit or (log and _stands_in(Path(log), name))):
        return
    if log:
        with open(log, "a", encoding="utf-8") as lines:
            lines.write(name + "\n")
            lines.flush()
            os.fsync(lines.fileno())
    if point.action == "raise":
        raise FailpointReached(name)
    os.kill(os.getpid(), KILL if point.action == "kill" else FREEZE)


def _stands_in(log: Path, name: str) -> bool:
    return log.exists() and name in log.read_text(encoding="utf-8").splitlines()
