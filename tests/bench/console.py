"""(j) The console's pages over a ledger of a country, its memory, and what ten people who look cost the router."""

from __future__ import annotations

from statistics import median
from time import perf_counter
from typing import Any

from rich.console import Console
from rich.table import Table

from bus.documents.letter import Receiver
from tests.bench import letters, looking, throughput
from tests.bench.addresses import addresses
from tests.bench.grown import CountryBus, Places, grow

ROUNDS = 3
_SLOWEST = 40


def measured(bus: CountryBus, entries: int, count: int) -> dict[str, Any]:
    """Fill the ledger with so many entries and measure on it, the router with so many letters each round."""
    began = perf_counter()
    places = grow(bus, bus.open_ledger(), entries)
    found: dict[str, Any] = {"entries": entries, "agencies": len(places.agencies)}
    found["fill_s"] = round(perf_counter() - began, 1)
    bus.start_depot()
    console = bus.start_console()
    visitors = looking.Visitors(bus, places)
    looking.permit(bus, places)
    visitors.add_jobs()
    visitors.await_reading()
    asked = addresses(places)
    found["quiet_cpu_s_per_minute"] = looking.quiet_cpu(console)
    found["pages"] = looking.one_by_one(visitors, console, asked)
    found["ten_at_once"] = looking.at_once(visitors, asked)
    found["rss_mb"] = looking.repeated(visitors, console, asked, looking.REQUESTS)
    found["router"] = _router(bus, places, visitors, count)
    return found


def _router(bus: CountryBus, places: Places, visitors: looking.Visitors, count: int) -> dict[str, Any]:
    """Letters a second, in turn with nobody at the console and with ten people who look at its pages."""
    sender, to = places.agencies[0], places.agencies[1]
    router = bus.start_router()
    letters.upload(bus.depot_url, bus.seal(sender), sender)
    wanted = (2 * ROUNDS + 1) * count
    raws = letters.signed(bus.keys, sender, [Receiver(agency=to)], wanted)
    rates: dict[str, list[float]] = {"alone": [], "with ten people": []}
    for number in range(2 * ROUNDS + 1):
        some = raws[number * count : (number + 1) * count]
        throughput.settled(router)
        if not number % 2:
            run = throughput.through(bus, [router], sender, some, 2 * count)
        else:
            with looking.looking(visitors):
                run = throughput.through(bus, [router], sender, some, 2 * count)
        if number:  # the first round warms up
            rates["with ten people" if number % 2 else "alone"].append(round(run.per_second, 1))
    middle = {name: median(some) for name, some in rates.items()}
    ratio = middle["with ten people"] / middle["alone"]
    return {"per_second": rates, "ratio": round(ratio, 3)}


def show(console: Console, kind: str, found: dict[str, Any]) -> None:
    """Print what was measured on one database: the slowest pages, and all that are slower than they may be."""
    title = f"(j) the console, {found['entries']:,} entries, {found['agencies']:,} agencies, {kind}"
    table = Table(title=title, title_justify="left")
    for column in ("page", "p95, ms", "CPU, ms", "to reach", "KiB"):
        table.add_column(column)
    for one in sorted(found["pages"], key=lambda one: -float(one["p95_ms"]))[:_SLOWEST]:
        most = f"≤ {one['most_ms']}" if one["most_ms"] else "a file"
        table.add_row(one["address"], str(one["p95_ms"]), str(one["cpu_ms"]), most, str(one["kib"]))
    console.print(table)
    slow = [one["address"] for one in found["pages"] if one["most_ms"] and one["p95_ms"] > one["most_ms"]]
    for what, figure in (
        ("pages slower than they may be", slow),
        ("CPU while nobody asks, s a minute", found["quiet_cpu_s_per_minute"]),
        ("ten people at once", found["ten_at_once"]),
        ("memory by requests, MB (≤ 200)", found["rss_mb"]),
        ("router with ten people to alone (≥ 0.95)", found["router"]),
    ):
        console.print(f"{what}: {figure}")
