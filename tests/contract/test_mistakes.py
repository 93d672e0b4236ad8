"""The mistakes of who begins, each made with the installed commands: what they say is what the document says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from adapters.mailbox import Mailbox
from bus.documents.enrolment import read_invitation, write_invitation
from bus.documents.making import write_seal
from bus.thai import now
from compose.encrypted import EncryptedBus
from tests.assets import factory
from tests.assets.factory import OCS, OPM
from tests.project import ROOT

DOCUMENT = ROOT / "docs" / "deploying-an-adapter.md"
NEW = "0999900000"
ROW = re.compile(r"^\| (.+?) \| `(.+?)` \| (\d+) \| (.+?) \|$", re.MULTILINE)
UNPRIVILEGED = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
"""Before a command, where the tests run as root: whom no rights of files keep out."""


class Office:
    """A beginner's folder beside a bus over TLS; `words` are what is run, with these settings."""

    def __init__(self, bus: EncryptedBus, folder: Path) -> None:
        self.bus, self.folder = bus, folder
        self.settings = tomllib.loads(bus.adapter_settings(OPM).read_text(encoding="utf-8"))
        self.settings["mailbox"]["folder"] = str(folder / "mailbox")
        self.settings["connectors"]["folder"]["path"] = str(folder / "office")

    def set(self, section: str, **values: Any) -> None:
        """Write other values into a section; None takes one out."""
        table = self.settings.setdefault(section, {})
        for name, value in values.items():
            table.pop(name, None)
            table |= {} if value is None else {name: value}

    def run(self, command: str) -> tuple[int, str]:
        """Run what the document says, here; return the status and what was said, whatever was said first."""
        (self.folder / "adapter.toml").write_text(tomli_w.dumps(self.settings), encoding="utf-8")
        program, *words = command.split()
        words += ["-c", str(self.bus.folder / "bus.toml")] if program == "saraban-bus" else []
        typed = [str(Path(sys.executable).parent / program), *words]
        done = subprocess.run(
            [*(UNPRIVILEGED if os.geteuid() == 0 else ()), *typed],
            cwd=self.folder, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout + done.stderr

    def seal(self, name: str, make: Callable[[], Any]) -> None:
        """Seal with a key of another kind."""
        write_seal(make(), self.folder, name)
        self.set("seal", key=f"{name}.key.pem", certificate=f"{name}.crt.pem")

    def invited(self, *, ended: bool = False) -> None:
        """Have the centre write an invitation into the folder."""
        file = self.folder / "invitation.saraban"
        said = self.bus.run_bus("agency", "invite", NEW, "--name", "ใหม่ (ตัวอย่าง)", "-o", str(file))
        assert said.returncode == 0, said.stderr
        if ended:
            invitation = replace(read_invitation(file.read_text("utf-8")), until=now() - timedelta(days=1))
            file.write_text(write_invitation(invitation, self.bus.seal("bus")), "utf-8")


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EncryptedBus]:
    with EncryptedBus(tmp_path_factory.mktemp("bus")) as bus:
        bus.start_depot()
        yield bus


def _wrong_password(office: Office) -> None:
    file = office.folder / "password"
    file.touch(mode=0o600)
    file.write_text("wrong")
    office.set("broker", password_file="password")


def _password_for_all(office: Office) -> None:
    _wrong_password(office)
    (office.folder / "password").chmod(0o644)


def _folder_without_rights(office: Office) -> None:
    (office.folder / "mailbox").mkdir(mode=0o500)


def _invitation_used(office: Office) -> None:
    office.invited()
    first = office.run("saraban-adapter init invitation.saraban --folder first --wait 0")
    assert first[0] == 75, first


def _wrong_clock(office: Office) -> None:
    """A depot whose clock is five minutes ahead, which is this machine five minutes behind."""

    class Ahead(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(200)
            self.send_header("Date", format_datetime(now() + timedelta(minutes=5)))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Ahead)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    office.set("depot", url=f"http://127.0.0.1:{server.server_port}", ca_file=None)


def _of_another_agency(office: Office) -> None:
    with Mailbox(office.folder / "mailbox", OCS):
        pass


def _without_directory(office: Office) -> None:
    with Mailbox(office.folder / "mailbox", OPM):
        pass


MISTAKES: dict[str, Callable[[Office], object]] = {
    "a folder that is not there": lambda office: office.set("mailbox", folder="nowhere/mailbox"),
    "a folder that may not be written": _folder_without_rights,
    "a password that others can read": _password_for_all,
    "a password file that is not there": lambda office: office.set("broker", password_file="nowhere"),
    "a wrong password": _wrong_password,
    "a host that does not exist": lambda office: office.set("broker", url="amqps://mq.invalid"),
    "a wrong port": lambda office: office.set("broker", url="amqps://127.0.0.1:1"),
    "`amqps://` to a port without TLS": lambda office: office.set(
        "broker", url=office.bus.node.amqp_url.replace("amqp:", "amqps:")
    ),
    "`amqp://` to a port with TLS": lambda office: office.set(
        "broker", url=office.bus.node.amqps_url.replace("amqps:", "amqp:")
    ),
    "`amqp://` to another machine": lambda office: office.set("broker", url="amqp://mq.example.go.th"),
    "an authority that is not known": lambda office: office.set("broker", ca_file=None),
    "the same, of the depot": lambda office: office.set("depot", ca_file=None),
    "a certificate without `digitalSignature`": lambda office: office.seal(
        "own", factory.seal_not_for_signatures
    ),
    "a certificate that has expired": lambda office: office.seal("own", factory.expired_seal),
    "another agency's key": lambda office: office.set(
        "seal",
        key=str(office.bus.keys / f"{OCS}.key.pem"),
        certificate=str(office.bus.keys / f"{OCS}.crt.pem"),
    ),
    "an invitation that has ended": lambda office: office.invited(ended=True),
    "an invitation that was used": _invitation_used,
    "a clock that is wrong": _wrong_clock,
    "a mailbox of another agency": _of_another_agency,
    "a misspelt key": lambda office: office.set("broker", pasword_file="x"),
    "a misspelt section": lambda office: office.set("maillbox", folder="x"),
    "a mailbox brought back without its directory": _without_directory,
    "nothing, on the first day": lambda office: None,
}


def _rows() -> list[tuple[str, str, str, str]]:
    _, _, section = DOCUMENT.read_text(encoding="utf-8").partition("### Mistakes of who begins\n")
    return ROW.findall(section.partition("\n## ")[0])


def test_the_document_has_a_row_for_each_mistake() -> None:
    assert [row[0] for row in _rows()] == list(MISTAKES)


@pytest.mark.parametrize(
    ("mistake", "command", "status", "sentence"), _rows(), ids=[row[0] for row in _rows()]
)
def test_a_mistake_gets_the_sentence_of_the_document(
    bus: EncryptedBus, tmp_path: Path, mistake: str, command: str, status: str, sentence: str
) -> None:
    office = Office(bus, tmp_path)
    MISTAKES[mistake](office)
    ended, said = office.run(command)
    expected = re.escape(sentence.replace("`", "")).replace("…", ".*?")
    found = re.search(rf"^\s*{expected}$", said.replace("`", ""), re.MULTILINE)
    assert (ended, found is not None) == (int(status), True), said
