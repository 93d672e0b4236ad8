"""The depot's disk is full, or an agency's share of it is."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from adapters.depot import DepotClient
from adapters.mailbox import tables as mail
from bus.identifiers import RawDigest
from tests.assets.digests import raw_digest
from tests.faults.promises import promises_hold
from tests.faults.scene import DGA, OPM, SOC, Scene
from tests.faults.waiting import eventually

SMALL, LARGE = 600, 5_000_000
RESERVE = 256
"""Megabytes of its disk that the depot leaves free."""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for two megabytes beside those that the depot leaves free."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={RESERVE + 2}m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can mount a small disk; the next test needs no rights"
)
def test_p11_a_full_disk_in_the_depot_delays_only_what_does_not_fit(
    stage: Callable[..., Scene], small_disk: Path
) -> None:
    network = stage(depot={"folder": str(small_disk / "depot")}).start()
    (large,) = network.send(OPM, SOC, size=LARGE)
    eventually(lambda: "full" in _error(network, OPM, large), "the depot says that its disk is full")
    small = [*network.send(OPM, SOC, size=SMALL), *network.send(SOC, DGA, size=SMALL)]
    eventually(lambda: {*small} <= network.received(SOC) | network.received(DGA), "what fits passes")
    assert not network.accepted(OPM, [large])
    subprocess.run(["mount", "-o", f"remount,size={RESERVE + 64}m", str(small_disk)], check=True)
    promises_hold(network)
    assert large in network.received(SOC)


def test_p11_an_agency_over_its_quota_delays_nobody_else(stage: Callable[..., Scene], tmp_path: Path) -> None:
    quota = LARGE + 2 * SMALL
    network = stage(depot={"max_file_bytes": LARGE, "quota_bytes": quota}).start()
    unnamed = tmp_path / "named by no letter"
    unnamed.write_bytes(os.urandom(LARGE))
    asyncio.run(_show(network, OPM, unnamed, raw_digest(unnamed.read_bytes())))
    (large,) = network.send(OPM, SOC, size=LARGE)
    eventually(lambda: "quota.exceeded" in _error(network, OPM, large), "the depot refuses it for now")
    small = [*network.send(OPM, SOC, size=SMALL), *network.send(SOC, DGA, size=SMALL)]
    eventually(lambda: {*small} <= network.received(SOC) | network.received(DGA), "the others pass")
    assert not network.accepted(OPM, [large])
    _set(network, "quota_bytes", quota, LARGE * 3)
    promises_hold(network)
    assert large in network.received(SOC)


def test_p11_a_file_that_is_never_taken_fails_its_letter_at_once_and_delays_nobody_else(
    stage: Callable[..., Scene],
) -> None:
    network = stage(depot={"max_file_bytes": LARGE - 1}).start()
    (large,) = network.send(OPM, SOC, size=LARGE)
    eventually(lambda: network.states(OPM).get(large) == "refused", "the office is told")
    (small,) = network.send(OPM, SOC, size=SMALL)
    eventually(lambda: small in network.received(SOC), "the others pass")
    # The mailbox has it first; the folder is filled from there.
    (answer,) = eventually(lambda: _answers(network, large), "the office is told in its folder")
    assert answer["refusal"]["code"] == "file.too-large"
    assert answer["refusal"]["advice_th"]
    with network.bus.open_ledger().read() as reader:
        assert reader.find_letters(letter_id=answer["letter_id"]) == []


def _answers(network: Scene, key: str) -> list[dict[str, Any]]:
    """What the receipts in the folder of OPM say of a letter that it sent."""
    receipts = network.bus.exchange_folder(OPM) / "receipts"
    told = [json.loads(each.read_text(encoding="utf-8")) for each in receipts.glob("[!.]*.json")]
    return [each["answers"] for each in told if each.get("answers", {}).get("reference") == key]


async def _show(network: Scene, code: str, file: Path, sha256: RawDigest) -> None:
    """Let an agency show the depot a file."""
    async with DepotClient(network.bus.depot_url, code, network.bus.seal(code)) as depot:
        await depot.upload(file, sha256, LARGE)


def _set(network: Scene, key: str, old: int, new: int) -> None:
    """Change a setting of the depot, and start it anew."""
    settings = network.bus.folder / "bus.toml"
    settings.write_text(settings.read_text().replace(f"{key} = {old}", f"{key} = {new}"))
    network.process("serve").stop()
    network.bus.start_depot()


def _error(network: Scene, code: str, key: str) -> str:
    query = select(mail.outbox.c.last_error).where(mail.outbox.c.reference == key)
    return "".join(error or "" for (error,) in network.rows(code, query))
