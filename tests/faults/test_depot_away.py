"""The depot is down while files go up, and while they come down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Row, select

from adapters.depot import DepotClient
from adapters.mailbox import tables as mail
from adapters.refusals import FileUnavailable
from bus.ledger.entry import Kind
from tests.faults.promises import promises_hold
from tests.faults.scene import DGA, OPM, SOC, Scene
from tests.faults.waiting import eventually

LARGE = 3_000_000


def test_p1_no_letter_is_lost_when_the_depot_is_down_during_the_upload(stage: Callable[..., Scene]) -> None:
    network = stage().start()
    network.calm()
    network.process("serve").kill()
    keys = network.send(OPM, SOC, DGA, count=2, size=LARGE)
    errors = select(mail.outbox.c.last_error).where(mail.outbox.c.reference.in_(keys))
    eventually(lambda: _all_say(network.rows(OPM, errors), "depot is away", 2), "the uploads fail")
    assert not network.entries(Kind.ACCEPTED)
    network.bus.start_depot()
    promises_hold(network)
    assert {*keys} <= network.received(SOC) & network.received(DGA)


def test_p7_no_receipt_is_made_when_the_depot_is_down_during_the_download(
    stage: Callable[..., Scene],
) -> None:
    network = stage().start()
    network.calm()
    network.process(SOC).stop()
    keys = network.send(OPM, SOC, count=2, size=LARGE)
    eventually(lambda: network.accepted(OPM, keys), "accepted")
    network.process("serve").kill()
    network.adapter(SOC)
    errors = select(mail.inbox.c.last_error)
    eventually(lambda: _all_say(network.rows(SOC, errors), "depot is away", 2), "the downloads fail")
    assert not network.rows(SOC, select(mail.notices))
    assert not network.received(SOC)
    network.bus.start_depot()
    promises_hold(network)
    assert {*keys} <= network.received(SOC)


def test_p6_an_agency_that_was_not_addressed_gets_no_file_from_a_depot_that_was_killed(
    stage: Callable[..., Scene], tmp_path: Path
) -> None:
    network = stage().start()
    keys = network.send(OPM, SOC)
    eventually(lambda: network.accepted(OPM, keys), "accepted")
    network.process("serve").kill()
    network.bus.start_depot()
    promises_hold(network)
    ((file,),) = [network.rows(SOC, select(mail.inbox_files))]
    with pytest.raises(FileUnavailable, match=r"file\.unknown"):
        asyncio.run(_download(network, DGA, file, tmp_path / "stolen"))
    asyncio.run(_download(network, SOC, file, tmp_path / "own"))
    assert (tmp_path / "own").stat().st_size == file.size
    assert not (tmp_path / "stolen").exists()


def _all_say(rows: list[tuple[str | None]], words: str, count: int) -> bool:
    return len(rows) == count and all(words in (error or "") for (error,) in rows)


async def _download(network: Scene, code: str, file: Row[Any], target: Path) -> None:
    async with DepotClient(network.bus.depot_url, code, network.bus.seal(code)) as depot:
        await depot.download(file.sha256, file.size, target)
