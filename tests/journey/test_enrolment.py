"""An agency joins a running bus by one file, over TLS: invitation, request, approval, letter."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from compose.encrypted import EncryptedBus
from tests.assets import factory
from tests.assets.factory import SOC
from tests.programs import programs
from tests.project import ROOT

NEW = "0999900000"
LETTER = {
    "number": "ตย 0001/1",
    "date": factory.NOW.date().isoformat(),
    "to": [SOC],
    "subject": "แจ้งการเข้าร่วม",
    "files": ["a.pdf"],
    "signers": [{"given_name": "สมชาย (ตัวอย่าง)", "family_name": "ใจดี", "job_title": "ปลัด"}],
}


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[EncryptedBus]:
    with EncryptedBus(tmp_path / "centre") as started:
        started.start_all([SOC])
        yield started


def test_an_agency_joins_by_one_file_and_its_letter_arrives(bus: EncryptedBus, tmp_path: Path) -> None:
    file, office = tmp_path / "invitation.saraban", tmp_path / "office"
    invited = bus.run_bus("agency", "invite", NEW, "--name", "หน่วยงานตัวอย่าง", "-o", str(file))
    assert invited.returncode == 0, invited.stderr
    asking = subprocess.Popen(
        [sys.executable, "-m", "adapters", "init", str(file), "--folder", str(office), "--wait", "180"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    request = _until(lambda: json.loads(bus.run_bus("agency", "waiting", "--json").stdout))[0]
    wrong = bus.run_bus("agency", "approve", NEW, "--fingerprint", "0" * 64)
    assert wrong.returncode == 2
    assert request["fingerprint"] in wrong.stderr
    approved = bus.run_bus("agency", "approve", NEW, "--fingerprint", request["fingerprint"], "--json")
    assert approved.returncode == 0, approved.stderr
    said, _ = asking.communicate(timeout=180)
    assert asking.returncode == 0, said
    assert request["fingerprint"] in said
    assert {
        path.name: path.stat().st_mode & 0o77 for path in office.rglob("*") if path.stat().st_mode & 0o77
    } == {}

    (office / "a.pdf").write_bytes(b"%PDF-1.7\n%%EOF\n")
    (office / "a.letter.toml").write_text(tomli_w.dumps(LETTER), encoding="utf-8")
    adapter = [sys.executable, "-m", "adapters", "--config", str(office / "adapter.toml")]
    running = programs.started([*adapter, "run"])
    try:
        _until(lambda: has_mailbox(adapter))
        _until(lambda: _said(adapter, "status")["directory_version"])
        sent = programs.finished([*adapter, "send", str(office / "a.letter.toml")])
        assert sent.returncode == 0, sent.stderr
        _until(lambda: "delivered" in json.dumps(_said(adapter, "outbox")))
    finally:
        running.terminate()
        running.wait(30)
    (received,) = json.loads(bus.run_adapter(SOC, "inbox", "--json").stdout)
    assert received["number"] == "ตย 0001/1"
    assert bus.run_bus("ledger", "verify").returncode == 0
    assert json.loads(bus.run_bus("topology", "check", "--json").stdout) == {"drift": []}


def has_mailbox(adapter: list[str]) -> bool:
    """Whether an adapter has made its mailbox; `status` says that there is none before, and while it is being made."""
    return programs.finished([*adapter, "status", "--json"]).returncode == 0


def _said(adapter: list[str], command: str) -> Any:
    done = programs.finished([*adapter, command, "--json"])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _until(look: Any, within: float = 60.0) -> Any:
    end = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < end, "not within a minute"
    return found
