"""(e): from an agency's folder to another's and the receipt home, at a steady pace, and what it takes of processors."""

from __future__ import annotations

import sqlite3
import statistics
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from time import monotonic, sleep, time
from typing import Any
from uuid import uuid4

from compose.demo.offices.exchange import Exchange
from compose.demo.papers import scan
from compose.local import LocalBus
from compose.process import Process
from tests.bench.looking import rss_mb
from tests.bench.throughput import cpu_seconds

_WITHIN = 60.0
_SETTLING, _AT_REST = 40.0, 30.0
"""Seconds until a process that was just started has nothing left to do, and for which it is then looked at."""


def receipts_home(
    bus: LocalBus, sender: str, receiver: str, processes: Sequence[Process], *, per_second: float, count: int
) -> dict[str, Any]:
    """Return p50 and p99 in milliseconds of letters put into the outbox folder until their receipts are home.

    Measured by the sender's own mailbox: from the time the letter was put to the time the receipt arrived. Each letter
    has a file of its own, of 10 kB. `cpu_ms` is what the processes spend on a letter, all together.
    """
    office = Exchange(sender, bus.exchange_folder(sender))
    used = sum(map(cpu_seconds, processes))
    since, began = time(), monotonic()
    for number in range(count):
        key = f"bench-{uuid4().hex[:8]}"
        office.send(key, _manifest(receiver, number), {"a.pdf": scan(key, 10_000)})
        sleep(max(0.0, began + (number + 1) / per_second - monotonic()))
    taken = _await_receipts(bus, sender, count, since)
    used = sum(map(cpu_seconds, processes)) - used
    cuts = statistics.quantiles(taken, n=100)
    return {
        "p50": round(statistics.median(taken), 1),
        "p99": round(cuts[98], 1),
        "letters": len(taken),
        "cpu_ms": round(used / count * 1000, 1),
    }


def at_rest(adapter: Process) -> dict[str, float]:
    """Return what an adapter takes that has nothing to do: per cent of a core, and memory in MB."""
    sleep(_SETTLING)
    used = cpu_seconds(adapter)
    sleep(_AT_REST)
    share = (cpu_seconds(adapter) - used) / _AT_REST * 100
    return {"cpu_percent": round(share, 2), "rss_mb": round(rss_mb(adapter), 1)}


def _manifest(receiver: str, number: int) -> dict[str, object]:
    return {
        "number": f"นร 0101/{number}",
        "date": datetime.now().date().isoformat(),
        "kind": "external",
        "to": [receiver],
        "subject": "ทดสอบความเร็ว",
        "acknowledgement": "receipt",
    }


def _await_receipts(bus: LocalBus, sender: str, count: int, since: float) -> list[float]:
    """Return, once all receipts are home of what was put since then, how long each took in milliseconds."""
    query = (
        "SELECT outbox.created_at, arrivals.arrived_at FROM notices JOIN arrivals ON arrivals.id = notices.arrival"
        " JOIN outbox ON outbox.letter_id = notices.letter_id AND outbox.type = 'letter'"
        " WHERE notices.event = 'delivered'"
    )
    deadline = monotonic() + _WITHIN
    while True:
        with closing(sqlite3.connect(_database(bus, sender))) as mailbox:
            found = mailbox.execute(query).fetchall()
        times = [(datetime.fromisoformat(put), datetime.fromisoformat(home)) for put, home in found]
        rows = [(put, home) for put, home in times if put.timestamp() >= since]
        if len(rows) >= count or monotonic() > deadline:
            break
        sleep(0.1)
    if len(rows) < count:
        raise TimeoutError(
            f"{count - len(rows)} of {count} receipts have not come home within {_WITHIN:.0f} s"
        )
    return [(home - put).total_seconds() * 1000 for put, home in rows]


def _database(bus: LocalBus, sender: str) -> str:
    return str(next(bus.mailbox(sender).glob("*.sqlite")))
