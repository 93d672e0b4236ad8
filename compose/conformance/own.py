"""Our own adapter as a client under examination: the orders become its commands, and its mailbox is what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import tomli_w

from adapters import views
from adapters.mailbox import Mailbox
from bus.identifiers import AgencyCode
from compose.local import LOOPBACK, free_port
from compose.process import Process
from compose.settings import secret_file

_SIGNER = {"given_name": "ก (ตัวอย่าง)", "family_name": "ข (ตัวอย่าง)", "job_title": "ผู้อำนวยการ"}
_LOOK_EVERY = 0.5


def _given(name: str) -> str:
    return os.environ[f"SARABAN_{name}"]


def _settings(folder: Path) -> Path:
    """Write the adapter's settings from what the examiner gives."""
    broker = urlsplit(_given("AMQP"))
    settings = {
        "agency": _given("AGENCY"),
        "bus_certificate": _given("BUS_CERTIFICATE"),
        "resend_after": float(_given("RESEND_AFTER")),
        "broker": {
            "url": f"{broker.scheme}://{broker.hostname}:{broker.port}",
            "vhost": unquote(broker.path.removeprefix("/")),
            "password_file": str(secret_file(folder, "broker", unquote(broker.password or ""))),
        },
        "depot": {"url": _given("DEPOT")},
        "seal": {"key": _given("KEY"), "certificate": _given("CERTIFICATE")},
        "mailbox": {"folder": str(folder / "mailbox")},
    }
    path = folder / "adapter.toml"
    path.write_text(tomli_w.dumps(settings), encoding="utf-8")
    return path


def _said(mailbox: Mailbox) -> Iterator[tuple[str, dict[str, Any]]]:
    """What has happened so far, the same again at each look."""
    for row in mailbox.outbox.letters():
        view = views.sent(mailbox, row)
        code = {"accepted": "accepted", "refused": "refused-by-bus", "parked": "parked"}.get(view["state"])
        if code:
            reason = view["refusal"]["code"] if view["refusal"] else None
            yield "verdict", {"code": code, "of": view["letter_id"], "reason": reason}
        for one in view["recipients"]:
            for event in ("delivered", "registered"):
                if one.get(f"{event}_at"):
                    said = {"letter": view["letter_id"], "code": event, "author": one["agency"]["code"]}
                    yield "notice", said
            if one["state"] == "handover-failed":
                author = one["agency"]["code"]
                yield "notice", {"letter": view["letter_id"], "code": one["state"], "author": author}
    for letter in mailbox.inbox.letters():
        if letter.delivered_at:
            said = {"letter": letter.letter_id, "subject": letter.subject, "sender": letter.sender}
            yield "received", said


def _watch(folder: Path) -> None:
    known_file = folder / "said.json"
    known = set(json.loads(known_file.read_text("utf-8"))) if known_file.exists() else set()
    with Mailbox(folder / "mailbox", AgencyCode(_given("AGENCY")), only_reading=True) as mailbox:
        while True:
            for event, more in _said(mailbox):
                line = json.dumps({"event": event, **more}, ensure_ascii=False)
                if line not in known:
                    known.add(line)
                    known_file.write_text(json.dumps(sorted(known)), "utf-8")
                    print(line, flush=True)
            time.sleep(_LOOK_EVERY)


def _send(folder: Path, config: Path, order: dict[str, Any]) -> None:
    letter = {"date": date.today().isoformat(), "to": [order["to"]], "subject": order["subject"]}
    letter |= {"number": f"ทดสอบ {time.time_ns()}", "files": [Path(order["file"]).name], "signers": [_SIGNER]}
    copy = folder / Path(order["file"]).name
    copy.write_bytes(Path(order["file"]).read_bytes())
    manifest = folder / "order.letter.toml"
    manifest.write_text(tomli_w.dumps(letter), encoding="utf-8")
    _command(config, "send", str(manifest))


def _command(config: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "adapters", "--config", str(config), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(json.dumps({"event": "problem", "why": done.stderr[-300:]}, ensure_ascii=False), flush=True)


def main() -> None:
    """Run the adapter, and obey until there are no more orders."""
    folder = Path(_given("FOLDER"))
    config, port = _settings(folder), free_port()
    command = [sys.executable, "-m", "adapters", "--config", str(config), "run"]
    environment = {"SARABAN_ADAPTER__METRICS_PORT": str(port)}
    adapter = Process("own", command, folder / "adapter.log", environment, f"http://{LOOPBACK}:{port}")
    adapter.start()
    try:
        print(json.dumps({"event": "ready"}), flush=True)
        threading.Thread(target=_watch, args=(folder,), daemon=True).start()
        for line in sys.stdin:
            order = json.loads(line)
            if order["do"] == "send":
                _send(folder, config, order)
            elif order["do"] == "reconcile":
                _command(config, "reconcile")
            elif order["do"] == "register":
                _command(config, "register", order["letter"], "--number", order["number"])
    finally:
        adapter.stop()


if __name__ == "__main__":
    main()
