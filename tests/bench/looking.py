"""How long the console's pages take over a million entries and 8,000 agencies, and what they cost the router.

The console is the real process, asked over HTTP by people who are signed in. Wall time is what a person waits; on a
machine that others load it is theirs too, so that beside it stands the CPU time of the console's process.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import cycle
from pathlib import Path
from time import monotonic, perf_counter, sleep
from typing import Any

import httpx

from bus.console.jobs.table import JobKind, Jobs
from bus.console.store import Store
from bus.ledger.entry import Kind, timestamp
from bus.operators import Operator, Role
from bus.thai import now
from compose.local import LocalBus
from compose.process import Process
from tests.bench.addresses import Address
from tests.bench.grown import Places
from tests.bench.throughput import cpu_seconds, peak_rss_mb

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "30"))
REQUESTS = int(os.environ.get("BENCH_REQUESTS", "5000"))
PEOPLE = 10
_COOKIE = "saraban-session"
_READING = re.compile(r"^VmRSS:\s+(\d+) kB", re.MULTILINE)
PERSONS = {
    Role.OPERATOR: Operator("operator-sample", Role.OPERATOR, "local"),
    Role.STEWARD: Operator("steward-sample", Role.STEWARD, "local"),
    Role.AUDITOR: Operator("auditor-sample", Role.AUDITOR, "local"),
}
LOOKED_AT = ("/overview", "/overview?trouble=any", "/timelines/{cheap}", "/agencies/{agencies[1]}", "/parked")
SEARCHED = (
    "/search?newest=1",
    "/search?subject=ประชุม",
    "/letters/{letters[3]}",
    "/search?from={agencies[0]}",
)
EVERY, REFRESHED = 10.0, 15.0
"""Seconds between two pages that one person opens, and in which the overview asks for its figures anew."""


class Visitors:
    """Browsers of people of each role."""

    def __init__(self, bus: LocalBus, places: Places) -> None:
        self.url = f"http://127.0.0.1:{bus.console_port}"
        self._database = f"sqlite:///{bus.folder / 'console.db'}"
        self.values = {name: getattr(places, name) for name in Places.__slots__}

    def of(self, role: Role) -> httpx.Client:
        """Return the browser of one more person of a role."""
        with Store(self._database) as store:
            token = store.begin(PERSONS[role])
        return httpx.Client(base_url=self.url, cookies={_COOKIE: token}, timeout=60, trust_env=False)

    def await_reading(self) -> None:
        """Wait until the console has read broker and ledger for the first time."""
        with self.of(Role.OPERATOR) as client:
            while client.get("/overview.json").json()["asOf"] is None:
                sleep(0.5)

    def add_jobs(self) -> None:
        """Have an auditor's job in the list, which is done at once."""
        with Store(self._database) as store:
            Jobs(store).add(JobKind.EXPORT, {"report": "gaps"}, PERSONS[Role.AUDITOR])


def permit(bus: LocalBus, places: Places) -> None:
    """Let the auditor open a letter, as a steward does it by a grant."""
    with bus.open_ledger().append() as writer:
        until = timestamp(now() + timedelta(hours=12))
        who = PERSONS[Role.STEWARD].fields()
        auditor = PERSONS[Role.AUDITOR].name
        writer.entry(
            Kind.GRANTED, letter=places.letters[3], auditor=auditor, until=until, reason="bench", **who
        )


def one_by_one(visitors: Visitors, console: Process, asked: Sequence[Address]) -> list[dict[str, Any]]:
    """Ask for each address again and again, one after the other; times in ms, CPU of the console for each request."""
    clients = {role: visitors.of(role) for role in Role}
    found = []
    for one in asked:
        client = clients[one.role]
        first, response = _timed(client, one.address)
        client.get(one.address)
        before, times = cpu_seconds(console), []
        for _ in range(ROUNDS):
            took, response = _timed(client, one.address)
            times.append(took)
        cpu = (cpu_seconds(console) - before) / ROUNDS * 1000
        found.append(
            {
                "page": one.page,
                "address": one.address,
                "status": response.status_code,
                "kib": round(len(response.content) / 1024, 1),
                "first_ms": round(first, 1),
                "p50_ms": _share(times, 0.5),
                "p95_ms": _share(times, 0.95),
                "cpu_ms": round(cpu, 1),
                "most_ms": one.most,
            }
        )
    return found


def at_once(visitors: Visitors, asked: Sequence[Address], seconds: float = 60.0) -> dict[str, Any]:
    """Ten people who open a page as soon as they have the one before; times in ms."""
    times: list[tuple[str, float]] = []
    pages = [one for one in asked if one.most is not None]
    until = monotonic() + seconds

    def person(number: int) -> None:
        role = (Role.OPERATOR, Role.AUDITOR)[number % 2]
        mine = [one for one in pages if one.role is role]
        with visitors.of(role) as client:
            for one in cycle(mine[number:] + mine[:number]):
                if monotonic() > until:
                    return
                took, _ = _timed(client, one.address)
                times.append((one.page, took))

    _together(person, range(PEOPLE))
    every = [took for _, took in times]
    return {
        "people": PEOPLE,
        "requests": len(every),
        "per_second": round(len(every) / seconds, 1),
        "p50_ms": _share(every, 0.5),
        "p95_ms": _share(every, 0.95),
    }


def repeated(visitors: Visitors, console: Process, asked: Sequence[Address], wanted: int) -> dict[str, float]:
    """Ask for so many pages more, and return the resident memory by thousands of requests, in MB."""
    pages = [one for one in asked if one.most is not None]
    clients = {role: visitors.of(role) for role in Role}
    seen = {"0": rss_mb(console)}
    for number, one in zip(range(1, wanted + 1), cycle(pages), strict=False):
        clients[one.role].get(one.address)
        if number % 1_000 == 0:
            seen[str(number)] = rss_mb(console)
    return seen | {"peak": round(peak_rss_mb(console), 1)}


def quiet_cpu(console: Process, seconds: float = 30.0) -> float:
    """Return the CPU seconds that the console takes each minute for its readings, while nobody asks."""
    before = cpu_seconds(console)
    sleep(seconds)
    return round((cpu_seconds(console) - before) * 60 / seconds, 2)


@contextmanager
def looking(visitors: Visitors) -> Iterator[None]:
    """Have ten people look at pages as people do: one every ten seconds, and the overview refreshes itself."""
    over = threading.Event()

    def person(number: int) -> None:
        role = (Role.OPERATOR, Role.AUDITOR)[number % 2]
        mine = [one.format(**visitors.values) for one in (LOOKED_AT, SEARCHED)[number % 2]]
        begun, refreshed = monotonic() + number * EVERY / PEOPLE, 0.0
        with visitors.of(role) as client:
            for turn in range(10**6):
                while (left := begun + turn * EVERY - monotonic()) > 0:
                    if over.wait(min(left, 0.5)):
                        return
                    if role is Role.OPERATOR and monotonic() - refreshed > REFRESHED:
                        refreshed = monotonic()
                        client.get("/overview", headers={"Saraban-Refresh": "1"})
                client.get(mine[(turn + number) % len(mine)])

    threads = [threading.Thread(target=person, args=(number,), daemon=True) for number in range(PEOPLE)]
    for each in threads:
        each.start()
    try:
        yield
    finally:
        over.set()
        for each in threads:
            each.join()


def rss_mb(process: Process) -> float:
    """Return a process's resident memory now, in MB (Linux: /proc)."""
    found = _READING.search(Path(f"/proc/{process.pid}/status").read_text())
    return round(int(found.group(1)) / 1024, 1) if found else 0.0


def _together(act: Any, numbers: Sequence[int]) -> None:
    threads = [threading.Thread(target=act, args=(number,)) for number in numbers]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


def _timed(client: httpx.Client, address: str) -> tuple[float, httpx.Response]:
    began = perf_counter()
    response = client.get(address)
    return (perf_counter() - began) * 1000, response


def _share(times: Sequence[float], share: float) -> float:
    return round(sorted(times)[round(share * (len(times) - 1))], 1) if times else 0.0
