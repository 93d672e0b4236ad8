"""A broker that takes less in one message than the settings say: what it rejects is set aside, and all else goes on."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bus.broker.admin import apply
from bus.broker.link import Link
from bus.broker.management import Management
from bus.broker.messages import Rejected
from bus.broker.passwords import Passwords
from bus.broker.topology import ROUTER, inbox_queue, submit_exchange, topology_for, user_of
from bus.ledger.entry import Kind
from bus.ledger.group import GroupCommit
from bus.ledger.store import Ledger
from bus.router.alarms import Alarms
from bus.router.fanout import Fanout
from compose.node import Node
from tests.assets.factory import OCS, SOC
from tests.broker.samples import message
from tests.contract import ledger_rig as rig
from tests.contract.test_fanout_budget import _waiting, consign
from tests.unit.adapter.network import until

TAKES = 10_000
"""Bytes that this broker takes in one message."""
_BUILD = Path(__file__).parents[2] / "build" / "test"


@pytest.fixture(scope="module")
def narrow() -> Iterator[tuple[Node, Passwords]]:
    """A node that takes small messages only, with the topology of two agencies."""
    _BUILD.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="narrow-", dir=_BUILD))
    try:
        with Node(folder, name="narrow", settings={"max_message_size": TAKES}) as node:
            passwords = Passwords(folder / "passwords")
            with Management(node.management_url) as management:
                apply(topology_for([OCS, SOC], vhost="v"), management, passwords)
            yield node, passwords
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def url(narrow: tuple[Node, Passwords], user: str) -> str:
    node, passwords = narrow
    return node.url("v", user, passwords.of(user))


async def test_of_many_publishes_of_a_channel_the_one_that_the_broker_rejects_is_found_and_the_rest_arrive(
    narrow: tuple[Node, Passwords],
) -> None:
    exchange = submit_exchange(SOC)
    bodies = [b"x" * (TAKES + 1 if number in (3, 17) else 100) for number in range(30)]
    async with Link(url(narrow, user_of(SOC)), name="test") as link:
        sent = [link.publish(message(exchange=exchange, body=body)) for body in bodies]
        ended = await asyncio.gather(*sent, return_exceptions=True)
        assert {number for number, end in enumerate(ended) if end is not None} == {3, 17}
        assert all(isinstance(end, Rejected) for end in ended if end is not None)
        assert link.connections == 1
        await link.publish(message(exchange=exchange))


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
async def test_a_consignment_that_the_broker_rejects_is_struck_off_with_an_alarm_and_all_others_go_on(
    ledger: Ledger, narrow: tuple[Node, Passwords]
) -> None:
    alarms = Alarms()
    rung: list[tuple[str, Any]] = []
    alarms.listeners.append(lambda alarm, fields: rung.append((alarm, fields["consignment"])))
    small, large = b"{}", b"y" * (TAKES + 1)
    consign(ledger, (OCS, SOC), *[small] * 5)
    consign(ledger, (SOC,), large)
    consign(ledger, (OCS, SOC), *[small] * 5)
    appends = GroupCommit(ledger)
    stop = asyncio.Event()
    async with Link(url(narrow, ROUTER), name="router") as link:
        fanout = Fanout(link, ledger, appends, router="router-1", alarms=alarms)
        running = asyncio.create_task(fanout.run(stop, interval=0.2))
        await until(lambda: rung and not _waiting(ledger))
        stop.set()
        await running
    appends.close()
    for code, numbers in ((OCS, range(1, 11)), (SOC, {*range(1, 12)} - {6})):
        assert await _arrived(narrow, code, 10) == {f"{code}-{number}" for number in numbers}
    assert rung == [("consignment-rejected", 6)]
    failed = rig.entries_of_kind(ledger, Kind.CONSIGNMENT_FAILED)
    assert [(one["agency"], one["number"], one["reason"]) for one in failed] == [(SOC, 6, "rejected")]
    assert fanout.open_circuits == []


async def _arrived(narrow: tuple[Node, Passwords], code: str, count: int) -> set[str | None]:
    """The ids of what is in an inbox; one that was sent again for another's sake may be there twice."""
    found: set[str | None] = set()
    async with Link(url(narrow, user_of(code)), name="look") as link, asyncio.timeout(20):
        subscription = link.subscribe(inbox_queue(code), prefetch=50)
        while len(found) < count:
            found |= {each.message_id for each in await subscription.take(50)}
    return found
