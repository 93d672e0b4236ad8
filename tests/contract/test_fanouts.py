"""Each broker cluster has a fan-out of its own: what one does not take uses up nothing that another needs (P11)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from bus.broker.link import Link
from bus.directory import Directory
from bus.identifiers import AgencyCode
from bus.ledger.entry import Kind
from bus.ledger.group import GroupCommit
from bus.ledger.store import Ledger
from bus.ledger.work import Lease
from bus.router import budget
from bus.router import fanout as fanout_module
from bus.router.alarms import Alarms
from bus.router.fanout import Fanout
from bus.router.fanouts import Fanouts, whose_on
from bus.router.recording import LEASE_FOR
from bus.thai import now
from tests.assets.factory import DGA, ETDA, NOBODY, OCS, OPM, SOC
from tests.contract import ledger_rig as rig
from tests.contract.test_fanout import Line
from tests.unit.adapter.network import until

NEAR, FAR = (OPM, OCS), (DGA, ETDA)
pytestmark = pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)


def directory(version: int = 1, cluster: str = "north", *, far: tuple[str, ...] = FAR) -> Directory:
    on = {code: rig.agency(code, cluster=cluster if code in far else "main") for code in (DGA, ETDA, SOC)}
    return rig.directory(version, DGA=on[DGA], ETDA=on[ETDA], SOC=on[SOC])


class Network:
    """Two clusters' fan-outs at work over one ledger, and the directory that they go by."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.directory = directory()
        self.lines = {"main": Line(), "north": Line()}
        self.appends = GroupCommit(ledger)
        found = {name: self._fanout(name, line) for name, line in self.lines.items()}
        self.fanouts = Fanouts(found, lambda: self.directory)

    def _fanout(self, name: str, line: Line) -> Fanout:
        return Fanout(
            cast(Link, line),
            self.ledger,
            self.appends,
            router="router-1",
            alarms=Alarms(),
            cluster=name,
            whose=lambda: whose_on(name, self.directory),
        )

    def consign(self, agencies: tuple[AgencyCode, ...], each: int, body: bytes = b"{}") -> None:
        with self.ledger.append() as writer:
            entry = writer.entry(Kind.RELEASED, agency=OPM, recipients=[])
            for place in range(each):
                kept = writer.keep(body + str(place).encode())
                for code, number in writer.numbers(agencies).items():
                    writer.consign(code, number, type="entry", entry=entry, document=kept, headers={})

    def pending(self, *agencies: AgencyCode) -> int:
        with self.ledger.read() as reader:
            return sum(reader.agencies.waiting_for(code, 10_000) for code in agencies)

    @property
    def published(self) -> dict[str, int]:
        return {name: fanout.published for name, fanout in self.fanouts.of_cluster.items()}


@asynccontextmanager
async def network(ledger: Ledger) -> AsyncIterator[Network]:
    found, stop = Network(ledger), asyncio.Event()
    tasks = [asyncio.create_task(one.run(stop, interval=0.2)) for one in found.fanouts.of_cluster.values()]
    try:
        yield found
    finally:
        for line in found.lines.values():
            line.answers = True
            line.fails(*NEAR, *FAR, SOC, NOBODY)
            line.come_back()
        stop.set()
        await asyncio.gather(*tasks)
        found.appends.close()


@pytest.mark.parametrize("silent", ["lost", "not answering"])
async def test_a_cluster_that_takes_nothing_with_thousands_pending_for_it_delays_no_other(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, silent: str
) -> None:
    monkeypatch.setattr(fanout_module, "_MOST_WAITING_IN_ALL", 100)
    monkeypatch.setattr(fanout_module, "MOST_IN_MEMORY", 50_000)
    monkeypatch.setattr(budget, "MOST_ON_THE_WAY", 20_000)
    async with network(ledger) as found:
        main, north = found.lines["main"], found.lines["north"]
        main.answers = True
        if silent == "lost":
            north.lose()
        found.consign(FAR, 2_000, b"x" * 1_000)
        found.fanouts.sweep_now()
        await until(lambda: north.begun * 1_000 > 15_000)
        held = found.fanouts.of_cluster["north"]
        assert held._waiting >= 40, "its own limits are reached"
        found.consign(NEAR, 100, b"y" * 1_000)
        found.fanouts.sweep_now()
        await until(lambda: not found.pending(*NEAR))
        assert found.published["north"] == 0
        assert found.pending(*FAR) == 2_000 * len(FAR)


async def test_when_a_cluster_is_back_what_is_pending_for_it_goes_there_and_nowhere_else(
    ledger: Ledger,
) -> None:
    async with network(ledger) as found:
        main, north = found.lines["main"], found.lines["north"]
        main.answers = True
        north.lose()
        found.consign((*NEAR, *FAR), 50)
        found.fanouts.sweep_now()
        await until(lambda: found.published["main"] == 50 * len(NEAR))
        begun = main.begun
        north.answers = True
        north.come_back()
        await until(lambda: found.published["north"] == 50 * len(FAR))
        assert main.begun == begun
        await until(lambda: not found.pending(*NEAR, *FAR))
    assert rig.entries_of_kind(ledger, Kind.CONSIGNMENT_FAILED) == []


async def test_what_was_just_committed_goes_to_its_agencys_cluster_and_that_of_a_stranger_to_main(
    ledger: Ledger,
) -> None:
    async with network(ledger) as found:
        found.directory = directory(2, far=(DGA,))
        found.consign((OPM, DGA, NOBODY), 1)
        found.fanouts.publish(ledger.lease(Lease("router-1", now() + LEASE_FOR), limit=10, per_agency=10))
        await until(lambda: sum(len(line.open) for line in found.lines.values()) == 3)
        assert {to for to, _ in found.lines["main"].open} == {OPM, NOBODY}
        assert [to for to, _ in found.lines["north"].open] == [DGA]


async def test_what_is_for_a_cluster_that_the_settings_do_not_have_stays_pending_until_a_directory_mends_it(
    ledger: Ledger,
) -> None:
    async with network(ledger) as found:
        for line in found.lines.values():
            line.answers = True
        found.directory = directory(2, "south")
        found.consign((*NEAR, *FAR), 3)
        found.fanouts.publish(ledger.lease(Lease("router-1", now() + LEASE_FOR), limit=100, per_agency=100))
        await until(lambda: not found.pending(*NEAR))
        assert found.published["main"] == 3 * len(NEAR)
        ledger.release_leases("router-1")
        found.consign(NEAR, 3)
        found.fanouts.sweep_now()
        await until(lambda: found.published["main"] == 6 * len(NEAR))
        assert found.pending(*FAR) == 3 * len(FAR)
        assert found.lines["north"].begun == 0
        found.directory = directory(3, far=(DGA,))
        found.fanouts.sweep_now()
        await until(lambda: not found.pending(*FAR))
        assert found.published == {"main": 6 * len(NEAR) + 3, "north": 3}
