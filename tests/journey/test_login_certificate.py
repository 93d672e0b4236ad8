"""An agency joins with a certificate for the broker, sends and receives by it, renews it, and is locked out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from cryptography import x509

from bus.broker.topology import user_of
from bus.documents.making import KeyFiles
from bus.documents.seal import fingerprint_of
from bus.ledger.entry import Kind
from compose.encrypted import EncryptedBus
from compose.process import Running
from tests.assets.factory import SOC
from tests.journey.test_enrolment import LETTER, NEW, _said, _until, has_mailbox
from tests.programs import programs
from tests.project import ROOT

STEPS = (
    "renewal.login-key-made",
    "renewal.login-answered",
    "renewal.login-certificate-in-place",
    "renewal.login-key-in-place",
)
ALWAYS = {"SARABAN_ADAPTER__SEAL__RENEW_DAYS": "365"}
"""From the day on which a certificate of a year is issued; the seal's is for two."""


@pytest.fixture
def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EncryptedBus]:
    """A bus whose centre issues certificates by its private authority, and takes renewals."""
    with EncryptedBus(tmp_path / "centre") as started:
        ca = started.node.ca_file
        authority = KeyFiles.named(ca.parent, "ca")
        monkeypatch.setenv("SARABAN_BUS__AUTHORITY__KEY", str(authority.key))
        monkeypatch.setenv("SARABAN_BUS__AUTHORITY__CERTIFICATE", str(ca))
        monkeypatch.setenv("SARABAN_BUS__ENROLMENT__RENEWAL", "auto")
        started.start_all([SOC])
        yield started


class Office:
    """The folder of the agency that joins, and its adapter."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.command = [sys.executable, "-m", "adapters", "--config", str(folder / "adapter.toml")]

    def start(self, **environment: str) -> Running:
        return programs.started([*self.command, "run"], environment=os.environ | environment)

    @contextmanager
    def running(self) -> Iterator[None]:
        process = self.start()
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)

    def login(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate((self.folder / "keys" / "broker.crt.pem").read_bytes())

    def send(self) -> None:
        (self.folder / "a.pdf").write_bytes(b"%PDF-1.7\n%%EOF\n")
        (self.folder / "a.letter.toml").write_text(tomli_w.dumps(LETTER), encoding="utf-8")
        command = [*self.command, "send", str(self.folder / "a.letter.toml")]
        sent = programs.finished(command)
        assert sent.returncode == 0, sent.stderr


def joined(bus: EncryptedBus, folder: Path) -> Office:
    """Let an agency join as its people and the operator do."""
    file = folder.with_name("invitation.saraban")
    words = ("--name", "หน่วยงานตัวอย่าง", "--login", "certificate", "-o", str(file))
    invited = bus.run_bus("agency", "invite", NEW, *words)
    assert invited.returncode == 0, invited.stderr
    init = [sys.executable, "-m", "adapters", "init", str(file), "--folder", str(folder), "--wait", "180"]
    asking = subprocess.Popen(init, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    (request,) = _until(lambda: json.loads(bus.run_bus("agency", "waiting", "--json").stdout))
    approved = bus.run_bus("agency", "approve", NEW, "--fingerprint", request["fingerprint"])
    assert approved.returncode == 0, approved.stderr
    said, _ = asking.communicate(timeout=180)
    assert asking.returncode == 0, said
    return Office(folder)


def connections(bus: EncryptedBus) -> set[tuple[str, ...]]:
    kept = bus.node.ctl("list_connections", "user", "auth_mechanism")
    return {tuple(line.split()) for line in kept.splitlines()[1:]}


def test_an_agency_logs_in_by_a_certificate_from_its_first_day_to_its_last(
    bus: EncryptedBus, tmp_path: Path
) -> None:
    office = joined(bus, tmp_path / "office")
    first = office.login()
    assert not (office.folder / "passwords").exists()
    assert not (bus.folder / "passwords" / user_of(NEW)).exists()
    assert [one for one in office.folder.rglob("*") if one.stat().st_mode & 0o77] == []
    with office.running():
        _until(lambda: has_mailbox(office.command))
        _until(lambda: _said(office.command, "status")["directory_version"])
        assert (user_of(NEW), "EXTERNAL") in connections(bus)
        office.send()
        _until(lambda: "delivered" in json.dumps(_said(office.command, "outbox")))
    assert json.loads(bus.run_bus("topology", "check", "--json").stdout) == {"drift": []}

    renewed_whatever_is_killed(bus, office, first)
    with office.running():
        _until(lambda: (user_of(NEW), "EXTERNAL") in connections(bus))
        _until(lambda: not list((office.folder / "keys").glob("*.next.*")))
        answered(bus, tmp_path)
        _until(lambda: _said(office.command, "inbox"))
        locked_out(bus, office)


def renewed_whatever_is_killed(bus: EncryptedBus, office: Office, first: x509.Certificate) -> None:
    enrol = programs.started([sys.executable, "-m", "bus", "enrol", "-c", str(bus.folder / "bus.toml")])
    try:
        for step in STEPS:
            adapter = office.start(**ALWAYS, SARABAN_FAILPOINTS=f"{step}=kill")
            assert adapter.wait(120) == -signal.SIGKILL, step
    finally:
        enrol.terminate()
        enrol.wait(30)
    assert office.login().serial_number != first.serial_number
    assert office.login().subject == first.subject
    with bus.open_ledger() as ledger, ledger.read() as reader:
        asked = [one for one in reader.entries(kind=Kind.ENROLMENT_REQUESTED) if "invitation" not in one.body]
        assert [one.body["agency"] for one in asked] == [NEW]


def answered(bus: EncryptedBus, folder: Path) -> None:
    """The neighbour writes back."""
    letter: dict[str, Any] = LETTER | {"number": "นร 0505/1", "to": [NEW]}
    (folder / "a.pdf").write_bytes(b"%PDF-1.7\n%%EOF\n")
    (folder / "b.letter.toml").write_text(tomli_w.dumps(letter), encoding="utf-8")

    def sent() -> bool:
        return bus.run_adapter(SOC, "send", str(folder / "b.letter.toml")).returncode == 0

    _until(sent)


def locked_out(bus: EncryptedBus, office: Office) -> None:
    """With its last key, an agency has no user: it is thrown out, and no certificate lets it in again."""
    seal = x509.load_pem_x509_certificate((office.folder / "keys" / "agency.crt.pem").read_bytes())
    done = bus.run_bus("agency", "revoke", NEW, fingerprint_of(seal), "--reason", "stolen")
    assert done.returncode == 0, done.stderr
    assert user_of(NEW) not in bus.node.ctl("list_users")
    _until(lambda: (user_of(NEW), "EXTERNAL") not in connections(bus))
    assert bus.run_bus("topology", "apply").returncode == 0
    assert user_of(NEW) not in bus.node.ctl("list_users")
    refused = "broker.refuses"
    _until(lambda: refused in [one["code"] for one in _said(office.command, "status")["conditions"]])
