"""A queue over time as a picture (SVG) that is made here: no script, no style in it, colours from the stylesheet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from markupsafe import Markup

from bus.console.history import Point
from bus.thai import BANGKOK

_WIDTH, _HEIGHT = 720, 180
_LEFT, _TOP, _BOTTOM = 56, 12, 26
_HOURS: Final = 24


def queue_over_time(points: Sequence[Point], label: str) -> Markup:
    """Return what was in a queue, and what was not in it yet, minute by minute; a gap is what is not known."""
    if not points:
        return Markup("")
    top = max((max(one.waiting or 0, one.pending) for one in points), default=0)
    scale = _nice(top)
    first, last = (datetime.fromisoformat(one.at).timestamp() for one in (points[0], points[-1]))
    span = max(last - first, 60.0)

    def x(at: str) -> float:
        return _LEFT + (_WIDTH - _LEFT - 8) * (datetime.fromisoformat(at).timestamp() - first) / span

    def y(value: int) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - value / scale)

    lines = [
        _line("waiting", [(x(one.at), y(one.waiting)) for one in some if one.waiting is not None])
        for some in _known(points)
    ]
    lines.append(_line("pending", [(x(one.at), y(one.pending)) for one in points]))
    grid = Markup("").join(
        Markup('<line class="grid" x1="{0}" x2="{1}" y1="{2:.1f}" y2="{2:.1f}"/>'
               '<text x="{3}" y="{4:.1f}" text-anchor="end">{5:,}</text>').format(
            _LEFT, _WIDTH - 8, y(value), _LEFT - 6, y(value) + 4, value
        )
        for value in sorted({0, scale // 2, scale})
    )  # fmt: skip
    ends = Markup(
        '<text x="{0}" y="{1}">{2}</text><text x="{3}" y="{1}" text-anchor="end">{4}</text>'
    ).format(_LEFT, _HEIGHT - 6, _clock(points[0].at), _WIDTH - 8, _clock(points[-1].at))
    return Markup(
        '<svg class="queue" viewBox="0 0 {0} {1}" role="img" aria-label="{2}">{3}{4}{5}</svg>'
    ).format(_WIDTH, _HEIGHT, label, grid, Markup("").join(lines), ends)


def by_hour(points: Sequence[Point]) -> list[dict[str, object]]:
    """Return the same figures as a table has them: of each hour the most, and the last; the newest hour first."""
    hours: dict[str, list[Point]] = {}
    for one in points:
        hours.setdefault(one.at[:13], []).append(one)
    return [
        {
            "from": some[0].at,
            "most": max((one.waiting for one in some if one.waiting is not None), default=None),
            "last": some[-1].waiting,
            "pending": max(one.pending for one in some),
        }
        for _, some in sorted(hours.items(), reverse=True)
    ]


def _known(points: Sequence[Point]) -> list[list[Point]]:
    """The stretches in which the queue is known."""
    found: list[list[Point]] = [[]]
    for one in points:
        if one.waiting is None:
            found.append([])
        else:
            found[-1].append(one)
    return [some for some in found if some]


def _line(what: str, places: Sequence[tuple[float, float]]) -> Markup:
    if len(places) == 1:
        return Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="3"/>').format(what, *places[0])
    return Markup('<polyline class="{}" points="{}"/>').format(
        what, " ".join(f"{across:.1f},{down:.1f}" for across, down in places)
    )


def _nice(top: int) -> int:
    """The end of the scale: a round number that is not below the largest value."""
    size = 1
    while size * 10 <= top:
        size *= 10
    return max(2, next(size * step for step in (1, 2, 5, 10) if size * step >= top))


def _clock(at: str) -> str:
    return f"{datetime.fromisoformat(at).astimezone(BANGKOK):%H:%M}"
