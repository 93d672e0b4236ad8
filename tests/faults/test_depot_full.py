"""The depot's disk is full, or an agency's share of it is."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from adapters.mailbox import tables as mail
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
    town = stage(depot={"folder": str(small_disk / "depot")}).start()
    (large,) = town.send(OPM, SOC, size=LARGE)
    eventually(lambda: "full" in _error(town, OPM, large), "the depot says that its disk is full")
    small = [*town.send(OPM, SOC, size=SMALL), *town.send(SOC, DGA, size=SMALL)]
    eventually(lambda: {*small} <= town.received(SOC) | town.received(DGA), "what fits passes")
    assert not town.accepted(OPM, [large])
    subprocess.run(["mount", "-o", f"remount,size={RESERVE + 64}m", str(small_disk)], check=True)
    promises_hold(town)
    assert large in town.received(SOC)


def test_p11_an_agency_over_its_quota_delays_nobody_else(stage: Callable[..., Scene]) -> None:
    limits = {"max_file_bytes": LARGE - 1, "quota_bytes": LARGE - 1}
    town = stage(depot=limits).start()
    (large,) = town.send(OPM, SOC, size=LARGE)
    eventually(lambda: _error(town, OPM, large), "the depot refuses it")
    small = [*town.send(OPM, SOC, size=SMALL), *town.send(SOC, DGA, size=SMALL)]
    eventually(lambda: {*small} <= town.received(SOC) | town.received(DGA), "the others pass")
    assert not town.accepted(OPM, [large])
    settings = town.bus.folder / "bus.toml"
    settings.write_text(settings.read_text().replace(str(LARGE - 1), str(LARGE * 2)))
    town.process("serve").stop()
    town.bus.start_depot()
    promises_hold(town)
    assert large in town.received(SOC)


def _error(town: Scene, code: str, key: str) -> str:
    query = select(mail.outbox.c.last_error).where(mail.outbox.c.reference == key)
    return "".join(error or "" for (error,) in town.rows(code, query))
