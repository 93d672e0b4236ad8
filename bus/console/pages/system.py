"""How each part of the bus is, out of the newest reading."""

from __future__ import annotations

from collections import Counter

from bus.console.asked import Asked
from bus.console.pages.questions import require_known
from bus.console.roles import OPERATORS
from bus.pages.answers import Answer, Page, Shown

_WORST = {"bad": 0, "warn": 1, "off": 2, "good": 3}


def system(asked: Asked) -> Answer:
    """Show every part with its state, what was found, and when it was looked at."""
    require_known(asked, ())
    readings = asked.site.readings
    states = list(readings.system)
    parts: dict[str, list[dict[str, object]]] = {}
    for one in states:
        parts.setdefault(one["part"], []).append(one)
    for some in parts.values():
        some.sort(key=lambda one: _WORST[str(one["level"])])
    value = {
        "asOf": states[0]["checkedAt"] if states else None,
        "begunAt": readings.begun_at,
        "counts": Counter(one["level"] for one in states),
        "parts": [{"part": part, "states": some} for part, some in parts.items()],
    }
    return Shown("system.html", value)


PAGES = (Page("/system", OPERATORS, system),)
