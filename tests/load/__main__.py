"""`make load`: 300 reads and 200 writes a second (Digital Service Standard), ten minutes without faults and ten with.

A write is a letter, signed beforehand, until its acceptance is in its sender's inbox; a read is a look-up over HTTP by
somebody who is signed in: mostly a letter's timeline as JSON, some searches, some pages. The ledger has been through
some months before. The environment may say otherwise: SECONDS, READS, WRITES, FAULTS (off, on or both), FAULT_EVERY,
DATABASE (postgresql or sqlite), ROUTERS, CONSOLES, WORKERS (of each router), ENTRIES. Figures go to build/load.json.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, nullcontext
from pathlib import Path
from time import time
from typing import Any
from urllib.parse import quote

from sqlalchemy import select

from bus.broker import topology
from bus.ledger.tables import letters as letters_table
from bus.operators import Role
from compose.cluster import PostgresCluster
from compose.node import Node
from compose.ports import free_ports
from compose.process import Process
from tests.bench import letters, looking, throughput
from tests.bench.grown import CountryBus, Places, grow
from tests.load import readers, senders
from tests.load.faults import Faults
from tests.load.readers import Look
from tests.scale.country import codes_of, directory_text

BUILD = Path(__file__).parents[2] / "build"
SECONDS = float(os.environ.get("SECONDS") or 600)
READS, WRITES = float(os.environ.get("READS") or 300), float(os.environ.get("WRITES") or 200)
FAULTS = {"off": [False], "on": [True], "both": [False, True]}[os.environ.get("FAULTS") or "both"]
FAULT_EVERY = float(os.environ.get("FAULT_EVERY") or 45)
DATABASE = os.environ.get("DATABASE") or "postgresql"
CONSOLES, WORKERS = int(os.environ.get("CONSOLES") or 1), int(os.environ.get("WORKERS") or 0)
ROUTERS = int(os.environ.get("ROUTERS") or (2 if DATABASE == "postgresql" else 1))
ENTRIES = int(os.environ.get("ENTRIES") or 200_000)
_AGENCIES, _SENDERS = 300, 20
_BEFORE = 10.0
"""Seconds between all being ready and the first letter: processes start meanwhile."""


def main() -> int:
    """Measure; 0 if every letter was accepted once and delivered once, and every reading was answered."""
    folder = BUILD / "load"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    report: dict[str, Any] = {"cores": os.cpu_count(), "database": DATABASE, "routers": ROUTERS}
    report |= {"workers": WORKERS, "consoles": CONSOLES, "reads": READS, "writes": WRITES, "seconds": SECONDS}
    with ExitStack() as stack:
        node = stack.enter_context(Node(folder / "broker"))
        cluster = (
            stack.enter_context(PostgresCluster(folder / "postgres")) if DATABASE == "postgresql" else None
        )
        bus = stack.enter_context(
            CountryBus(
                folder / "bus",
                broker=node,
                vhost="load",
                ledger_url=cluster.create_database("load") if cluster else None,
                directory=directory_text(codes_of(_AGENCIES)),
                witnesses=False,
                router={"workers": WORKERS},
                shares={"messages": 10**9, "bytes": 10**13},  # twenty agencies send for all
            )
        )
        places = grow(bus, bus.open_ledger(), ENTRIES)
        file, wanted = folder / "letters", int(SECONDS * WRITES)
        print(f"… signing {wanted * len(FAULTS):,} letters", flush=True)
        senders.prepare(file, bus.keys, places.agencies[:_SENDERS], wanted * len(FAULTS))
        bus.start_depot()
        for code in places.agencies[:_SENDERS]:
            letters.upload(bus.depot_url, bus.seal(code), code)
        routers = [bus.start_router(f"router-{number}") for number in range(1, ROUTERS + 1)]
        consoles = _consoles(bus)
        looks = _looks(bus, places)
        for number, faulty in enumerate(FAULTS):
            print(f"… {SECONDS:g} s {'with' if faulty else 'without'} faults", flush=True)
            report["with faults" if faulty else "without"] = found = _measured(
                bus, routers, consoles, looks, file, number * wanted, faulty=faulty
            )
            print(json.dumps(found, indent=2, ensure_ascii=False), flush=True)
            (BUILD / "load.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    every = [report[name] for name in ("without", "with faults") if name in report]
    return 0 if all(one["writes"]["lost"] == one["reads"]["given_up"] == 0 for one in every) else 1


def _consoles(bus: CountryBus) -> list[tuple[int, Process]]:
    """Start as many consoles as are wanted, each on a port of its own, behind which a proxy would stand."""
    first = bus.start_console()
    found = [(bus.console_port, first)]
    for number, port in enumerate(free_ports(CONSOLES - 1) if CONSOLES > 1 else (), 2):
        command = ["console", "-c", str(bus.folder / "bus.toml")]
        environment = {"SARABAN_BUS__CONSOLE__LISTEN_PORT": str(port)}
        found.append(
            (port, bus._start(f"console-{number}", "bus", command, f"http://127.0.0.1:{port}", environment))
        )
    return found


def _looks(bus: CountryBus, places: Places) -> list[Look]:
    visitors = looking.Visitors(bus, places)
    looking.permit(bus, places)
    visitors.await_reading()
    cookie = {}
    for role in (Role.OPERATOR, Role.AUDITOR):
        with visitors.of(role) as client:
            cookie[role] = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    operator, auditor = cookie[Role.OPERATOR], cookie[Role.AUDITOR]
    with bus.open_ledger().engine.connect() as connection:
        older = select(letters_table.c.letter).where(letters_table.c.letter <= places.cheap).limit(500)
        numbers = list(connection.scalars(older))
    return [
        Look("a letter's timeline, JSON", 90, [f"/timelines/{number}.json" for number in numbers], operator),
        Look("an entry, page", 4, [f"/entries/{number}" for number in numbers], auditor),
        Look(
            "search by number, JSON",
            4,
            [f"/search.json?number={quote(f'นร 0105/{n}')}" for n in range(1, 500)],
            auditor,
        ),
        Look("a letter's timeline, page", 1, [f"/timelines/{number}" for number in numbers], operator),
        Look("overview, page", 1, ["/overview?trouble=any"], operator),
    ]


def _measured(
    bus: CountryBus,
    routers: list[Process],
    consoles: Sequence[tuple[int, Process]],
    looks: Sequence[Look],
    file: Path,
    skip: int,
    *,
    faulty: bool,
) -> dict[str, Any]:
    watched = {process.name: process for process in (*routers, *(one for _, one in consoles))}
    cpu = {name: throughput.cpu_seconds(one, workers=True) for name, one in watched.items()}
    agencies = list(bus.directory.inboxes[:_SENDERS])
    urls = {code: bus.amqp_url(topology.user_of(code)) for code in agencies}
    breaking = Faults(bus, routers, [one for _, one in consoles], FAULT_EVERY) if faulty else None
    spawn = multiprocessing.get_context("spawn")
    begin = time() + _BEFORE
    with ProcessPoolExecutor(2, mp_context=spawn) as pool:
        writing = pool.submit(senders.submit, urls, file, skip, WRITES, SECONDS, begin)
        reading = pool.submit(readers.read, [port for port, _ in consoles], looks, READS, SECONDS, begin)
        with breaking or nullcontext():
            readings = reading.result()
        written = writing.result()
    seconds = max(SECONDS, written.last)
    found: dict[str, Any] = {
        "writes": {
            "asked": written.asked,
            "accepted": len(written.seconds),
            "per_second": round(len(written.seconds) / seconds, 1),
            **_spread(written.seconds),
            "sent_again": written.resent,
            "refused": written.refused,
            "lost": written.unanswered + written.undelivered,
            "twice": written.twice,
        },
        "reads": {
            "answered": sum(map(len, readings.seconds.values())),
            "failed_at_first": readings.failed,
            "given_up": readings.given_up,
            "by_kind": {name: _spread(some) for name, some in readings.seconds.items()},
            **_spread([each for some in readings.seconds.values() for each in some]),
        },
    }
    if breaking:
        found["faults"] = dict(breaking.happened)
    else:  # a process that was killed has begun anew
        spent = {name: throughput.cpu_seconds(one, workers=True) - cpu[name] for name, one in watched.items()}
        found["cpu_share"] = {name: round(used / seconds, 2) for name, used in spent.items()}
    return found


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    """Milliseconds."""
    ordered = sorted(seconds)
    shares = {"p50_ms": 0.5, "p99_ms": 0.99, "max_ms": 1.0}
    return {
        name: round(ordered[round(share * (len(ordered) - 1))] * 1000, 1)
        for name, share in shares.items()
        if ordered
    }


if __name__ == "__main__":
    sys.exit(main())
