"""What becomes of parked submissions: their way into the ledger, and back through the gates on an operator's word."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from bus import logs
from bus.broker import topology
from bus.broker.link import Link
from bus.broker.messages import Closed
from bus.errors import Transient
from bus.ledger.entry import Kind
from bus.ledger.group import GroupCommit
from bus.ledger.store import Ledger, Writer
from bus.process import pause, when
from bus.retry import AWAY
from bus.router import parking
from bus.router.delivery import Delivery
from bus.router.fanout import Fanout
from bus.router.service import Intake, Settlement, delivery_of
from bus.thai import now

_log = logs.get("parking")


async def read_parked(
    link: Link,
    intake: Intake,
    appends: GroupCommit,
    fanout: Fanout,
    stop: asyncio.Event,
    *,
    on_parked: Callable[[], None] = lambda: None,
) -> None:
    """Move what the broker parked into the ledger, tell its senders, and only then acknowledge."""
    subscription = link.subscribe(topology.PARKED, prefetch=10)
    stopping = asyncio.create_task(when(stop, subscription.stop))
    try:
        while True:
            for incoming in await subscription.take(10):
                delivery = delivery_of(incoming)
                word = intake.rules.answers.parked(submission=delivery.sha256, now=now())
                park = partial(
                    parking.park, delivery=delivery, word=word, inboxes=intake.rules.directory.inboxes
                )
                entry = await _until_durable(appends, park, stop)
                _log.error("parked", entry=entry, agency=delivery.user, submission=delivery.sha256)
                on_parked()
                subscription.ack(incoming)
                fanout.sweep_now()
    except Closed:
        pass
    finally:
        stopping.cancel()


async def carry_out_replays(ledger: Ledger, intake: Intake, stop: asyncio.Event, *, interval: float) -> None:
    """Take what operators asked to replay through the gates, until stopped."""
    done_through = 0
    while not stop.is_set():
        try:
            newest, deliveries = await asyncio.to_thread(_replays, ledger, done_through)
            settled = [one for delivery in deliveries for one in await intake.process([delivery])]
            if Settlement.RETRY_LATER not in settled:
                done_through = newest
        except Transient as away:
            _log.info("replays-postponed", reason=str(away))
        await pause(stop, interval)


def _replays(ledger: Ledger, done_through: int) -> tuple[int, list[Delivery]]:
    with ledger.read() as reader:
        newest = reader.latest_seq(Kind.REPLAY_REQUESTED)
        return newest, parking.replays(reader) if newest > done_through else []


async def _until_durable(appends: GroupCommit, act: Callable[[Writer], int], stop: asyncio.Event) -> int:
    """Append, waiting for a database that is away. Raises Closed when stopped before: the message stays parked."""
    for seconds in AWAY.waits():
        if stop.is_set():
            break
        try:
            return await asyncio.wrap_future(appends.submit(act))
        except Transient:
            await pause(stop, seconds)
    raise Closed("stopped while the ledger was away")
