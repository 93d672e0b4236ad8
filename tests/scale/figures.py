"""What is read from outside of a running country: work lists, sizes and memory."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import func, select

from bus.ledger.tables import consignments, documents
from bus.ledger.tables import pending as waiting
from compose.local import LocalBus
from compose.node import Node
from compose.process import Process


def pending(bus: LocalBus) -> dict[str, int]:
    """Return how much waits for each agency."""
    with bus.open_ledger().engine.connect() as connection:
        rows = connection.execute(select(waiting.c.agency, func.count()).group_by(waiting.c.agency))
        return {agency: count for agency, count in rows}


def newest_statement(bus: LocalBus) -> int:
    """Return the bytes of what each agency was consigned of the newest version of the directory."""
    query = (
        select(func.length(documents.c.bytes))
        .join(consignments, consignments.c.document == documents.c.sha256)
        .where(consignments.c.type == "directory")
        .order_by(consignments.c.entry.desc())
        .limit(1)
    )
    with bus.open_ledger().engine.connect() as connection:
        return int(connection.execute(query).scalar_one())


def forget_peak(process: Process) -> None:
    """Have the kernel begin a process's largest resident memory anew (Linux: proc(5), clear_refs)."""
    Path(f"/proc/{process.pid}/clear_refs").write_text("5")


def broker_mb(node: Node) -> int:
    """Return the resident memory of the broker."""
    used = node.ctl("eval", "erlang:memory(total).", timeout=120.0)
    return int(used.strip()) // 1024**2


def consigned_with(bus: LocalBus, entry: object) -> list[tuple[str, int]]:
    """Return the inboxes that an entry was consigned to, each with the number of the consignment."""
    query = select(consignments.c.agency, consignments.c.number).where(consignments.c.entry == entry)
    with bus.open_ledger().engine.connect() as connection:
        return [(row.agency, row.number) for row in connection.execute(query)]
