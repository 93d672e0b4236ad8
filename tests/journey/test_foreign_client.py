"""A client in Node.js that knows nothing but the wire document, at a real bus and beside a real adapter."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest
import tomli_w

from compose.local import LocalBus
from tests.assets import build_examples, factory
from tests.assets.factory import DGA, SOC
from tests.foreign import FOLDER, NODE, Client

pytestmark = pytest.mark.skipif(NODE is None, reason="Node.js is not installed")
SAMPLES = build_examples.FOLDER
PDF = b"%PDF-1.7\n%%EOF\n"


def _environment(bus: LocalBus, code: str, folder: Path) -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    return {
        "SARABAN_AGENCY": code,
        "SARABAN_FOLDER": str(folder),
        "SARABAN_AMQP": bus.amqp_url(f"agency.{code}"),
        "SARABAN_DEPOT": bus.depot_url,
        "SARABAN_KEY": str(bus.keys / f"{code}.key.pem"),
        "SARABAN_CERTIFICATE": str(bus.keys / f"{code}.crt.pem"),
        "SARABAN_BUS_CERTIFICATE": str(bus.keys / "bus.crt.pem"),
        "SARABAN_RESEND_AFTER": "2",
    }


def test_it_judges_every_signed_sample_as_we_do() -> None:
    command = [str(NODE), str(FOLDER / "judge.mjs"), str(SAMPLES)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    said = {one["name"]: one["said"] for one in map(json.loads, printed.splitlines())}
    index = json.loads((SAMPLES / "index.json").read_text(encoding="utf-8"))
    for one in index["vectors"]:
        if one["expected"] == "valid":
            assert said[one["name"]], one
        elif one["file"].endswith(".xml") or one["expected"] in ("token.signature", "signature.broken"):
            assert said[one["name"]] is None, one
        if "sha256" in one:
            assert said[one["name"]] == one["sha256"]["canonical"]


def test_letters_go_both_ways_and_are_registered(tmp_path: Path) -> None:
    with LocalBus(tmp_path / "bus", witnesses=False) as bus:
        bus.start_all([SOC])
        environment = _environment(bus, DGA, tmp_path / "node")
        (tmp_path / "a.pdf").write_bytes(PDF)
        with Client([str(NODE), str(FOLDER / "client.mjs")], environment) as client:
            client.until("ready")
            client.do("send", to=SOC, subject="จาก Node & <ทดสอบ>", file=str(tmp_path / "a.pdf"))
            sent = client.until("sent")["letter"]
            assert client.until("verdict")["code"] == "accepted"
            assert client.until("notice", lambda one: one["code"] == "delivered")["author"] == SOC
            registered = bus.run_adapter(SOC, "register", sent, "--number", "ร 1/2569")
            assert registered.returncode == 0, registered.stderr
            assert client.until("notice", lambda one: one["code"] == "registered")["letter"] == sent

            _send_from_adapter(bus, tmp_path)
            received = client.until("received")
            assert (received["subject"], received["sender"]) == ("ถึง Node", SOC)
            client.do("register", letter=received["letter"], number="ร 7/2569")
            _until_outbox_says(bus, "registered")
            client.do("send", to="9999999999", subject="x", file=str(tmp_path / "a.pdf"))
            refused = client.until("verdict")
            assert (refused["code"], refused["reason"]) == ("refused-by-bus", "recipient.unknown")
        # Begun again it has nothing twice, and says nothing twice.
        with Client([str(NODE), str(FOLDER / "client.mjs")], environment) as client:
            assert client.until("entry")["again"] == 0
            assert not [one for one in client.said if one["event"] in ("received", "verdict", "notice")]


def _send_from_adapter(bus: LocalBus, folder: Path) -> None:
    letter = {"number": "นร 0505/9", "date": factory.NOW.date().isoformat(), "to": [DGA]}
    letter |= {"subject": "ถึง Node", "files": ["a.pdf"]}
    signer = {"given_name": "สมชาย (ตัวอย่าง)", "family_name": "ใจดี (ตัวอย่าง)", "job_title": "ปลัด"}
    (folder / "a.letter.toml").write_text(tomli_w.dumps({**letter, "signers": [signer]}), encoding="utf-8")
    sent = bus.run_adapter(SOC, "send", str(folder / "a.letter.toml"))
    assert sent.returncode == 0, sent.stderr


def _until_outbox_says(bus: LocalBus, word: str) -> None:
    deadline = time.monotonic() + 120
    while f'"{word}"' not in (shown := bus.run_adapter(SOC, "outbox", "--json").stdout):
        assert time.monotonic() < deadline, shown
