"""The directory in an adapter: kept up to date by what changes, and fetched whole only when it must be."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.cli.ping import _await_directory
from adapters.mailbox import Mailbox
from adapters.mailbox.conditions import ConditionCode
from adapters.mailbox.inbox import InboxState
from bus.directory import Agency, Directory, records_of
from bus.directory.records import content_of, digest_of
from bus.documents.notice import BUS
from bus.identifiers import AgencyCode
from tests.assets.factory import OCS, SOC, pin, seal
from tests.assets.statements import signed_statement
from tests.unit.adapter.network import Bus, Office, directory, settled, until

NEW = AgencyCode("9900100000")


@pytest.fixture
def recipient(tmp_path: Path) -> Office:
    return Office(Mailbox(tmp_path / OCS, OCS), Bus(OCS))


def version(number: int, *, soc: str = "") -> Directory:
    """The network's agencies, of which one is abbreviated otherwise."""
    made = directory(number)
    changed = replace(made.agencies[SOC], abbrev_th=soc)
    return replace(made, agencies={**made.agencies, SOC: changed})


def publish(office: Office, made: Directory) -> str:
    """Have the depot give a version whole, and return its digest."""
    content = content_of(records_of(made))
    office.depot.held[digest_of(content)] = content
    return digest_of(content)


def held(office: Office) -> int:
    found = office.mailbox.directory()
    return found.version if found else 0


def conditions(office: Office) -> list[ConditionCode]:
    return [each.finding.code for each in office.mailbox.conditions.all()]


async def test_versions_that_come_one_after_the_other_are_never_fetched(recipient: Office) -> None:
    versions = [version(number, soc=f"ช{number}") for number in range(1, 12)]
    joined = replace(versions[-1], version=12, agencies={**versions[-1].agencies, NEW: _new()})
    left = replace(joined, version=13, agencies={OCS: joined.agencies[OCS], NEW: joined.agencies[NEW]})
    recipient.hear(*map(recipient.bus.directory, [*versions, joined, left]))
    async with recipient.running():
        await until(lambda: settled(recipient))
    assert recipient.depot.asked == []
    found = recipient.mailbox.directory()
    assert found == left
    assert sorted(found.agencies) == sorted([OCS, NEW])


def _new() -> Agency:
    return Agency(code=NEW, name_th="ใหม่", name_en="New", certificates=(pin(seal(NEW)),))


async def test_who_joins_late_fetches_the_version_in_force_and_what_waited_for_it_goes_on(
    recipient: Office,
) -> None:
    now = version(5, soc="ใหม่")
    publish(recipient, now)
    recipient.bus.given = directory(4)
    recipient.hear(recipient.bus.directory(now), recipient.bus.letter(recipient.signed()))
    async with recipient.running():
        await until(lambda: recipient.mailbox.inbox.counts().get(InboxState.DELIVERED))
        await until(lambda: settled(recipient))
    assert recipient.mailbox.directory() == now


async def test_a_ping_right_after_the_start_waits_for_the_first_directory(recipient: Office) -> None:
    def seen() -> Directory | None:
        _await_directory(recipient.mailbox, time.monotonic() + 60)
        return recipient.mailbox.directory()

    async with recipient.running():
        pinging = asyncio.create_task(asyncio.to_thread(seen))
        await asyncio.wait([pinging], timeout=0.2)
        recipient.hear(recipient.bus.directory(version(1)))
        assert await pinging == version(1)


async def test_who_missed_versions_fetches_the_newest_alone(recipient: Office) -> None:
    first, *_, last = versions = [version(number, soc=f"ช{number}") for number in range(1, 12)]
    digests = [publish(recipient, each) for each in versions]
    recipient.hear(recipient.bus.directory(first))
    async with recipient.running():
        await until(lambda: held(recipient) == 1)
        recipient.bus.given = versions[-2]
        recipient.hear(recipient.bus.directory(last))
        await until(lambda: held(recipient) == 11)
    assert recipient.depot.asked == digests[-1:]


async def test_a_version_that_is_gone_from_the_depot_is_asked_for_until_it_is_there(
    recipient: Office,
) -> None:
    now = version(5)
    recipient.hear(recipient.bus.directory(version(1, soc="เดิม")))
    async with recipient.running():
        await until(lambda: held(recipient) == 1)
        recipient.bus.given = directory(4)
        recipient.hear(recipient.bus.directory(now), recipient.bus.letter(recipient.signed()))
        await until(lambda: ConditionCode.DIRECTORY_LACKING in conditions(recipient))
        await until(lambda: recipient.mailbox.inbox.counts().get(InboxState.DELIVERED))
        assert held(recipient) == 1  # what is held stays in use, and letters go on by it
        publish(recipient, now)
        await until(lambda: held(recipient) == 5)
        await until(lambda: not conditions(recipient))


@pytest.mark.parametrize("lie", ["other bytes", "another version", "cut off", "nothing"])
async def test_a_depot_that_lies_is_not_believed(recipient: Office, lie: str) -> None:
    now = version(5)
    content = content_of(records_of(now))
    recipient.depot.held[digest_of(content)] = {
        "other bytes": b"x" * len(content),
        "another version": content_of(records_of(version(4, soc="เท็จ"))),
        "cut off": content[:-1],
        "nothing": b"",
    }[lie]
    recipient.bus.given = directory(4)
    recipient.hear(recipient.bus.directory(now))
    async with recipient.running():
        await until(lambda: ConditionCode.DIRECTORY_LACKING in conditions(recipient))
        assert held(recipient) == 0
        publish(recipient, now)
        await until(lambda: held(recipient) == 5)


async def test_changes_that_do_not_lead_to_the_stated_digest_are_not_taken_up(recipient: Office) -> None:
    """The bus's own statement is held against itself: what is in force is what has the digest, and nothing else."""
    first, second = version(1), version(2, soc="ใหม่")
    recipient.hear(recipient.bus.directory(first))
    async with recipient.running():
        await until(lambda: held(recipient) == 1)
        pretended = version(1, soc="ใหม่")
        body = signed_statement(second, seal(BUS), pretended)
        recipient.hear(recipient.bus.message("directory", body))
        await until(lambda: ConditionCode.DIRECTORY_LACKING in conditions(recipient))
        assert held(recipient) == 1
        publish(recipient, second)
        await until(lambda: held(recipient) == 2)
    assert recipient.mailbox.directory() == second


async def test_after_a_restart_a_version_that_was_lacked_is_fetched(recipient: Office) -> None:
    now = version(5)
    recipient.bus.given = directory(4)
    recipient.hear(recipient.bus.directory(now))
    async with recipient.running():
        await until(lambda: conditions(recipient))
    publish(recipient, now)
    async with recipient.running():
        await until(lambda: held(recipient) == 5)
