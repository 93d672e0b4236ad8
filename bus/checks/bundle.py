"""What an operator sends when asking for help: settings, versions, the doctor's lines and counts of the ledger.

No secret, no word of a letter, no name or number of one: codes and counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bus.checks.ledger import figures
from bus.checks.machine import versions
from bus.doctor import Line
from bus.settings.bus import BusSettings
from bus.settings.shown import shown
from bus.thai import now


def members(settings: BusSettings, lines: Iterable[Line]) -> dict[str, Any]:
    """Return the files of the bundle by name."""
    return {
        "about": {"made_at": now().isoformat(), "versions": versions()},
        "doctor": [line.view() for line in lines],
        "settings": shown(settings),
        "ledger": figures(settings),
    }
