"""An agency signs under a made-up national root; the list of revoked certificates gets too old, and is renewed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess

from bus.documents.making import write_seal
from bus.errors import RefusalCode
from bus.ledger.entry import Kind
from bus.verifier.cli import main
from tests.assets import authorities
from tests.assets.authorities import ISSUING, PIN, TABLE, ListOf
from tests.assets.factory import DAY, NOW
from tests.faults.scene import OPM, SOC, Scene, agencies
from tests.faults.waiting import eventually
from tests.faults.wire import submit, under_another_id


def directory(version: int) -> str:
    """OPM has pinned no certificate, but its organization with the sample authority."""
    own = f'{{ file = "{OPM}.crt.pem" }}'
    text = agencies(version)
    assert own in text
    return text.replace(own, PIN) + TABLE


def test_with_an_old_list_letters_are_refused_and_wait_and_go_on_by_themselves_with_a_newer_one(
    stage: Callable[..., Scene], tmp_path: Path
) -> None:
    made = authorities.world()
    made.write(tmp_path / "keys")
    write_seal(made.seal, tmp_path / "keys", OPM)
    network = stage(directory=directory(1)).start(OPM, SOC)
    (before,) = network.send(OPM, SOC)
    eventually(
        lambda: before in network.received(SOC),
        "the letter arrives, its files fetched by its own depot token",
    )
    eventually(lambda: network.entries(Kind.NOTICE), "the receipt of its machine is in the ledger")

    old = ListOf(by=ISSUING, until=NOW - DAY).made()
    replace(made, lists=(old, made.lists[1])).write(tmp_path / "keys")
    network.bus.apply_directory(directory(2))
    (waiting,) = network.send(OPM, SOC)
    submit(network.bus, OPM, under_another_id(network.bus, OPM, network.raw(OPM, before)[0]))
    refusals = eventually(lambda: network.entries(Kind.REFUSED), "with an old list nothing is taken")
    assert {one.body["code"] for one in refusals} == {RefusalCode.KEY_REVOCATION_LIST_OLD}
    doctor = network.bus.run_bus("doctor")
    assert "the list of revoked certificates of sample-national ends at" in doctor.stdout
    assert doctor.returncode == 2

    made.write(tmp_path / "keys")
    network.bus.apply_directory(directory(3))
    eventually(lambda: waiting in network.received(SOC), "it arrives without anybody's doing")
    eventually(lambda: network.accepted(OPM, [before, waiting]), "and its sender is told")
    assert network.bus.run_bus("ledger", "verify").returncode == 0
    for entry in network.entries(Kind.ACCEPTED):
        pack = tmp_path / f"{entry.seq}.asice"
        writing = partial(network.bus.run_bus, "evidence", str(entry.seq), "-o", str(pack))
        eventually(partial(_done, writing), "a signed head covers it")
        assert main([str(pack), "--log-key", str(network.bus.keys / "log.vkey")]) == 0


def _done(command: Callable[[], CompletedProcess[str]]) -> bool:
    return command().returncode == 0
