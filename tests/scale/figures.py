"""What is read from outside of a running country: work lists, sizes, memory, and the cost of one letter."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import func, select

from bus import assets
from bus.calendar import load_calendar
from bus.directory import directory_of, load_directory, records_of
from bus.documents.letter import Receiver
from bus.documents.seal import Seal
from bus.identifiers import AgencyCode
from bus.ledger.tables import consignments, documents
from bus.ledger.tables import pending as waiting
from compose.local import LocalBus
from compose.node import Node
from compose.process import Process
from tests.bench import costs, evidence, letters
from tests.scale.country import codes_of, directory_text, make_keys


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


def cost(folder: Path, count: int, entries: int = 1_000_000) -> dict[str, float]:
    """Return the CPU of a letter among so many agencies and entries, and among seven and ten thousand, in µs."""
    folder = folder / "cost"
    small = _cost(folder / "small", 7, 10_000)
    large = _cost(folder / "large", count, entries)
    return {"small_us": round(small), "large_us": round(large), "ratio": round(large / small, 2)}


def _cost(folder: Path, count: int, entries: int) -> float:
    codes = codes_of(count)
    folder.mkdir(parents=True)
    keys = folder / "keys"
    make_keys(keys, ["bus", *codes])
    file = folder / "agencies.toml"
    file.write_text(directory_text(codes), encoding="utf-8")
    sender, other = map(AgencyCode, (codes[0], codes[-1]))
    seal = Seal.from_files(keys / "bus.key.pem", keys / "bus.crt.pem")
    spent = costs.in_process_us(
        letters.signed(keys, sender, [Receiver(agency=other)], 640),
        directory_of(1, records_of(load_directory(file, certificates=keys))),
        load_calendar(assets.path("config/calendar.toml")),
        seal,
        sender,
        before=lambda ledger: evidence.fill(ledger, entries),
    )
    return sum(spent.values())


def consigned_with(bus: LocalBus, entry: object) -> list[tuple[str, int]]:
    """Return the inboxes that an entry was consigned to, each with the number of the consignment."""
    query = select(consignments.c.agency, consignments.c.number).where(consignments.c.entry == entry)
    with bus.open_ledger().engine.connect() as connection:
        return [(row.agency, row.number) for row in connection.execute(query)]
