"""A deadline waits for the clusters of its letter's parties; what waits for one keeps no other from being judged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import cast

import pytest

from bus.broker.link import Link
from bus.broker.messages import Away, Depth
from bus.codes import load_codes
from bus.directory import Directory
from bus.identifiers import AgencyCode
from bus.ledger.entry import Kind
from bus.ledger.group import GroupCommit
from bus.ledger.store import Ledger
from bus.router import deadlines as deadlines_module
from bus.router.answers import Answers
from bus.router.deadlines import Deadlines
from bus.router.watermarks import Watermark
from bus.thai import now
from tests.assets import factory
from tests.assets.factory import DGA, OCS, OPM, SOC
from tests.contract import ledger_rig as rig


class Intake:
    """A cluster's intake queues, all empty; while it is away it cannot be asked."""

    def __init__(self) -> None:
        self.away = False
        self.filled: set[str] = set()
        self.consumers = 1
        self.connections = 1
        self.asked: set[str] = set()

    async def depths(self, queues: Iterable[str]) -> dict[str, Depth]:
        if self.away:
            raise Away("it is stopped")
        asked = list(queues)
        self.asked.update(asked)
        return {queue: Depth(messages=int(queue in self.filled), consumers=self.consumers) for queue in asked}


class Judging:
    """The deadlines of a router with two clusters: DGA is on the second one."""

    later = timedelta(hours=5)
    """How long after the letters were accepted it is."""

    def __init__(self, ledger: Ledger, settle: timedelta) -> None:
        self.ledger = ledger
        self.directory: Directory = rig.directory(DGA=rig.agency(DGA, cluster="north"))
        self.intakes = {"main": Intake(), "north": Intake()}
        self.appends = GroupCommit(ledger)
        self.watermarks = {
            name: Watermark(
                name,
                cast(Link, intake),
                ledger=ledger,
                appends=self.appends,
                router="router-1",
                idle=lambda agencies: True,
                directory=lambda: self.directory,
                settle=settle,
            )
            for name, intake in self.intakes.items()
        }
        self.deadlines = Deadlines(
            watermarks=self.watermarks,
            directory=lambda: self.directory,
            ledger=ledger,
            appends=self.appends,
            answers=Answers(factory.seal("bus"), load_codes()),
            router="router-1",
            publish=lambda given: None,
            settle=timedelta(0),
        )

    def letters(self, *to: AgencyCode, count: int = 1) -> list[int]:
        with self.ledger.append() as writer:
            return [rig.in_ledger(writer, to=to) for _ in range(count)]

    async def look(self) -> None:
        """Each cluster is looked at, as far as it is there."""
        for name, watermark in self.watermarks.items():
            if not self.intakes[name].away:
                await watermark.look()

    @property
    def judged(self) -> dict[int, list[str]]:
        """The silent, by letter."""
        return {one["letter"]: one["silent"] for one in rig.entries_of_kind(self.ledger, Kind.OVERDUE)}


@pytest.fixture
def judging(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Judging]:
    """Hours after the letters were accepted: their receipts are due."""
    for module in ("deadlines", "watermarks"):
        monkeypatch.setattr(f"bus.router.{module}.now", lambda: now() + Judging.later)
    monkeypatch.setattr(Judging, "later", Judging.later)
    found = Judging(ledger, getattr(request, "param", timedelta(0)))
    yield found
    found.appends.close()


async def test_a_letter_without_a_party_on_the_cluster_that_is_away_is_judged_in_time(
    judging: Judging,
) -> None:
    (far,), (both,), (near,) = judging.letters(DGA), judging.letters(SOC, DGA), judging.letters(OCS)
    judging.intakes["north"].away = True
    await judging.look()
    assert await judging.deadlines.examine()
    assert judging.judged == {near: [OCS]}
    judging.intakes["north"].away = False
    await judging.look()
    assert await judging.deadlines.examine()
    assert judging.judged == {near: [OCS], far: [DGA], both: [SOC, DGA]}
    assert "intake." + DGA not in judging.intakes["main"].asked


async def test_what_waits_for_a_cluster_fills_no_page_for_ever(
    judging: Judging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines_module, "_MOST", 5)
    monkeypatch.setattr(deadlines_module, "_PAGES", 2)
    judging.letters(DGA, count=23)
    (near,) = judging.letters(OCS)
    judging.intakes["north"].away = True
    await judging.look()
    ended = [await judging.deadlines.examine() for _ in range(3)]
    assert ended == [False, False, True], "a look has its bound, and the next one goes on from there"
    assert judging.judged == {near: [OCS]}
    judging.intakes["north"].away = False
    await judging.look()
    while len(judging.judged) < 24:
        await judging.deadlines.examine()


async def test_a_submission_that_waits_on_one_cluster_postpones_what_its_agency_is_a_party_to(
    judging: Judging,
) -> None:
    (far,), (near,) = judging.letters(DGA), judging.letters(OCS)
    judging.intakes["north"].filled = {f"intake.{DGA}"}
    await judging.look()
    await judging.deadlines.examine()
    assert judging.judged == {near: [OCS]}
    judging.intakes["north"].filled.clear()
    await judging.look()
    await judging.deadlines.examine()
    assert far in judging.judged


async def test_every_router_that_consumes_on_a_cluster_has_to_have_seen_it_empty(judging: Judging) -> None:
    (far,), (near,) = judging.letters(DGA), judging.letters(OCS)
    judging.intakes["north"].consumers = 2
    await judging.look()
    with judging.ledger.append() as writer:
        writer.set_watermark("router-2", "main", now() + timedelta(hours=5))
    await judging.look()
    await judging.deadlines.examine()
    assert judging.judged == {near: [OCS]}, "what another has seen of main says nothing of north"
    with judging.ledger.append() as writer:
        writer.set_watermark("router-2", "north", now() + timedelta(hours=5))
    await judging.look()
    await judging.deadlines.examine()
    assert far in judging.judged


async def test_who_has_left_the_directory_may_be_on_any_cluster_and_all_are_asked(judging: Judging) -> None:
    (letter,) = judging.letters(DGA)
    judging.directory = rig.directory(OPM=rig.agency(OPM), DGA=rig.agency(SOC))
    judging.intakes["north"].filled = {f"intake.{DGA}"}
    await judging.look()
    await judging.deadlines.examine()
    assert judging.judged == {}
    judging.intakes["north"].filled.clear()
    await judging.look()
    await judging.deadlines.examine()
    assert judging.judged == {letter: [DGA]}


@pytest.mark.parametrize("judging", [timedelta(seconds=60)], indirect=True)
async def test_nobody_is_silent_whose_broker_has_just_come_back(
    judging: Judging, monkeypatch: pytest.MonkeyPatch
) -> None:
    (far,), (near,) = judging.letters(DGA), judging.letters(OCS)

    async def judged_after(seconds: int) -> set[int]:
        monkeypatch.setattr(Judging, "later", Judging.later + timedelta(seconds=seconds))
        await judging.look()
        await judging.deadlines.examine()
        return set(judging.judged)

    judging.intakes["north"].away = True
    assert await judged_after(0) == set()
    assert await judged_after(61) == {near}
    judging.intakes["north"].away = False
    judging.intakes["north"].connections += 1
    assert await judged_after(1) == {near}
    assert await judged_after(58) == {near}, "its receipt may be on its way to the broker"
    assert await judged_after(2) == {near, far}
