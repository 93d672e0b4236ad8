"""What the centre's doctor looks at; nothing of it changes the bus, and it can be asked while all of it runs."""

from __future__ import annotations

from bus.checks import brokers, console, depot, ledger, machine
from bus.doctor import Check
from bus.settings.bus import BusSettings


def checks(settings: BusSettings) -> list[Check]:
    """Return everything to be looked at, in the order in which what is found explains what follows."""
    return [
        *machine.checks(settings),
        *ledger.checks(settings),
        *depot.checks(settings),
        *brokers.checks(settings),
        *console.checks(settings),
    ]
