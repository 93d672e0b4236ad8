"""Grants by which an auditor opens a letter: those that are in force for a person now."""

from __future__ import annotations

from datetime import datetime

from bus.ledger.entry import Entry, Kind
from bus.ledger.history import History


def grant_in_force(entries: History, auditor: str, at: datetime) -> Entry | None:
    """Return, of the entries about a letter, the grant for this auditor that ends last, and has not ended."""
    mine = [
        entry
        for entry in entries.of_kind(Kind.GRANTED)
        if entry.kind is Kind.GRANTED
        and entry.body["auditor"] == auditor
        and datetime.fromisoformat(entry.body["until"]) >= at
    ]
    return max(mine, key=lambda entry: str(entry.body["until"]), default=None)
