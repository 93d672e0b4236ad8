"""The ledger number that an address asks by."""

from __future__ import annotations

from bus.errors import NotUnderstood
from bus.views.letters import ledger_number


def number_in(values: dict[str, str], name: str) -> int | None:
    """Return the ledger number under a name; None where nothing is given. Raises NotUnderstood for what is none."""
    if (text := values.get(name)) is None:
        return None
    number = ledger_number(text)
    if not number:
        raise NotUnderstood(f"{name} is no ledger number: {text}")
    return number
