"""A letter from one adapter to another with TLS between all parts, by a private authority, and hardly a password."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import tomli_w

from bus.broker.topology import ROUTER, user_of
from compose.encrypted import EncryptedBus
from tests.assets import factory
from tests.assets.factory import DGA, SOC

LETTER = {
    "number": "นร 0505/165",
    "date": factory.NOW.date().isoformat(),
    "to": [DGA],
    "subject": "ซักซ้อมแนวทางปฏิบัติ",
    "files": ["a.pdf"],
    "signers": [{"given_name": "สมชาย (ตัวอย่าง)", "family_name": "ใจดี", "job_title": "ปลัด"}],
}


def outbox(bus: EncryptedBus) -> Any:
    (row,) = json.loads(bus.run_adapter(SOC, "outbox", "--json").stdout)
    return row


def test_a_letter_and_its_file_arrive_by_tls_alone(tmp_path: Path) -> None:
    with EncryptedBus(tmp_path, by_certificate=[SOC]) as bus:
        checked = bus.run_bus("topology", "check", "--json")
        assert json.loads(checked.stdout) == {"drift": []}, checked.stderr
        assert json.loads(bus.run_bus("topology", "apply", "--json").stdout) == {"done": []}
        bus.start_all([SOC, DGA])
        kept = bus.node.ctl("list_connections", "user", "ssl", "auth_mechanism")
        found = {tuple(line.split()) for line in kept.splitlines()[1:]}
        assert {(ROUTER, "true", "EXTERNAL"), (user_of(SOC), "true", "EXTERNAL")} <= found
        assert (user_of(DGA), "true", "PLAIN") in found
        assert {ssl for _, ssl, _ in found} == {"true"}

        (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7\n%%EOF\n")
        (tmp_path / "a.letter.toml").write_text(tomli_w.dumps(LETTER), encoding="utf-8")
        sent = bus.run_adapter(SOC, "send", str(tmp_path / "a.letter.toml"))
        assert sent.returncode == 0, sent.stderr
        deadline = time.monotonic() + 60
        while "delivered" not in json.dumps(outbox(bus)):
            assert time.monotonic() < deadline, outbox(bus)
        (received,) = json.loads(bus.run_adapter(DGA, "inbox", "--json").stdout)
        assert received["number"] == "นร 0505/165"
