"""Ledger and depot are destroyed and brought back from a backup that was made under load: the drill."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults.promises import promises_hold
from tests.faults.scene import AGENCIES, DGA, OPM, SOC, Scene
from tests.faults.test_readiness import says
from tests.faults.waiting import eventually


def backup(network: Scene, folder: Path) -> dict[str, Any]:
    """Make a backup; nothing that a letter names is lacking in it."""
    done = network.bus.run_bus("backup", str(folder), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    made: dict[str, Any] = json.loads(done.stdout)
    assert made["lacking"] == []
    return made


def entered(network: Scene) -> int:
    """How many entries the ledger has now."""
    with network.bus.open_ledger().read() as reader:
        return reader.head()


def destroy(network: Scene) -> None:
    """Ledger and depot are gone with the processes that have them; mailboxes, broker, keys and kept head are not."""
    for name in ("router-1", "serve"):
        network.process(name).kill()
    network.bus.open_ledger().engine.dispose()
    for file in (*network.bus.folder.glob("ledger.db*"), *network.bus.folder.glob("depot.db*")):
        file.unlink()
    shutil.rmtree(network.bus.folder / "depot")


def bring_back(network: Scene, folder: Path, *, code: int = 0) -> dict[str, Any]:
    done = network.bus.run_bus("restore", str(folder), "--json")
    assert done.returncode == code, done.stdout + done.stderr
    restored: dict[str, Any] = json.loads(done.stdout)
    return restored


def go_on(network: Scene) -> None:
    """Start what was destroyed, and let every adapter state what it has."""
    network.bus.start_depot()
    network.router()
    for code in AGENCIES:
        assert network.bus.run_adapter(code, "reconcile").returncode == 0


def test_p1_what_came_after_the_backup_and_nobody_has_heard_of_comes_again_from_the_adapters(
    stage: Callable[..., Scene], tmp_path: Path
) -> None:
    network = stage(log={"checkpoint_interval": 3600.0}).start()
    first = network.send(OPM, SOC, DGA, count=3) + network.send(SOC, OPM)
    network.calm()
    network.process("router-1").stop()
    second = network.send(OPM, SOC, DGA, count=10)
    made = backup(network, tmp_path / "kept")
    dying = network.router(failpoints="router.before-publish=kill")
    network.dies(dying, "router.before-publish")
    assert entered(network) > made["entries"], "letters were entered that the backup does not have"
    destroy(network)
    assert bring_back(network, tmp_path / "kept")["missing"] is None
    go_on(network)
    evidence = promises_hold(network)
    assert len(evidence.letters) == len(first + second)
    assert {*first[:3], *second} <= network.received(SOC) & network.received(DGA)
    assert network.bus.run_bus("ledger", "verify").returncode == 0


def test_p8_an_older_backup_is_halted_over_and_with_the_newest_one_everything_goes_on(
    stage: Callable[..., Scene], tmp_path: Path
) -> None:
    network = stage().start()
    keys = network.send(OPM, SOC, DGA, count=60) + network.send(SOC, OPM, DGA, count=60)
    eventually(lambda: network.accepted(OPM, keys[:1]), "the first is accepted")
    begun = entered(network)
    older = backup(network, tmp_path / "older")
    last = network.send(DGA, OPM, SOC, count=3)
    eventually(lambda: network.accepted(DGA, last), "the last are accepted")
    assert begun < older["entries"] < entered(network), "entries were made while the backup was"
    keys += last
    assert network.bus.run_by_two("ledger", "halt", "--reason", "the ledger moves").returncode == 0
    # Offices go on: what they send waits at the broker and at the adapters.
    keys += network.send(OPM, SOC, DGA, count=3)
    newer = backup(network, tmp_path / "newer")
    assert older["entries"] < newer["entries"]
    destroy(network)

    missing = bring_back(network, tmp_path / "older", code=1)["missing"]
    assert missing.startswith(f"entries {older['entries'] + 1} to ")
    network.bus.start_depot()
    router = network.router(wait=False)
    eventually(lambda: router.running and _answers(router), "it answers")
    eventually(lambda: says(router, "ledger-halted"), "and is not ready")
    assert entered(network) == older["entries"], "nothing was appended to what is not the ledger"
    destroy(network)

    assert bring_back(network, tmp_path / "newer")["missing"] is None
    assert network.bus.run_by_two("ledger", "resume", "--reason", "it has moved").returncode == 0
    go_on(network)
    evidence = promises_hold(network)
    assert len(evidence.letters) == len(keys)
    assert network.bus.run_bus("ledger", "verify").returncode == 0


def _answers(router: Any) -> bool:
    try:
        return says(router, "")
    except OSError:
        return False
