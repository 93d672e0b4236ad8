"""One lost connection is a failure of the link and of no inbox; an inbox fails once for all that is under way to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from bus.broker.link import Link
from bus.broker.messages import Nacked, Outgoing, Unconfirmed
from bus.errors import Transient
from bus.ledger.entry import Kind
from bus.ledger.group import GroupCommit
from bus.ledger.rows import Consignment
from bus.ledger.store import Ledger, Writer
from bus.router.alarms import Alarms
from bus.router.couriers import OUTSTANDING
from bus.router.fanout import Fanout
from tests.assets.factory import DGA, OCS, OPM, SOC
from tests.contract import ledger_rig as rig
from tests.unit.adapter.network import until

AGENCIES = (OPM, OCS, SOC, DGA)
pytestmark = pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)


class Line:
    """A link whose broker answers when it is told to."""

    def __init__(self) -> None:
        self.connected = True
        self.blocked = False
        self.connections = 1
        self.open: list[tuple[str, asyncio.Future[None]]] = []
        self.begun = 0
        self.answers = False
        self.renewed: list[str] = []
        self._up = asyncio.Event()
        self._up.set()

    def begin(self, outgoing: Outgoing, *, deadline: float, lane: str) -> asyncio.Future[None]:
        self.begun += 1
        return asyncio.ensure_future(self._publish(outgoing))

    async def _publish(self, outgoing: Outgoing) -> None:
        await self.wait_connected()
        answer = asyncio.get_running_loop().create_future()
        if self.answers:
            return
        self.open.append((outgoing.routing_key, answer))
        await answer

    async def wait_connected(self) -> None:
        await self._up.wait()

    def renew(self, lane: str) -> None:
        self.renewed.append(lane)

    def fails(self, *agencies: str, error: type[Exception] = Unconfirmed) -> None:
        """Every publish to these agencies that is under way ends so."""
        ended, self.open = (
            [one for one in self.open if one[0] in agencies],
            [one for one in self.open if one[0] not in agencies],
        )
        for _, answer in ended:
            answer.set_exception(error("so it is"))

    def lose(self) -> None:
        """The connection is lost, with everything that is under way."""
        self.connected = False
        self._up.clear()
        self.fails(*AGENCIES)

    def come_back(self) -> None:
        self.connected, self.connections = True, self.connections + 1
        self._up.set()


@asynccontextmanager
async def fanning(
    ledger: Ledger, line: Line, each: int, alarms: Alarms | None = None
) -> AsyncIterator[Fanout]:
    """A fan-out at work, with so many consignments pending for each agency."""
    with ledger.append() as writer:
        for code in AGENCIES:
            for _ in range(each):
                entry = writer.entry(Kind.RELEASED, agency=code, recipients=[code])
                number = writer.numbers([code])[code]
                writer.consign(
                    code,
                    number,
                    type="entry",
                    entry=entry,
                    document=writer.keep(b"{}"),
                    headers={"consignment": number},
                )
    appends = GroupCommit(ledger)
    fanout = Fanout(cast(Link, line), ledger, appends, router="router-1", alarms=alarms or Alarms())
    stop = asyncio.Event()
    task = asyncio.create_task(fanout.run(stop, interval=0.2))
    try:
        yield fanout
    finally:
        line.answers = True
        line.fails(*AGENCIES)
        stop.set()
        await task
        appends.close()


async def test_when_a_lost_connection_is_back_every_inbox_goes_on_at_once(ledger: Ledger) -> None:
    line = Line()
    async with fanning(ledger, line, OUTSTANDING + 5) as fanout:
        await until(lambda: len(line.open) == OUTSTANDING * len(AGENCIES))
        line.lose()
        await asyncio.sleep(0.05)
        assert fanout.open_circuits == []
        assert not any(one.failures for one in fanout._couriers.values()), "nothing that a pause would follow"
        line.answers = True
        line.come_back()
        await until(lambda: fanout.published == (OUTSTANDING + 5) * len(AGENCIES))
    assert rig.entries_of_kind(ledger, Kind.CONSIGNMENT_FAILED) == []


async def test_a_link_that_is_lost_again_and_again_costs_no_inbox_more_time(ledger: Ledger) -> None:
    line = Line()
    async with fanning(ledger, line, OUTSTANDING) as fanout:
        for _ in range(8):
            # An inbox that had failed would be tried with one.
            await until(lambda: len(line.open) == OUTSTANDING * len(AGENCIES))
            line.lose()
            await asyncio.sleep(0.01)
            line.come_back()
        await until(lambda: len(line.open) == OUTSTANDING * len(AGENCIES))
        assert fanout.open_circuits == []


async def test_a_blocked_link_opens_no_circuit(ledger: Ledger) -> None:
    line = Line()
    async with fanning(ledger, line, OUTSTANDING) as fanout:
        await until(lambda: len(line.open) == OUTSTANDING * len(AGENCIES))
        line.blocked = True
        line.fails(*AGENCIES)
        await asyncio.sleep(0.05)
        assert fanout.open_circuits == []
        line.blocked, line.answers = False, True
        line.fails(*AGENCIES)
        await until(lambda: fanout.published >= OUTSTANDING)


@pytest.mark.parametrize("error", [Nacked, Unconfirmed])
async def test_an_inbox_that_fails_under_many_publishes_has_failed_once_and_delays_nobody_else(
    ledger: Ledger, error: type[Transient]
) -> None:
    line = Line()
    async with fanning(ledger, line, OUTSTANDING) as fanout:
        await until(lambda: len(line.open) == OUTSTANDING * len(AGENCIES))
        line.fails(OCS, error=error)
        await asyncio.sleep(0.05)
        assert fanout.open_circuits == [OCS]
        assert fanout._couriers[OCS].failures == 1
        assert len(line.renewed) == (1 if error is Nacked else 0), (
            "a channel that was nacked is opened anew, once"
        )
        line.answers = True
        for _, answer in line.open:
            answer.set_result(None)
        line.open.clear()
        await until(lambda: fanout.published == OUTSTANDING * len(AGENCIES))
        assert fanout.open_circuits == []


async def test_a_bug_while_publishing_is_an_alarm_pauses_that_inbox_and_loses_nothing(ledger: Ledger) -> None:
    line, alarms = Line(), Alarms()
    heard: list[tuple[str, Any]] = []
    alarms.listeners.append(lambda alarm, fields: heard.append((alarm, fields["agency"])))
    async with fanning(ledger, line, 3, alarms) as fanout:
        await until(lambda: len(line.open) == 3 * len(AGENCIES))
        line.fails(OCS, error=RuntimeError)
        await until(lambda: fanout.open_circuits == [OCS])
        line.answers = True
        line.fails(OPM, SOC, DGA)
        await until(lambda: fanout.published >= 3 * len(AGENCIES))
    assert ("background-failed", OCS) in heard
    with ledger.read() as reader:
        assert reader.agencies.waiting_for(OCS, 10) == 0


async def test_what_cannot_be_recorded_keeps_no_other_confirmation_from_its_entry(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = Writer.confirmed

    def confirmed(self: Writer, done: Iterable[Consignment]) -> bool:
        batch = list(done)
        if any(one.agency == OCS for one in batch):
            raise RuntimeError("a fault of one of them")
        return recorded(self, batch)

    monkeypatch.setattr(Writer, "confirmed", confirmed)
    line, alarms = Line(), Alarms()
    line.answers = True
    failed: list[Any] = []
    alarms.listeners.append(lambda _alarm, fields: failed.append(fields["agency"]))
    async with fanning(ledger, line, 2, alarms):
        await until(lambda: len(failed) >= 2)
        await until(lambda: _left(ledger) == {OCS})
    assert set(failed) == {OCS}


def _left(ledger: Ledger) -> set[str]:
    with ledger.read() as reader:
        return {code for code in AGENCIES if reader.agencies.waiting_for(code, 10)}
