"""What becomes of parked submissions: their way into the ledger, and back through the gates when an operator asks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from bus import logs
from bus.broker import topology
from bus.broker.link import Link
from bus.broker.messages import Closed, Incoming
from bus.errors import Transient
from bus.ledger.entry import Kind
from bus.ledger.group import GroupCommit
from bus.ledger.store import Ledger, Writer
from bus.process import pause, when
from bus.retry import AWAY
from bus.router import parking
from bus.router.alarms import Alarms
from bus.router.consumer import delivery_of
from bus.router.delivery import Delivery
from bus.router.fanouts import Fanouts
from bus.router.processing import Processor, Settlement
from bus.thai import now

T = TypeVar("T")
_PARKED_AT_ONCE = 50
_REPLAYED_AT_ONCE = 20
_log = logs.get("parking")


async def read_parked(
    link: Link,
    intake: Processor,
    appends: GroupCommit,
    fanouts: Fanouts,
    stop: asyncio.Event,
    *,
    alarms: Alarms,
    on_parked: Callable[[], None] = lambda: None,
) -> None:
    """Move what one cluster's broker parked into the ledger, tell its senders, and only then acknowledge.

    What is there only because it expired met no fault: it is refused, as it would have been had it not expired.
    """
    subscription = link.subscribe(topology.PARKED, prefetch=_PARKED_AT_ONCE)
    stopping = asyncio.create_task(when(stop, subscription.stop))
    try:
        while True:
            taken = await subscription.take(_PARKED_AT_ONCE)
            faults = [one for one in taken if not parking.expired(one)]
            faults += await _refuse([one for one in taken if parking.expired(one)], intake, stop)
            for entry, delivery in await _park(faults, intake, appends, stop):
                alarms.ring("parked", entry=entry, agency=delivery.user, raw_sha256=delivery.sha256)
                on_parked()
            subscription.ack_all(taken)
            fanouts.sweep_now()
    except Closed:
        pass
    finally:
        stopping.cancel()


async def _refuse(messages: list[Incoming], intake: Processor, stop: asyncio.Event) -> list[Incoming]:
    """Have expired messages refused for having borne an expiration; return those that meet a fault even so."""
    left = [(one, replace(delivery_of(one), asked=("expiration",))) for one in messages]
    bugs: list[Incoming] = []
    for seconds in AWAY.backoff():
        settled = await intake.process([delivery for _, delivery in left])
        bugs += [one for (one, _), each in zip(left, settled, strict=True) if each is Settlement.PARK]
        left = [one for one, each in zip(left, settled, strict=True) if each is Settlement.RETRY_LATER]
        if not left:
            break
        await pause(stop, seconds)
        if stop.is_set():
            raise Closed("stopped while a dependency was away")
    return bugs


async def _park(
    messages: list[Incoming],
    intake: Processor,
    appends: GroupCommit,
    stop: asyncio.Event,
) -> list[tuple[int, Delivery]]:
    if not messages:
        return []
    deliveries = [delivery_of(one) for one in messages]
    faults = [
        parking.fault_of(message, intake.faults, delivery.sha256)
        for message, delivery in zip(messages, deliveries, strict=True)
    ]
    words = [intake.rules.answers.parked(raw_sha256=one.sha256, now=now()) for one in deliveries]
    inboxes = intake.rules.directory.inboxes

    def park_all(writer: Writer) -> list[int]:
        return [
            parking.park(writer, delivery, word, inboxes, fault)
            for delivery, word, fault in zip(deliveries, words, faults, strict=True)
        ]

    entries = await _until_durable(appends, park_all, stop)
    return list(zip(entries, deliveries, strict=True))


async def carry_out_replays(
    ledger: Ledger, intake: Processor, stop: asyncio.Event, *, interval: float
) -> None:
    """Take what operators asked to replay through the gates, until stopped."""
    done_through = 0
    while not stop.is_set():
        try:
            through, some = await asyncio.to_thread(_replays, ledger, done_through)
            settled = [one for delivery in some for one in await intake.process([delivery])]
            if Settlement.RETRY_LATER not in settled:
                done_through = through
                if some:
                    continue
        except Transient as away:
            _log.info("replays-postponed", reason=away)
        await pause(stop, interval)


def _replays(ledger: Ledger, done_through: int) -> tuple[int, list[Delivery]]:
    """Return the next few submissions to replay, and the newest request among them; there may be thousands."""
    with ledger.read() as reader:
        newest = reader.latest_seq(Kind.REPLAY_REQUESTED)
        if newest <= done_through:
            return newest, []
        wanted = reader.parked.replays_wanted(after=done_through, limit=_REPLAYED_AT_ONCE)
        some = [delivery for request in wanted if (delivery := parking.replay_of(reader, request))]
        return (wanted[-1].seq if len(wanted) == _REPLAYED_AT_ONCE else newest), some


async def _until_durable(appends: GroupCommit, act: Callable[[Writer], T], stop: asyncio.Event) -> T:
    """Append, waiting for a database that is away. Raises Closed when stopped before: the message stays parked."""
    for seconds in AWAY.backoff():
        if stop.is_set():
            break
        try:
            return await asyncio.wrap_future(appends.submit(act))
        except Transient:
            await pause(stop, seconds)
    raise Closed("stopped while the ledger was away")
