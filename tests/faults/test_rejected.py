"""A broker that takes less in one message than an adapter may send: that letter fails with the reason, and no other."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bus.thai import now
from compose.node import Node
from tests.faults.scene import _SIGNER, OPM, SOC, Scene, paper
from tests.faults.waiting import eventually

_BUILD = Path(__file__).parents[2] / "build" / "test"
TAKES = 16_000
"""Bytes that this broker takes in one message: more than an ordinary letter has."""


@pytest.fixture
def narrow_node() -> Iterator[Node]:
    """A node that takes small messages only."""
    _BUILD.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="narrow-", dir=_BUILD))
    try:
        with Node(folder, name="narrow", settings={"max_message_size": TAKES}) as node:
            yield node
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_p11_a_letter_that_the_broker_never_takes_is_failed_with_advice_and_delays_nobody(
    narrow_node: Node, stage: Callable[..., Scene]
) -> None:
    network = stage(node=narrow_node).start()
    large = {
        "date": now().date().isoformat(),
        "kind": "external",
        "to": [SOC],
        "subject": "หนังสือที่มีไฟล์มาก",
        "acknowledgement": "receipt",
        "signers": [_SIGNER],
    }
    files = {f"ไฟล์ที่ {number}.pdf": paper(str(number), 600) for number in range(100)}
    network.offices[OPM].send("large", large, files)
    keys = network.send(OPM, SOC, count=5)
    eventually(lambda: network.states(OPM).get("large") == "refused", "it is failed")
    raw, _ = network.raw(OPM, "large")
    assert len(raw) > TAKES
    keys += network.send(OPM, SOC, count=2)
    network.calm()
    assert network.accepted(OPM, keys)
    assert network.received(SOC) == {*keys}
    receipts = network.bus.exchange_folder(OPM) / "receipts"
    told = [json.loads(each.read_text(encoding="utf-8")) for each in receipts.glob("*.json")]
    (answer,) = (each["answers"] for each in told if each.get("answers", {}).get("reference") == "large")
    assert answer["refusal"]["code"] == "message.rejected"
    assert answer["refusal"]["advice_th"]
    log = network.process(OPM).log.read_text(encoding="utf-8")
    assert log.count('"event": "document-rejected"') == 1
