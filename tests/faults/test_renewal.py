"""A seal near its end: its adapter gets the next one by itself, whatever is killed on the way, and letters go on."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from adapters.mailbox import tables as mail
from bus.documents.making import new_seal, write_seal
from bus.ledger.entry import Kind
from bus.router.activation import directory_in_force
from bus.thai import now
from tests.faults.promises import promises_hold
from tests.faults.scene import DGA, OPM, SOC, Scene
from tests.faults.waiting import eventually
from tests.programs import programs

STEPS = ("renewal.pair-made", "renewal.old-kept", "renewal.certificates-written", "renewal.key-in-place")


@pytest.fixture
def network(stage: Callable[..., Scene], tmp_path: Path) -> Scene:
    """A bus of which one agency's certificate ends in ten days; its adapter is not started."""
    write_seal(new_seal(OPM, not_after=now() + timedelta(days=10)), tmp_path / "keys", OPM)
    return stage()


@contextmanager
def renewals(network: Scene, policy: str) -> Iterator[None]:
    """Depot and `saraban-bus enrol`, with this policy of renewals."""
    command = [sys.executable, "-m", "bus", "enrol", "-c", str(network.bus.folder / "bus.toml")]
    environment = {"SARABAN_BUS__ENROLMENT__RENEWAL": policy}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(*next(iter(environment.items())))
        network.start(SOC, DGA)
    with (network.bus.folder / "logs" / "enrol.log").open("ab") as log:
        process = programs.begin(command, environment=os.environ | environment, log=log)
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)


def test_a_renewed_seal_signs_what_follows_whatever_step_its_adapter_is_killed_at(network: Scene) -> None:
    before = network.bus.seal(OPM)
    sent: list[str] = []
    with renewals(network, "auto"):
        for step in STEPS:
            sent += network.send(OPM, SOC)
            adapter = network.adapter(OPM, failpoints=f"{step}=kill", wait=False)
            network.dies(adapter, step)
            # At every moment a key with its certificate lies where the settings say.
            assert network.bus.seal(OPM).certificate in (before.certificate, _pinned(network)[-1])
        network.adapter(OPM)
        eventually(lambda: not list(network.bus.keys.glob("*.next.*")), "the renewal is finished")
        sent += network.send(OPM, DGA)
        _write_down_both(network, before.fingerprint)
        promises_hold(network)
    after = network.bus.seal(OPM)
    assert after.fingerprint != before.fingerprint
    assert _pinned(network) == [before.certificate, after.certificate]
    assert network.accepted(OPM, sent)
    assert _sealed_with(network, sent[-1]) == after.fingerprint
    kept = network.bus.seal(f"{OPM}.{before.fingerprint[:8]}")
    assert kept.certificate == before.certificate
    assert len(network.entries(Kind.ENROLMENT_REQUESTED)) == 1
    assert [path.name for path in network.bus.keys.glob(f"{OPM}.*") if path.stat().st_mode & 0o77] == []


def test_a_running_adapter_takes_its_next_seal_into_use_without_a_restart(network: Scene) -> None:
    before = network.bus.seal(OPM)
    with renewals(network, "auto"):
        adapter = network.adapter(OPM)
        eventually(lambda: network.bus.seal(OPM).fingerprint != before.fingerprint, "the seal is renewed")
        # The adapter takes up what lies there a moment later, and tidies up only then.
        eventually(lambda: not list(network.bus.keys.glob("*.next.*")), "the adapter seals with it")
        (key,) = network.send(OPM, SOC)
        promises_hold(network)
        assert adapter.running
    assert _sealed_with(network, key) == network.bus.seal(OPM).fingerprint
    assert network.entries(Kind.REFUSED) == []


def test_an_operator_who_is_asked_approves_by_the_fingerprint_that_status_shows(network: Scene) -> None:
    before = network.bus.seal(OPM)
    with renewals(network, "ask"):
        network.adapter(OPM)
        waits = eventually(lambda: _condition(network, "renewal.waits"), "the agency sees that it waits")
        said = network.bus.run_bus("agency", "approve", OPM, "--fingerprint", waits["detail_en"])
        assert said.returncode == 0, said.stderr
        eventually(lambda: network.bus.seal(OPM).fingerprint == waits["detail_en"], "the seal is renewed")
        eventually(lambda: _condition(network, "renewal.waits") is None, "and the condition has ended")
    assert before.fingerprint != waits["detail_en"]


@pytest.mark.parametrize("policy", ["ask", "off"])
def test_a_renewal_that_is_refused_is_told_with_its_reason_and_not_asked_again_for_a_day(
    network: Scene, policy: str
) -> None:
    with renewals(network, policy):
        adapter = network.adapter(OPM)
        if policy == "ask":
            eventually(lambda: network.entries(Kind.ENROLMENT_REQUESTED), "it is asked for")
            said = network.bus.run_bus("agency", "decline", OPM, "--reason", "Come by with your papers")
            assert said.returncode == 0, said.stderr
        told = eventually(lambda: _condition(network, "renewal.refused"), "the agency is told")
        assert ("papers" if policy == "ask" else "invitation") in told["detail_en"]
        adapter.send_signal(signal.SIGTERM)
        adapter.wait_gone()
        network.adapter(OPM)
        (key,) = network.send(OPM, SOC)
        promises_hold(network)
        assert _condition(network, "renewal.refused")
    assert len(network.entries(Kind.ENROLMENT_REQUESTED)) == (policy == "ask")
    assert network.accepted(OPM, [key])
    assert list(network.bus.keys.glob("*.next.*")) == []


def _write_down_both(network: Scene, before: str) -> None:
    """Have the directory file, by which the promises are judged, say what is in force: both keys are pinned."""
    file, own = network.bus.folder / "agencies.toml", f'{{ file = "{OPM}.crt.pem" }}'
    text = file.read_text(encoding="utf-8")
    assert own in text
    both = f'{own}, {{ file = "{OPM}.{before[:8]}.crt.pem" }}'
    file.write_text(text.replace(own, both), encoding="utf-8")


def _pinned(network: Scene) -> list[Any]:
    with network.bus.open_ledger().read() as reader:
        return [pin.certificate for pin in directory_in_force(reader)[1].pins(OPM)]


def _condition(network: Scene, code: str) -> Any:
    found = json.loads(network.bus.run_adapter(OPM, "status", "--json").stdout)["conditions"]
    return next((one for one in found if one["code"] == code), None)


def _sealed_with(network: Scene, key: str) -> str:
    query = select(mail.outbox.c.sealed_with).where(mail.outbox.c.reference == key)
    ((fingerprint,),) = network.rows(OPM, query)
    return str(fingerprint)
