"""(d), (f) and (g): letters through the running bus, from their submission to the confirmed consignments."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import httpx

from bus.broker import topology
from bus.broker.link import Link
from bus.broker.messages import Outgoing
from compose.local import LocalBus
from compose.process import Process
from tests.bench.letters import id_of

_PUBLISHED = re.compile(r"^saraban_router_published_total (\S+)$", re.MULTILINE)
_TICK, _RARELY = 0.1, 0.5


@dataclass(frozen=True, slots=True)
class Run:
    """What one run showed."""

    letters: int
    seconds: float
    cpu_seconds: float
    peak_rss_mb: float

    @property
    def per_second(self) -> float:
        return self.letters / self.seconds


async def submit(bus: LocalBus, agency: str, raws: Sequence[bytes]) -> None:
    """Publish letters as an agency's user, pipelined, and wait for every confirm."""
    user = topology.user_of(agency)
    async with Link(bus.amqp_url(user), name="bench") as link:
        await link.wait_connected()
        window = asyncio.Semaphore(500)

        async def one(raw: bytes) -> None:
            async with window:
                await link.publish(
                    Outgoing(
                        exchange=topology.submit_exchange(agency),
                        body=raw,
                        message_id=id_of(raw),
                        type="letter",
                        user_id=user,
                    ),
                    deadline=120,
                )

        await asyncio.gather(*map(one, raws))


def through(
    bus: LocalBus, routers: Sequence[Process], agency: str, letters: Sequence[bytes], consigned: int
) -> Run:
    """Submit letters and wait until the routers have had `consigned` publishes confirmed and recorded everything."""
    before = sum(map(published, routers))
    cpu = sum(cpu_seconds(one, workers=True) for one in routers)
    began = monotonic()
    asyncio.run(submit(bus, agency, letters))
    while (done := sum(map(published, routers)) - before) < consigned:
        # It is the routers that answer: to be asked often is work that no letter makes.
        left = (monotonic() - began) * (consigned - done) / max(1, done)
        pause(min(_RARELY, left / 2))
    seconds = monotonic() - began
    return Run(
        letters=len(letters),
        seconds=seconds,
        cpu_seconds=sum(cpu_seconds(one, workers=True) for one in routers) - cpu,
        peak_rss_mb=max(map(peak_rss_mb, routers)),
    )


def published(router: Process) -> int:
    """Return how many consignments a router has had confirmed."""
    found = _PUBLISHED.search(httpx.get(f"{router.health}/metrics").text)
    return int(float(found.group(1))) if found else 0


def settled(router: Process) -> None:
    """Wait until a router publishes nothing more."""
    last = -1
    while (now := published(router)) != last:
        last = now
        for _ in range(5):
            pause()


def pause(seconds: float = _TICK) -> None:
    """Give the bus the processor between two looks, for a tenth of a second at the least."""
    sleep(max(_TICK, seconds))


def cpu_seconds(process: Process, *, workers: bool = False) -> float:
    """Return the CPU seconds that a process has used, with `workers` those of its children too (Linux: /proc)."""
    stats = Path("/proc").glob("[0-9]*/stat") if workers else [Path(f"/proc/{process.pid}/stat")]
    found = 0
    for stat in stats:
        with suppress(ProcessLookupError, FileNotFoundError):  # it ended meanwhile
            fields = stat.read_text().rpartition(")")[2].split()
            if process.pid in (int(stat.parent.name), int(fields[1])):
                found += int(fields[11]) + int(fields[12])
    return found / float(os.sysconf("SC_CLK_TCK"))


def peak_rss_mb(process: Process) -> float:
    """Return a process's largest resident memory so far, in MB (Linux: /proc)."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found.group(1)) / 1024 if found else 0.0
