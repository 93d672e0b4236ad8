"""(e): from an agency's mailbox to another's and the receipt home, at a steady tuning."""

from __future__ import annotations

import sqlite3
import statistics
from contextlib import closing
from datetime import datetime
from time import monotonic, sleep
from uuid import uuid4

from compose.demo.offices.exchange import Exchange
from compose.demo.papers import scan
from compose.local import LocalBus

_WITHIN = 60.0


def receipt_home_ms(
    bus: LocalBus, sender: str, receiver: str, *, per_second: float, count: int
) -> dict[str, float]:
    """Return p50 and p99 in milliseconds of letters put into the outbox folder until their receipts are home.

    Measured by the sender's own mailbox: from the time the letter was put to the time the receipt arrived.
    """
    office = Exchange(sender, bus.exchange_folder(sender))
    tuning = 1 / per_second
    began = monotonic()
    paper = {"a.pdf": scan("bench", 10_000)}
    for number in range(count):
        office.send(f"bench-{uuid4().hex[:8]}", _manifest(receiver, number), paper)
        sleep(max(0.0, began + (number + 1) * tuning - monotonic()))
    taken = _await_receipts(bus, sender, count)
    cuts = statistics.quantiles(taken, n=100)
    return {"p50": round(statistics.median(taken), 1), "p99": round(cuts[98], 1), "letters": len(taken)}


def _manifest(receiver: str, number: int) -> dict[str, object]:
    return {
        "number": f"นร 0101/{number}",
        "date": datetime.now().date().isoformat(),
        "kind": "external",
        "to": [receiver],
        "subject": "ทดสอบความเร็ว",
        "acknowledgement": "receipt",
    }


def _await_receipts(bus: LocalBus, sender: str, count: int) -> list[float]:
    """Return, once all receipts are home, how long each took in milliseconds."""
    query = (
        "SELECT outbox.created_at, arrivals.arrived_at FROM notices JOIN arrivals ON arrivals.id = notices.arrival"
        " JOIN outbox ON outbox.letter_id = notices.letter_id AND outbox.type = 'letter'"
        " WHERE notices.event = 'delivered'"
    )
    deadline = monotonic() + _WITHIN
    while True:
        with closing(sqlite3.connect(_database(bus, sender))) as mailbox:
            rows = mailbox.execute(query).fetchall()
        if len(rows) >= count or monotonic() > deadline:
            break
        sleep(0.1)
    if len(rows) < count:
        raise TimeoutError(
            f"{count - len(rows)} of {count} receipts have not come home within {_WITHIN:.0f} s"
        )
    return [
        (datetime.fromisoformat(home) - datetime.fromisoformat(put)).total_seconds() * 1000
        for put, home in rows
    ]


def _database(bus: LocalBus, sender: str) -> str:
    return str(next(bus.mailbox(sender).glob("*.sqlite")))
