"""A letter whose sender and whose bus have their keys in a device: real processes, and a token of SoftHSM."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import tomli_w

from compose.local import LocalBus
from tests.assets.factory import DGA, SOC
from tests.fixtures.softhsm import PIN, Token
from tests.journey.test_encrypted_bus import LETTER


def test_a_letter_is_sealed_and_accepted_by_keys_that_no_file_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = Token(tmp_path)
    for name, value in token.environment.items():
        monkeypatch.setenv(name, value)
    with LocalBus(tmp_path / "bus") as bus:
        bus.start_depot()
        bus.start_adapter(DGA)
        for program, name in (("BUS", "bus"), ("ADAPTER", SOC)):
            token.take(bus.seal(name), name)
            (bus.keys / f"{name}.key.pem").unlink()
            monkeypatch.setenv(f"SARABAN_{program}__SEAL__DEVICE", token.uri(name))
            monkeypatch.setenv(f"SARABAN_{program}__SEAL__PASSPHRASE", PIN)
        bus.start_router()
        bus.start_adapter(SOC)
        (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7\n%%EOF\n")
        (tmp_path / "a.letter.toml").write_text(tomli_w.dumps(LETTER), encoding="utf-8")
        sent = bus.run_adapter(SOC, "send", str(tmp_path / "a.letter.toml"))
        assert sent.returncode == 0, sent.stderr
        deadline = time.monotonic() + 60
        while "delivered" not in (shown := bus.run_adapter(SOC, "outbox", "--json").stdout):
            assert time.monotonic() < deadline, shown
        log = (bus.folder / "logs" / "router-1.log").read_text("utf-8")
    assert json.loads(shown)[0]["number"] == LETTER["number"]
    assert PIN not in log
