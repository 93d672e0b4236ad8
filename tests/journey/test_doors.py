"""Letters through the doors of real adapters and a real bus: one office sends by REST, the other has two doors open."""

from __future__ import annotations

import base64
import hashlib
import json
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import tomli_w

from adapters.connectors.rest.keys import SCOPES
from compose.local import LocalBus, free_port
from compose.node import Node
from tests.assets import directories
from tests.assets.factory import OCS, OPM
from tests.journey.conftest import running_bus, start

CONTENT = b"%PDF-1.7 through the doors %%EOF"


def until(look: Callable[[], Any]) -> Any:
    """Ask again and again: what other processes commit has no event here."""
    for _ in range(600):
        if found := look():
            return found
        time.sleep(0.1)
    raise AssertionError("it never came")


def opened(bus: LocalBus, code: str) -> httpx.Client:
    """Open the REST door of an agency beside its folder, and give a program that has a key to it."""
    config, port = bus.adapter_settings(code), free_port()
    settings = tomllib.loads(config.read_text(encoding="utf-8"))
    settings["connectors"]["rest"] = {"enabled": True, "listen_port": port}
    config.write_text(tomli_w.dumps(settings), encoding="utf-8")
    scopes = [word for scope in SCOPES for word in ("--scope", scope)]
    made = bus.run_adapter(code, "rest", "key", "make", "journey", *scopes, "--json")
    assert made.returncode == 0, made.stderr
    key = json.loads(made.stdout)["key"]
    return httpx.Client(
        base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {key}"}, timeout=20
    )


def send(http: httpx.Client, reference: str) -> None:
    letter = {
        "date": "2026-11-22",
        "to": [OCS],
        "subject": "ผ่านประตู",
        "files": ["a.pdf"],
        "reference": reference,
    }
    begun = http.post("/v1/letters", json=letter, headers={"Idempotency-Key": reference}).json()
    digest = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()
    headers = {"Content-Digest": f"sha-256=:{digest}:", "Content-Type": "application/octet-stream"}
    assert http.put(f"/v1/letters/{begun['id']}/files/a.pdf", content=CONTENT, headers=headers).is_success
    assert http.post(f"/v1/letters/{begun['id']}/submit").status_code == 202


@pytest.mark.usefixtures("broker_node")
def test_a_letter_by_rest_is_found_at_both_doors_of_its_recipient_and_registered(
    broker_node: Node, tmp_path: Path
) -> None:
    with running_bus(broker_node, tmp_path, directory=directories.text()) as bus:
        start(bus)
        with opened(bus, OPM) as sender, opened(bus, OCS) as recipient:
            for code in (OPM, OCS):
                bus.start_adapter(code)
            until(lambda: sender.get("/v1/directory/groups").status_code == 200)
            send(sender, "rest-1")
            (item,) = until(lambda: recipient.get("/v1/inbox").json()["items"])
            path = f"/v1/inbox/{item['consignment']}"
            assert recipient.get(f"{path}/files/0").content == CONTENT
            lease = recipient.post(f"{path}/lease", json={}).json()["lease"]
            recipient.post(f"{path}/acknowledge", json={"lease": lease, "local_id": "รับ-1"})
            shown = until(lambda: list(bus.exchange_folder(OCS).glob("inbox/[!.]*/letter.xml")))
            assert shown[0].read_bytes() == recipient.get(f"{path}/document").content
            act = {"letter_id": item["letter_id"], "number": "๑", "reference": "act-1"}
            assert recipient.post("/v1/acts/register", json=act).status_code == 202

            def heard() -> Any:
                events = sender.get("/v1/events").json()["events"]
                return events if events and events[-1]["event"] == "registered" else None

            events = until(heard)
            assert [each["event"] for each in events] == ["accepted", "delivered", "registered"]
            assert {each["reference"] for each in events} == {"rest-1"}

            def answered() -> Any:
                events = recipient.get("/v1/events").json()["events"]
                return [each for each in events if each.get("reference") == "act-1"]

            assert [each["event"] for each in until(answered)] == ["accepted"]
