"""(h): how long another agency's letters take while one agency floods the bus, and what the ledger grows by.

The flood is published by a process of its own, as fast as it can; meanwhile another agency sends a letter every tenth
of a second and waits for the bus's acceptance in its inbox, until the router has settled the whole flood.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import re
import secrets
import sqlite3
import statistics
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

import httpx

from bus.broker import topology
from bus.broker.link import Link
from bus.broker.messages import Closed, Outgoing
from bus.documents.letter import Content, Receiver
from bus.documents.reports import Reconciliation, sealed
from bus.documents.seal import Seal
from bus.documents.signing import sign
from bus.identifiers import AgencyCode
from bus.ledger.entry import Kind
from bus.ledger.rows import Consignment
from bus.thai import now
from compose.local import LocalBus
from compose.process import Process
from tests.bench import letters

A, B, C = map(AgencyCode, ("0100100000", "0100500000", "1100800000"))
CONSIGNMENTS = 10_000
_EVERY = 0.1
_FEWEST = 100
"""Letters that are measured at the least, so that a 99th percentile means something."""
_WITHIN = 300.0
_SETTLED = re.compile(r"^saraban_router_submissions_total\{[^}]*\} (\S+)$", re.MULTILINE)


def garbage(_bus: LocalBus) -> list[bytes]:
    """10,000 times 20 bytes."""
    return [secrets.token_bytes(20) for _ in range(10_000)]


def large(_bus: LocalBus) -> list[bytes]:
    """200 times one mebibyte."""
    return [secrets.token_bytes(1024**2) for _ in range(200)]


def conflicts(bus: LocalBus) -> list[bytes]:
    """1,500 letters under one id."""
    letter = letters.letter(A, [Receiver(agency=C)])
    with ProcessPoolExecutor(2) as pool:
        some = pool.map(_conflicting, [bus.keys] * 6, [letter.letter_id] * 6, [250] * 6)
        return [raw for batch in some for raw in batch]


def _conflicting(keys: Path, letter_id: Any, count: int) -> list[bytes]:
    seal = Seal.from_files(keys / f"{A}.key.pem", keys / f"{A}.crt.pem")
    letter = replace(letters.letter(A, [Receiver(agency=C)]), letter_id=letter_id)
    return [sign(replace(letter, content=Content(subject=uuid4().hex)), seal).raw for _ in range(count)]


def repeats(bus: LocalBus) -> list[bytes]:
    """One letter 10,000 times."""
    return letters.signed(bus.keys, A, [Receiver(agency=C)], 1) * 10_000


def reconciles(bus: LocalBus) -> list[bytes]:
    """20 reports that 10,000 consignments are missing."""
    with bus.open_ledger().append() as writer:
        entry = writer.entry(Kind.RELEASED, agency=A, recipients=[A])
        first = writer.last_number(A) + 1
        given = list(range(first, first + CONSIGNMENTS))
        writer.numbers([A] * CONSIGNMENTS)
        for number in given:
            writer.consign(
                A, number, type="entry", entry=entry, document=writer.keep(b"{}"), headers={"entry": entry}
            )
        writer.confirmed(Consignment(A, number, entry, None, "entry", {}, b"{}") for number in given)
    return [sealed(_nothing_arrived(given[-1]), bus.seal(A)) for _ in range(20)]


def _nothing_arrived(highest: int) -> Reconciliation:
    return Reconciliation(
        id=uuid4(), agency=A, at=now(), contiguous=0, highest=highest, missing=((1, highest - 1),)
    )


FLOODS: dict[str, Callable[[LocalBus], list[bytes]]] = {
    each.__name__: each for each in (garbage, large, conflicts, repeats, reconciles)
}


def under(bus: LocalBus, name: str | None) -> dict[str, float]:
    """Return what B's letters took in seconds under this flood, or under none, and what the ledger grew by."""
    bus.start_depot()
    router = bus.start_router()
    letters.upload(bus.depot_url, bus.seal(A), A)
    letters.upload(bus.depot_url, bus.seal(B), B)
    flood = FLOODS[name](bus) if name else []
    mine = letters.signed(bus.keys, B, [Receiver(agency=C)], 1_500)
    before = _ledger(bus)
    taken, seconds = asyncio.run(_measure(bus, router, flood, mine))
    after = _ledger(bus)
    cuts = statistics.quantiles(taken, n=100)
    return {
        "p50": round(statistics.median(taken), 2),
        "p99": round(cuts[98], 2),
        "max": round(max(taken), 2),
        "letters": len(taken),
        "flood": len(flood),
        "settled_after": round(seconds, 1),
        "ledger_mib": round((after[0] - before[0]) / 1024**2, 1),
        "ledger_entries": int(after[1] - before[1]),
    }


async def _measure(
    bus: LocalBus, router: Process, flood: Sequence[bytes], mine: Sequence[bytes]
) -> tuple[list[float], float]:
    sent: dict[str, float] = {}
    heard: dict[str, float] = {}
    user = topology.user_of(B)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        await asyncio.get_running_loop().run_in_executor(pool, int)  # it is there before the clock runs
        async with (
            Link(bus.amqp_url(user), name="bench letters") as link,
            Link(bus.amqp_url(user), name="in") as home,
        ):
            await asyncio.gather(link.wait_connected(), home.wait_connected())
            listening = asyncio.create_task(_listen(home, heard))
            flooding = asyncio.get_running_loop().run_in_executor(
                pool, _flood, bus.amqp_url(topology.user_of(A)), flood
            )
            began, settled_at = monotonic(), None if flood else monotonic()
            for number, raw in enumerate(mine):
                letter_id = letters.id_of(raw)
                sent[letter_id] = monotonic()
                await link.publish(
                    Outgoing(
                        exchange=topology.submit_exchange(B),
                        body=raw,
                        message_id=letter_id,
                        type="letter",
                        user_id=user,
                    )
                )
                if settled_at is None and _settled(router) >= len(flood) + len(heard):
                    settled_at = monotonic()
                if settled_at is not None and number + 1 >= _FEWEST:
                    break
                await asyncio.sleep(max(0.0, began + (number + 1) * _EVERY - monotonic()))
            async with asyncio.timeout(_WITHIN):
                await flooding
                while len(heard) < len(sent):  # noqa: ASYNC110 - it is measured
                    await asyncio.sleep(_EVERY)
            listening.cancel()
    return [heard[each] - sent[each] for each in sent], (settled_at or monotonic()) - began


async def _listen(link: Link, heard: dict[str, float]) -> None:
    subscription = link.subscribe(topology.inbox_queue(B), prefetch=500)
    while True:
        try:
            taken = await subscription.take(500)
        except Closed:
            return
        for each in taken:
            if each.type == "verdict":
                heard.setdefault(str(each.headers.get("about")), monotonic())
        subscription.ack_all(taken)


def _flood(url: str, bodies: Sequence[bytes]) -> None:
    asyncio.run(_publish_all(url, bodies))


async def _publish_all(url: str, bodies: Sequence[bytes]) -> None:
    async with Link(url, name="bench flood") as link:
        await link.wait_connected()
        window = asyncio.Semaphore(500)

        async def one(body: bytes) -> None:
            async with window:
                await link.publish(
                    Outgoing(
                        exchange=topology.submit_exchange(A),
                        body=body,
                        message_id=uuid4().hex,
                        type="letter",
                        user_id=topology.user_of(A),
                    ),
                    deadline=120,
                )

        await asyncio.gather(*map(one, bodies))


def _settled(router: Process) -> float:
    return sum(map(float, _SETTLED.findall(httpx.get(f"{router.health}/metrics").text)))


def _ledger(bus: LocalBus) -> tuple[int, int]:
    """Return the bytes and the entries of the ledger's database."""
    with closing(sqlite3.connect(bus.folder / "ledger.db")) as database:
        ((pages,),) = database.execute("PRAGMA page_count").fetchall()
        ((size,),) = database.execute("PRAGMA page_size").fetchall()
        ((entries,),) = database.execute("SELECT count(*) FROM entries").fetchall()
    return pages * size, entries
