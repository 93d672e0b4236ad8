"""A copy of the ledger as of one moment, with what that copy is."""

from __future__ import annotations

from pathlib import Path

from bus.backup.databases import copy_sqlite, dump_postgresql, file_of, kind_of, seal_copy
from bus.ledger.facts import Facts, exported, facts_at


def copy_ledger(address: str, target: Path) -> Facts:
    """Copy the ledger as of one moment and return what that copy is. Raises Transient when it is away."""
    if kind_of(address) == "sqlite":
        copy_sqlite(file_of(address), target)
        facts = facts_at(f"sqlite:///{target}")
        seal_copy(target)
        return facts
    with exported(address) as (facts, snapshot):
        dump_postgresql(address, target, snapshot=snapshot)
    return facts
