"""An agency's key was lost, or stolen: it is revoked, and the agency joins again with another; its mailbox goes on."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from bus.documents.seal import Seal
from bus.errors import RefusalCode
from bus.ledger.entry import Kind
from compose.local import LocalBus
from compose.node import Node
from tests.assets import factory
from tests.assets.factory import SOC
from tests.faults.waiting import eventually
from tests.faults.wire import resealed, submit
from tests.journey.conftest import running_bus
from tests.programs import programs

NEW = "0999900000"


@pytest.fixture
def bus(broker_node: Node, tmp_path: Path) -> Iterator[LocalBus]:
    with running_bus(broker_node, tmp_path / "bus") as bus:
        bus.start_all([SOC])
        yield bus


def test_a_lost_key_is_revoked_and_the_agency_goes_on_with_another(bus: LocalBus, tmp_path: Path) -> None:
    office = tmp_path / "office"
    _join(bus, office)
    lost = _seal(office)
    with _running(office):
        before = _send(office, "ตย 0001/1")
        raw = _accepted(bus, before)
    revoked = bus.run_bus("agency", "revoke", NEW, lost.fingerprint[:16], "--reason", "the laptop was stolen")
    assert revoked.returncode == 0, revoked.stderr
    _join(bus, office)
    assert _seal(office).fingerprint != lost.fingerprint
    assert (office / "keys" / f"agency.{lost.fingerprint[:8]}.key.pem").exists()
    submit(bus, NEW, resealed(raw, lost))  # by a thief who has the new password too
    (refusal,) = eventually(lambda: _entries(bus, Kind.REFUSED), "what the thief signs is refused")
    assert refusal["code"] == RefusalCode.KEY_REVOKED
    with _running(office):
        after = _send(office, "ตย 0001/2")
        _accepted(bus, after)
        eventually(lambda: len(_said(office, "outbox")) == 2, "the mailbox has both letters")
        eventually(
            lambda: [one["state"] for one in _said(office, "outbox")] == ["accepted"] * 2, "and both answers"
        )
    numbers = eventually(lambda: _numbers(bus, 2), "the recipient has both")
    assert numbers == {"ตย 0001/1", "ตย 0001/2"}
    assert bus.run_bus("ledger", "verify").returncode == 0


def _join(bus: LocalBus, office: Path) -> None:
    """Invite, ask and approve."""
    file = office.with_name("invitation.saraban")
    file.unlink(missing_ok=True)
    invited = bus.run_bus("agency", "invite", NEW, "--name", "หน่วยงานตัวอย่าง", "-o", str(file))
    assert invited.returncode == 0, invited.stderr
    command = ["init", str(file), "--folder", str(office), "--wait", "180"]
    asking = programs.started([sys.executable, "-m", "adapters", *command])
    try:
        (request,) = eventually(lambda: _waiting(bus), "the agency asks")
        code = ("--fingerprint", request["fingerprint"])
        approved = bus.run_bus("agency", "approve", NEW, *code)
        assert approved.returncode == 0, approved.stderr
        assert asking.wait(180) == 0
    finally:
        asking.kill()
        asking.wait()


def _waiting(bus: LocalBus) -> Any:
    return json.loads(bus.run_bus("agency", "waiting", "--json").stdout)


@contextmanager
def _running(office: Path) -> Iterator[None]:
    running = programs.started([*_adapter(office), "run"])
    try:
        # While its mailbox is being made, there is none yet, which status says.
        told = [*_adapter(office), "status", "--json"]
        eventually(lambda: programs.finished(told).returncode == 0, "the adapter has a mailbox")
        eventually(lambda: _said(office, "status")["directory_version"], "the adapter has a directory")
        yield
    finally:
        running.terminate()
        running.wait(30)


def _send(office: Path, number: str) -> str:
    (office / "a.pdf").write_bytes(b"%PDF-1.7\n%%EOF\n")
    letter = {
        "number": number,
        "date": factory.NOW.date().isoformat(),
        "to": [SOC],
        "subject": "แจ้งการเข้าร่วม",
        "files": ["a.pdf"],
        "signers": [{"given_name": "สมชาย (ตัวอย่าง)", "family_name": "ใจดี", "job_title": "ปลัด"}],
    }
    file = office / "a.letter.toml"
    file.write_text(tomli_w.dumps(letter), encoding="utf-8")
    sent = programs.finished([*_adapter(office), "send", str(file)])
    assert sent.returncode == 0, sent.stderr
    return number


def _accepted(bus: LocalBus, number: str) -> bytes:
    """Wait until a letter of this number is accepted, and return its bytes."""

    def look() -> bytes | None:
        with bus.open_ledger().read() as reader:
            for entry in reader.every(Kind.ACCEPTED):
                raw = reader.must_document(entry)
                if number.encode() in raw:
                    return raw
        return None

    return eventually(look, f"{number} is accepted") or b""


def _entries(bus: LocalBus, kind: Kind) -> list[dict[str, Any]]:
    with bus.open_ledger().read() as reader:
        return [dict(one.body) for one in reader.every(kind)]


def _numbers(bus: LocalBus, count: int) -> set[str] | None:
    received = json.loads(bus.run_adapter(SOC, "inbox", "--json").stdout)
    return {one["number"] for one in received} if len(received) == count else None


def _seal(office: Path) -> Seal:
    keys = office / "keys"
    return Seal.from_files(keys / "agency.key.pem", keys / "agency.crt.pem")


def _adapter(office: Path) -> list[str]:
    return [sys.executable, "-m", "adapters", "--config", str(office / "adapter.toml")]


def _said(office: Path, command: str) -> Any:
    done = programs.finished([*_adapter(office), command, "--json"])
    return json.loads(done.stdout)
