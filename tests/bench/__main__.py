"""`make bench`: what a letter costs, what the bus carries, and how both compare with the bare broker.

Everything runs on this machine: a private RabbitMQ node, real signatures, a real ledger. Minutes, not seconds.
The figures are printed as a table and written to build/bench.json.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import shutil
import sys
from collections import defaultdict
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from bus.broker.management import Management
from bus.calendar import load_calendar
from bus.documents.letter import Receiver
from bus.identifiers import AgencyCode
from compose.cluster import PostgresCluster
from compose.local import LocalBus
from compose.node import OPERATOR, Node
from tests.bench import as2, costs, evidence, floods, latency, letters, searches, storage, throughput
from tests.bench import console as pages_of_country
from tests.bench.grown import CountryBus
from tests.bench.raw import raw_forward
from tests.scale.country import codes_of, directory_text

BUILD = Path(__file__).parents[2] / "build"
SENDER, OTHER, GROUP = AgencyCode("0100100000"), AgencyCode("0100500000"), "everyone"
COUNT = int(os.environ.get("BENCH_LETTERS", "2000"))
ENTRIES = int(os.environ.get("BENCH_ENTRIES", "1000000"))
BACKLOGS = (1_000, int(os.environ.get("BENCH_BACKLOG", "20000")))
CIRCULAR = 500
AGENCIES = int(os.environ.get("BENCH_AGENCIES", "8000"))
STORED = int(os.environ.get("BENCH_STORED", "20000"))
ROUNDS = 3
WITNESS_POLL = 60.0
"""As the settings of an adapter have it: the demo's adapters look at the log every two seconds."""


def main(wanted: Sequence[str]) -> int:
    """Run these measurements, or all, and write the report."""
    if unknown := set(wanted) - STEPS.keys():
        sys.stderr.write(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(STEPS)}\n")
        return 64
    steps = [step for name, step in STEPS.items() if name in wanted or not wanted]
    folder = BUILD / "bench"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    console = Console(width=110)
    report: dict[str, Any] = {"machine": _machine(), "versions": _versions(), "letters": COUNT}
    with Node(folder / "broker") as node:
        for step in steps:
            console.print(f"… {step.__name__.strip('_')}")
            step(node, folder, report)
            _write(report)
    if len(steps) == len(STEPS):
        _derive(report)
        _write(report)
        _print(console, report)
    if "floods" in report:
        _print_floods(console, report["floods"])
    if "search" in report:
        _print_search(console, report["search"])
    for kind, found in report.get("storage", {}).items():
        _print_storage(console, kind, found)
    for kind, found in report.get("console", {}).items():
        pages_of_country.show(console, kind, found)
    return 0


def _write(report: dict[str, Any]) -> None:
    (BUILD / "bench.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _costs(node: Node, folder: Path, report: dict[str, Any]) -> None:
    with _bus(node, folder, "costs") as bus:
        raws = letters.signed(bus.keys, SENDER, [Receiver(agency=OTHER)], 600)
        calendar = load_calendar(bus.folder / "calendar.toml")
        report["letter_bytes"] = sum(map(len, raws)) // len(raws)
        report["floor_us"] = round(costs.floor_us(raws, bus.seal(SENDER)), 1)
        report["gates_us"] = _rounded(costs.split_us(raws, bus.seal(SENDER), bus.directory, SENDER))
        report["in_process_us"] = _rounded(
            costs.in_process_us(raws, bus.directory, calendar, bus.seal("bus"), SENDER)
        )


def _rates(node: Node, folder: Path, report: dict[str, Any]) -> None:
    """Measure the bare broker and the bus in turn, several times: a shared machine is not the same every minute."""
    seen: dict[str, list[float]] = defaultdict(list)
    with PostgresCluster(folder / "postgres") as cluster:
        for number in range(1, ROUNDS + 1):
            seen["raw"].append(_raw(node, report["letter_bytes"]))
            peer = as2.round_trips_per_s(BUILD)
            if isinstance(peer, float):
                seen["as2"].append(peer)
            for workers, name in ((0, "sqlite"), (os.cpu_count() or 1, "workers")):
                with _bus(node, folder, f"{name}-{number}", router={"workers": workers}) as bus:
                    run = _through(bus, 1)
                seen[name].append(run.per_second)
                seen[f"{name} cpu"].append(run.cpu_seconds / run.letters * 1e6)
            for routers in (1, 2):
                name = f"postgresql-{routers}-{number}"
                url = cluster.create_database(name.replace("-", "_"))
                with _bus(node, folder, name, ledger_url=url) as bus:
                    seen[f"postgresql {routers}"].append(_through(bus, routers).per_second)
        cluster.stop()
    middle = {name: round(median(values), 1) for name, values in seen.items()}
    report["rounds"] = {name: [round(value, 1) for value in values] for name, values in seen.items()}
    report["raw_forward_per_s"], report["router_cpu_us"] = middle["raw"], middle["sqlite cpu"]
    report["router_with_workers_cpu_us"] = middle["workers cpu"]
    report["as2_per_s"] = middle.get("as2", peer)
    report["bus_per_s"] = {
        "sqlite": {"1": middle["sqlite"], "1 with workers": middle["workers"]},
        "postgresql": {"1": middle["postgresql 1"], "2": middle["postgresql 2"]},
    }


def _raw(node: Node, size: int) -> float:
    with Management(node.management_url) as management:
        management.put("vhosts", "raw")
        management.put(
            "permissions", "raw", OPERATOR, body=dict.fromkeys(("configure", "write", "read"), ".*")
        )
    return asyncio.run(raw_forward(node.url("raw", OPERATOR, node.operator_password), 20_000, size))


def _latency(node: Node, folder: Path, report: dict[str, Any]) -> None:
    with _bus(node, folder, "latency", witness_poll=WITNESS_POLL) as bus:
        bus.start_all([SENDER, OTHER])
        ends = [bus.processes[name] for name in ("serve", f"adapter-{SENDER}", f"adapter-{OTHER}")]
        report["adapter_at_rest"] = latency.at_rest(ends[-1])
        report["latency_ms"] = {
            f"{pace}/s": latency.receipts_home(bus, SENDER, OTHER, ends, per_second=pace, count=count)
            for pace, count in ((20, 600), (1, 40))
        }


def _circular(node: Node, folder: Path, report: dict[str, Any]) -> None:
    codes = [f"{20_000_00000 + number * 100_000:010d}"[-10:] for number in range(CIRCULAR)]
    with _bus(node, folder, "circular", directory=_large_directory(codes)) as bus:
        bus.start_depot()
        router = bus.start_router()
        throughput.settled(router)
        letters.upload(bus.depot_url, bus.seal(SENDER), SENDER)
        raws = letters.signed(bus.keys, SENDER, [Receiver(group=GROUP)], 3)
        runs = [throughput.through(bus, [router], SENDER, [raw], CIRCULAR + 1) for raw in raws]
    report["circular_500_s"] = round(sorted(run.seconds for run in runs)[1], 2)


def _memory(node: Node, folder: Path, report: dict[str, Any]) -> None:
    peaks = {}
    for backlog in BACKLOGS:
        with _bus(node, folder, f"memory-{backlog}") as bus:
            bus.start_depot()
            letters.upload(bus.depot_url, bus.seal(SENDER), SENDER)
            raws = letters.signed(bus.keys, SENDER, [Receiver(agency=OTHER)], backlog)
            asyncio.run(throughput.submit(bus, SENDER, raws))
            router = bus.start_router()
            while throughput.published(router) < 2 * backlog:
                throughput.pause()
            peaks[str(backlog)] = round(throughput.peak_rss_mb(router), 1)
    report["router_rss_mb"] = peaks


def _evidence(_node: Node, folder: Path, report: dict[str, Any]) -> None:
    scale = folder / "evidence"
    scale.mkdir()
    url = f"sqlite:///{scale / 'ledger.db'}"
    found: dict[str, Any] = {"entries": ENTRIES, "tree": evidence.tree_overhead(scale)}
    found["sqlite"] = evidence.at_scale(scale, url, ENTRIES)
    found["verify"] = evidence.verify_at_scale(url, scale / "scale" / "log.key.pem")
    with PostgresCluster(folder / "postgres-evidence") as cluster:
        found["postgresql"] = evidence.at_scale(scale, cluster.create_database("scale"), ENTRIES)
        cluster.stop()
    report["evidence"] = found


def _search(_node: Node, folder: Path, report: dict[str, Any]) -> None:
    url = f"sqlite:///{folder / 'search.db'}"
    found: dict[str, Any] = {"letters": searches.LETTERS}
    found["sqlite"] = {"fill_s": searches.fill(url), "ms": searches.measured(url)}
    with PostgresCluster(folder / "postgres-search") as cluster:
        url = cluster.create_database("search")
        found["postgresql"] = {"fill_s": searches.fill(url), "ms": searches.measured(url)}
        cluster.stop()
    report["search"] = found


def _floods(node: Node, folder: Path, report: dict[str, Any]) -> None:
    report["floods"] = {}
    for name in ("quiet", *floods.FLOODS):
        with _bus(node, folder, f"flood-{name}") as bus:
            report["floods"][name] = floods.under(bus, name if name in floods.FLOODS else None)


def _storage(_node: Node, folder: Path, report: dict[str, Any]) -> None:
    url = f"sqlite:///{folder / 'storage.db'}"
    report["storage"] = {"sqlite": storage.measured(url, folder / "storage-sqlite", STORED)}
    with PostgresCluster(folder / "postgres-storage") as cluster:
        url = cluster.create_database("storage")
        report["storage"]["postgresql"] = storage.measured(url, folder / "storage-postgresql", STORED)
        cluster.stop()


def _bus(node: Node, folder: Path, name: str, **changes: Any) -> LocalBus:
    return LocalBus(folder / name, broker=node, vhost=f"bench-{name}", **changes)


def _through(bus: LocalBus, routers: int) -> throughput.Run:
    bus.start_depot()
    started = [bus.start_router(f"router-{number}") for number in range(1, routers + 1)]
    letters.upload(bus.depot_url, bus.seal(SENDER), SENDER)
    raws = letters.signed(bus.keys, SENDER, [Receiver(agency=OTHER)], COUNT + 100)
    throughput.through(bus, started, SENDER, raws[:100], 200)
    for router in started:
        throughput.settled(router)
    return throughput.through(bus, started, SENDER, raws[100:], 2 * COUNT)


def _large_directory(codes: list[str]) -> str:
    own = [
        f'[[agency]]\ncode = "{code}"\nname_th = "หน่วยงาน {code}"\nname_en = "Agency {code}"\n'
        f'certificates = [{{ file = "{code}.crt.pem" }}]\n'
        for code in (SENDER, *codes)
    ]
    group = f'[[group]]\nid = "{GROUP}"\nname_th = "ทุกหน่วยงาน"\nname_en = "Everyone"\nmembers = ["*"]\n'
    return "\n".join(['version = 1\n\n[bus]\ncertificates = [{ file = "bus.crt.pem" }]\n', *own, group])


def _derive(report: dict[str, Any]) -> None:
    rates = report["bus_per_s"]
    raw = report["raw_forward_per_s"]
    memory = report["router_rss_mb"]
    small, large = (memory[str(backlog)] for backlog in BACKLOGS)
    best, peer = max(rate for one in rates.values() for rate in one.values()), report["as2_per_s"]
    report["ratios"] = {
        "bus_to_as2": round(best / peer, 1) if isinstance(peer, float) else peer,
        "bus_to_raw": {name: {n: round(r / raw, 4) for n, r in one.items()} for name, one in rates.items()},
        "router_cpu_to_floor": round(report["router_cpu_us"] / report["floor_us"], 1),
        "rss_large_to_small": round(large / small, 3),
    }


def _print(console: Console, report: dict[str, Any]) -> None:
    table = Table(title="Saraban Bus, measured", title_justify="left")
    for column in ("what", "figure", "to reach"):
        table.add_column(column)
    ratios = report["ratios"]
    best = max(rate for one in ratios["bus_to_raw"].values() for rate in one.values())
    rows: list[tuple[str, object, str]] = [
        ("(a) floor: parse, XSD, 3 C14N, ECDSA, µs", report["floor_us"], ""),
        ("(b) router CPU per letter, µs", report["router_cpu_us"], ""),
        ("    of it by gate, µs", report["gates_us"], ""),
        ("    gates, signing, ledger in one process, µs", report["in_process_us"], ""),
        ("(b)/(a)", ratios["router_cpu_to_floor"], "≤ 3.0"),
        ("    with its workers, µs", report["router_with_workers_cpu_us"], ""),
        (f"(c) raw store-and-forward, per s, median of {ROUNDS}", report["raw_forward_per_s"], ""),
        (f"(d) the bus, letters per s, medians of {ROUNDS}", report["bus_per_s"], ""),
        ("    every round", report["rounds"], ""),
        ("(d)/(c)", ratios["bus_to_raw"], ""),
        ("    best", best, "≥ 0.10"),
        (f"    an AS2 peer in memory, round trips per s, {as2.SIZE} bytes", report["as2_per_s"], ""),
        ("    best to it", ratios["bus_to_as2"], "≥ 20"),
        ("(e) receipt home, ms, and CPU of both ends", report["latency_ms"], "p50 ≤ 150, p99 ≤ 400; 5"),
        ("    an adapter at rest", report["adapter_at_rest"], "≤ 0.5 %, ≤ 80 MB"),
        ("(f) circular to 500, s", report["circular_500_s"], "≤ 5"),
        ("(g) router memory, MB", report["router_rss_mb"], "≤ 200"),
        ("    large to small backlog", ratios["rss_large_to_small"], "≤ 1.15"),
        *_evidence_rows(report["evidence"]),
    ]
    for row in rows:
        table.add_row(*map(str, row))
    console.print(table)


def _print_floods(console: Console, found: dict[str, Any]) -> None:
    table = Table(
        title="(h) another agency's letters under a flood: seconds to acceptance", title_justify="left"
    )
    columns = ("p50", "p99", "max", "letters", "flood", "settled_after", "ledger_mib", "ledger_entries")
    for column in ("flood (p99 to reach: ≤ 3)", *columns):
        table.add_column(column)
    for name, figures in found.items():
        table.add_row(name, *(str(figures[column]) for column in columns))
    console.print(table)


def _print_search(console: Console, found: dict[str, Any]) -> None:
    table = Table(title=f"(i) questions among {found['letters']:,} letters: p95, ms", title_justify="left")
    kinds = ("sqlite", "postgresql")
    columns = [f"{kind}, {what}" for kind in kinds for what in ("page of 50", "counts")]
    for column in ("question (to reach: ≤ 200)", *columns):
        table.add_column(column)
    for name in searches.QUESTIONS:
        figures = [found[kind]["ms"][name][what] for kind in kinds for what in ("page", "counts")]
        table.add_row(name, *map(str, figures))
    console.print(table)


def _print_storage(console: Console, kind: str, found: dict[str, Any]) -> None:
    title = f"(j) {kind}: {found['bytes']:,} bytes for each of {found['letters']:,} letters to one recipient"
    table = Table(title=title, title_justify="left")
    for column in ("table", "rows or index", "bytes"):
        table.add_column(column)
    for row in storage.rows(found):
        table.add_row(*row)
    console.print(table)


def _evidence_rows(found: dict[str, Any]) -> list[tuple[str, object, str]]:
    sqlite, postgresql, verify = found["sqlite"], found["postgresql"], found["verify"]
    return [
        ("append with tree and heads to without", found["tree"]["ratio"], "≤ 1.15"),
        (
            f"verify of {found['entries']:,} entries, per s",
            verify["entries_per_s"],
            "≥ 60000 by 2 processors",
        ),
        ("    by one process, per s", verify["one_process_per_s"], ""),
        ("    per second of processor time, one and all", tuple(verify["entries_per_cpu_s"]), ""),
        ("    to bare SHA-256 of the same bytes", verify["ratio"], ""),
        ("    memory of all processes, MB", verify["memory_mb"], "≤ 200"),
        ("one proof, ms (SQLite, PostgreSQL)", (sqlite["proof_ms"], postgresql["proof_ms"]), "≤ 20"),
        ("one evidence pack, ms", (sqlite["pack_ms"], postgresql["pack_ms"]), "≤ 300"),
        ("find by number, ms", (sqlite["find_by_number_ms"], postgresql["find_by_number_ms"]), "≤ 200, ≤ 50"),
    ]


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 1) for name, value in figures.items()}


def _machine() -> dict[str, Any]:
    return {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()}


def _versions() -> dict[str, str]:
    return {
        name: version(name) for name in ("pika", "lxml", "signxml", "xmlschema", "sqlalchemy", "cryptography")
    }


def _console(node: Node, folder: Path, report: dict[str, Any]) -> None:
    """The pages over a country's ledger, on both databases; minutes for each to be filled."""
    report["console"] = {}
    directory = directory_text(codes_of(AGENCIES))
    with PostgresCluster(folder / "postgres-console") as cluster:
        for kind, url in (("sqlite", None), ("postgresql", cluster.create_database("console"))):
            name = f"console-{kind}"
            with CountryBus(
                folder / name,
                broker=node,
                vhost=f"bench-{name}",
                ledger_url=url,
                directory=directory,
                witnesses=False,
                # One agency sends for all.
                shares={"messages": 10**6, "bytes": 10**10},
            ) as bus:
                report["console"][kind] = pages_of_country.measured(bus, ENTRIES, COUNT)
            _write(report)
        cluster.stop()


STEPS = {
    step.__name__.strip("_"): step
    for step in (
        _costs,
        _rates,
        _latency,
        _circular,
        _memory,
        _floods,
        _evidence,
        _search,
        _storage,
        _console,
    )
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
