"""What is published at once and waits in memory stays below a limit of bytes; what is too large is no loop."""

from __future__ import annotations

from typing import Any

import pytest

from bus.identifiers import AgencyCode
from bus.ledger.entry import Kind
from bus.ledger.rows import Consignment
from bus.ledger.store import Ledger
from bus.ledger.work import MOST_BYTES, Lease
from bus.router import budget
from bus.router import fanout as fanout_module
from bus.router.alarms import Alarms
from bus.router.recording import LEASE_FOR
from bus.thai import now
from tests.assets.factory import DGA, OCS, OPM, SOC
from tests.contract import ledger_rig as rig
from tests.contract.test_fanout import AGENCIES, Line, fanning
from tests.unit.adapter.network import until

MIB = 1024 * 1024
pytestmark = pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)


def consign(ledger: Ledger, agencies: tuple[str, ...], *bodies: bytes) -> None:
    with ledger.append() as writer:
        for body in bodies:
            kept = writer.keep(body)
            entry = writer.entry(Kind.RELEASED, agency=OPM, recipients=[])
            for code, number in writer.numbers(map(AgencyCode, agencies)).items():
                writer.consign(code, number, type="entry", entry=entry, document=kept, headers={})


def leased(ledger: Ledger, limit: int = 1000) -> list[Consignment]:
    return ledger.lease(Lease("router-1", now() + LEASE_FOR), limit=limit, per_agency=1000)


def test_a_body_that_goes_to_many_is_in_memory_once(ledger: Ledger) -> None:
    consign(ledger, AGENCIES, b"<circular/>", b"<another/>")
    found = leased(ledger)
    assert len(found) == 2 * len(AGENCIES)
    assert len({id(one.body) for one in found}) == 2


def test_a_lease_brings_no_more_different_bodies_into_memory_than_it_may_and_leaves_the_rest(
    ledger: Ledger,
) -> None:
    bodies = [bytes([number]) * 2 * MIB for number in range(20)]
    consign(ledger, (OPM, OCS), *bodies)
    seen: list[bytes] = []
    while found := leased(ledger):
        size = sum({id(one.body): len(one.body) for one in found}.values())
        assert size <= MOST_BYTES
        seen += [one.body for one in found]
    assert sorted(seen) == sorted(bodies * 2)


async def test_what_is_on_the_way_stays_below_its_limit_and_everybody_gets_a_turn(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "MOST_ON_THE_WAY", 4 * MIB)
    line = Line()
    async with fanning(ledger, line, 0) as fanout:
        consign(ledger, AGENCIES, *(bytes([number]) * MIB for number in range(6)))
        fanout.sweep_now()
        done = 0
        while done < 6 * len(AGENCIES):
            await until(lambda: line.open)
            assert len(line.open) <= 4
            for _, answer in line.open:
                answer.set_result(None)
                done += 1
            line.open.clear()
        await until(lambda: fanout.published == 6 * len(AGENCIES))


async def test_what_does_not_fit_into_memory_waits_in_the_database_and_goes_out_all_the_same(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanout_module, "MOST_IN_MEMORY", MIB)
    monkeypatch.setattr(budget, "MOST_ON_THE_WAY", MIB)
    line, most = Line(), 0
    async with fanning(ledger, line, 0) as fanout:
        consign(ledger, (OCS,), *(bytes([number]) * MIB for number in range(8)))
        fanout.sweep_now()
        for done in range(1, 9):
            await until(lambda: line.open)
            most = max(most, fanout._bodies.size)
            line.open.pop()[1].set_result(None)
            await until(lambda: fanout.published == done)  # noqa: B023
    assert most <= 2 * MIB


async def test_one_that_is_larger_than_the_limit_goes_alone(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "MOST_ON_THE_WAY", MIB)
    line = Line()
    line.answers = True
    async with fanning(ledger, line, 0) as fanout:
        consign(ledger, (OCS, SOC), b"x" * MIB + b"y")
        fanout.sweep_now()
        await until(lambda: fanout.published == 2)


async def test_what_the_broker_can_never_take_is_never_published_and_is_entered_once(ledger: Ledger) -> None:
    line, alarms = Line(), Alarms()
    rung: list[tuple[str, Any]] = []
    alarms.listeners.append(lambda alarm, fields: rung.append((alarm, fields["agency"])))
    line.answers = True
    async with fanning(ledger, line, 1, alarms) as fanout:
        consign(ledger, (OCS, SOC), b"x" * (2 * MIB + 1))
        consign(ledger, (OCS, DGA), b"{}")
        fanout.sweep_now()
        await until(lambda: fanout.published == len(AGENCIES) + 2)
        await until(lambda: len(_failed(ledger)) == 2)
        await until(lambda: not _waiting(ledger))
        assert sorted(rung) == [("consignment-too-large", code) for code in sorted((OCS, SOC))]
        for _ in range(3):
            with ledger.append() as writer:
                writer.repeat(OCS, 2)
            before = len(rung)
            fanout.sweep_now()
            await until(lambda: len(rung) > before)  # noqa: B023
            await until(lambda: not _waiting(ledger))
        assert fanout.open_circuits == []
    assert sorted((one["agency"], one["reason"]) for one in _failed(ledger)) == [
        (SOC, "too-large"),
        (OCS, "too-large"),
    ]


def _failed(ledger: Ledger) -> list[Any]:
    return rig.entries_of_kind(ledger, Kind.CONSIGNMENT_FAILED)


def _waiting(ledger: Ledger) -> int:
    with ledger.read() as reader:
        return sum(reader.agencies.waiting_for(code, 10) for code in AGENCIES)
