"""An office that speaks e-CMS and one that has folders, over a real bus: a letter there, its answers, and one back."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import tomli_w

from compose.local import LocalBus, free_port
from compose.node import Node
from tests.assets import directories
from tests.assets.factory import OCS, OPM
from tests.contract.ecms_rig import PDF, Answer, Client, document, envelope
from tests.journey.conftest import running_bus, start

_T = TypeVar("_T")


def _come(look: Callable[[], _T | None], seconds: float = 60) -> _T:
    end = time.monotonic() + seconds
    while (found := look()) is None:
        assert time.monotonic() < end
        time.sleep(0.1)
    return found


def _lay_out(bus: LocalBus, code: str, name: str, manifest: dict[str, Any], files: dict[str, bytes]) -> None:
    outbox = bus.exchange_folder(code) / "outbox"
    hidden = outbox / f".{name}"
    hidden.mkdir(parents=True)
    for file, content in files.items():
        (hidden / file).write_bytes(content)
    (hidden / "letter.toml").write_text(tomli_w.dumps(manifest), encoding="utf-8")
    hidden.rename(outbox / name)


def test_a_letter_goes_from_e_cms_to_a_folder_and_one_comes_back(broker_node: Node, tmp_path: Path) -> None:
    with running_bus(broker_node, tmp_path, directory=directories.text()) as bus:
        start(bus)
        port = free_port()
        own: dict[str, Any] = {
            "connectors__folder__enabled": False,
            "connectors__ecms__enabled": True,
            "connectors__ecms__port": port,
        }
        bus.start_adapter(OPM, **own)
        bus.start_adapter(OCS)
        client = Client(f"http://127.0.0.1:{port}/ecms-ws01/service2")

        def posted() -> Answer | None:
            answer = client.raw(_posting().encode())
            return Answer(answer.content) if answer.status_code == 200 else None  # 503: no directory yet

        assert _come(posted).error is None
        inbox = bus.exchange_folder(OCS) / "inbox"
        (place,) = _come(lambda: [each for each in inbox.glob("[!.]*")] or None)
        letter = json.loads((place / "letter.json").read_text(encoding="utf-8"))
        assert letter["number"] == "นร 0105/ว 165"
        saved = letter["files"][0]["saved_as"]
        assert (place / saved).read_bytes() == PDF

        act = {"letter_id": letter["letter_id"], "number": "๔๒/๒๕๖๙"}
        outbox = bus.exchange_folder(OCS) / "outbox"
        (outbox / ".a").write_text(tomli_w.dumps(act), encoding="utf-8")
        (outbox / ".a").rename(outbox / "a.register.toml")
        told = [_next(client), _next(client)]
        assert [each.kind for each in told] == ["ReceiveLetterNotifier", "AcceptLetterNotifier"]
        assert told[1].value("AcceptLetterNotifier/AcceptID") == "๔๒/๒๕๖๙"
        assert client.ask("<OutboundStatusRequest/>").value("Outbound/ProcessStatus") == "REGISTERED"

        back = {
            "number": "นร 0901/7",
            "date": "2026-11-23",
            "subject": "ตอบ",
            "to": [OPM],
            "files": ["ก.pdf"],
        }
        _lay_out(bus, OCS, "back", back, {"ก.pdf": PDF})
        received = _next(client)
        inner = "GovernmentDocument/CorrespondenceLetter/"
        assert received.value(inner + "ID") == "นร 0901/7"
        assert base64.b64decode(received.value(inner + "MainLetterBinaryObject") or "") == PDF
        client.notify("AcceptLetterNotifier", "นร 0901/7", "2026-11-23", AcceptID="1/2569")
        receipts = bus.exchange_folder(OCS) / "receipts"
        _come(lambda: next(receipts.glob("*-registered.json"), None))


def _posting() -> str:
    inner = document()
    return envelope(f"<CorrespondenceLetterOutboundRequest>{inner}</CorrespondenceLetterOutboundRequest>")


def _next(client: Client) -> Answer:
    def pulled() -> Answer | None:
        answer = client.pull()
        return answer if answer.kind else None

    found = _come(pulled)
    client.delete(found.process_id)
    return found
