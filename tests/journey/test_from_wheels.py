"""A centre and two agencies from the installed wheel alone, by the commands of the quickstart, and what comes after."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bus.documents.making import KeyFiles, new_seal, write_pair
from bus.documents.seal import Seal
from bus.identifiers import AgencyCode
from bus.thai import now
from compose.encrypted import EncryptedNode
from compose.node import Node
from compose.ports import LOOPBACK, free_ports
from tests.faults.waiting import eventually
from tests.journey.quickstart import Block, Running, User, blocks_of
from tests.project import ROOT

ONE, OTHER = AgencyCode("0999900000"), AgencyCode("0999800000")
AS_OTHER = {ONE: OTHER, "หน่วยงานตัวอย่าง": "หน่วยงานที่สอง", "Sample agency": "Another agency"}
PACKAGES = sysconfig.get_path("purelib")
PAGE = ROOT / "docs/quickstart.md"
COMMAND = re.compile(r"^(?:/opt/saraban/bin/pip|install|python3|rabbitmqctl|saraban-\w+) ", re.M)
UID = 61_000
NUMBER = "ตย 0001/1"
FINGERPRINT = re.compile(r"\b[0-9a-f]{64}\b")


class Broker(Node):
    """A node whose settings are those of docs/operating.md, with the certificate that `saraban-bus init` made."""

    plugins = EncryptedNode.plugins

    def __init__(self, folder: Path) -> None:
        self.amqps, self.https = free_ports(2)
        self.tls = folder / "tls"
        self.tls.mkdir(parents=True)
        page = (ROOT / "docs/operating.md").read_text(encoding="utf-8")
        (shown,) = re.findall(r"^```\n(listeners\.tcp = none\n.*?)^```", page, re.M | re.S)
        settings = dict(
            line.split(" = ") for line in shown.replace("/etc/rabbitmq", str(self.tls)).splitlines()
        )
        del settings["listeners.tcp"]  # the private node is looked at there
        settings |= {"listeners.ssl.1": f"{LOOPBACK}:{self.amqps}", "management.ssl.port": str(self.https)}
        super().__init__(folder, name="quickstart", settings=settings | {"management.ssl.ip": LOOPBACK})

    def environment(self) -> dict[str, str]:
        """Return with what a `rabbitmqctl` of the search path is this node's."""
        ours = ("RABBITMQ_", "ERL_", "HOME", "LC_")
        given = {name: value for name, value in self._environment().items() if name.startswith(ours)}
        return given | {"PATH": f"{self._programs}:{os.defpath}"}


@dataclass
class Town:
    """Who plays, and what each section of the page printed when it was played as it stands."""

    users: dict[str, User]
    broker: Broker
    page: list[Block]
    said: dict[str, str] = field(default_factory=dict)

    def play(self, *sections: str, other: bool = False) -> None:
        """Play the blocks of these sections in order, for the other agency if it is to be that one."""
        waiting: list[Running] = []
        for block in (each for each in self.page if each.section in sections):
            if "rabbitmqctl" in block.text:
                self.broker.start()
            text = block.text
            for shown, real in AS_OTHER.items() if other else ():
                text = text.replace(shown, real)
            user = self.users["recipient" if other and block.user == "agency" else block.user]
            if block.waits:
                waiting.append(user.start(text))
                self._shown_by(waiting[-1])
                continue
            if block.user == "recipient":
                eventually(lambda: self.ask("recipient", "saraban-adapter inbox"), "the letter arrives")
            said = user.run(text, answer="y\n")
            if waiting:
                assert self._shown_by(waiting[-1]) in said
                said += waiting.pop().finish()
            if not other:
                self.said[block.section] = self.said.get(block.section, "") + said

    def hand_over(self, code: str, user: str) -> None:
        """Carry an agency's invitation from the centre to its user."""
        self.users[user].take(self.users["centre"].home / f"invitation-{code}.saraban")

    def ask(self, user: str, command: str) -> Any:
        """Return what a command says as JSON."""
        return json.loads(self.users[user].run(f"{command} --json\n"))

    @staticmethod
    def _shown_by(asking: Running) -> str:
        shown: list[str] = eventually(lambda: FINGERPRINT.findall(asking.said), "the fingerprint is shown")
        return shown[0]


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    """The quickstart, played to its end; the other agency's key ends in ten days."""
    folder = Path(tempfile.mkdtemp(prefix="saraban-"))
    folder.chmod(0o755)  # others go through it to what is theirs
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        broker = Broker(folder / "broker")
        stack.callback(broker.kill)
        python, several = _python()
        installed = _installed(folder, python)
        values = _values(folder, broker, installed)
        users: dict[str, User] = {}
        for number, name in enumerate(("centre", "agency", "recipient", "administrator")):
            uid = UID + number if several and name != "administrator" else None
            users[name] = User(folder / name, uid, values)
            stack.callback(users[name].stop)
        users["centre"].environment = _centre_environment()
        users["administrator"].environment = broker.environment()
        pages = list(installed.glob("lib/*/site-packages/bus/_assets/docs/quickstart.md"))
        town = Town(users, broker, blocks_of(*pages))
        town.play("The centre", "The broker", "In service")
        town.play("An agency is invited", other=True)
        town.hand_over(OTHER, "recipient")
        _key_near_its_end(users["recipient"])
        town.play("Joining", "Running", other=True)
        town.play("An agency is invited")
        town.hand_over(ONE, "agency")
        town.play("Joining", "Running", "A first look", "The first letter")
        show = f'saraban-adapter show "{NUMBER}"'
        eventually(
            lambda: "registered" in json.dumps(town.ask("agency", show)), "the sender knows the registration"
        )
        town.play("What became of it")
        yield town


def _installed(folder: Path, python: str) -> Path:
    """Install the wheel as the page says, with the locked packages that are here already, and return where it is."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory"]
    subprocess.run([*build, str(folder / "wheelhouse")], cwd=ROOT, check=True, capture_output=True)
    installed = folder / "installed"
    values = {
        "python3 -m venv": f"{python} -m venv --without-pip",
        "/opt/saraban/bin/pip": f"{sys.executable} -m pip --python {installed}/bin/python",
        "--find-links wheelhouse": f"--no-deps --find-links {folder}/wheelhouse",
        "/opt/saraban": str(installed),
    }
    machine = User(folder / "machine", None, values)
    for block in blocks_of(PAGE):
        if block.user == "machine":
            machine.run(block.text)
    machine.stop()
    (packages,) = installed.glob("lib/*/site-packages")
    (packages / "locked.pth").write_text(f"{PACKAGES}\n")
    return installed


def _values(folder: Path, broker: Broker, installed: Path) -> dict[str, str]:
    return {
        "/opt/saraban": str(installed),
        "bus.example.go.th": LOOPBACK,
        "mq.example.go.th:5671": f"{LOOPBACK}:{broker.amqps}",
        "mq.example.go.th:15671": f"{LOOPBACK}:{broker.https}",
        "install -o rabbitmq": "install",
        "/etc/rabbitmq": str(broker.tls),
        "~saraban": str(folder / "centre"),
    }


def _centre_environment() -> dict[str, str]:
    """Ports of its own, for others may run this test, and renewals that need no person."""
    depot, metrics = free_ports(2)
    return {
        "SARABAN_BUS__DEPOT__URL": f"https://{LOOPBACK}:{depot}",
        "SARABAN_BUS__DEPOT__LISTEN_PORT": str(depot),
        "SARABAN_BUS__ROUTER__METRICS_PORT": str(metrics),
        "SARABAN_BUS__ENROLMENT__RENEWAL": "auto",
    }


def _python() -> tuple[str, bool]:
    """Return a Python that runs the locked packages for any user, and True; else our own, for our user alone."""
    ask = f"import sys; sys.path.append({PACKAGES!r}); import lxml.etree, cryptography.x509, pydantic_core"
    for program in (sys.executable, "/usr/bin/python3") if os.geteuid() == 0 else ():
        with suppress(OSError, subprocess.CalledProcessError):
            subprocess.run([program, "-c", ask], user=UID, group=UID, extra_groups=[], check=True)
            return program, True
    return sys.executable, False


def _key_near_its_end(user: User) -> None:
    """Lay a key of its own beside the invitation, as an agency may; it ends so soon that it is renewed at once."""
    files = KeyFiles.named(user.home / "adapter/keys", "agency")
    seal = new_seal(OTHER, not_after=now() + timedelta(days=10))
    write_pair(seal.private_key, seal.certificate, files)
    user.own(user.home)


def test_the_page_says_how_many_commands_it_takes() -> None:
    def commands(*users: str, sections: tuple[str, ...]) -> int:
        found = (each.text for each in blocks_of(PAGE) if each.user in users and each.section in sections)
        return sum(len(COMMAND.findall(text)) for text in found)

    once = ("Installing", "The centre", "The broker", "In service")
    joining = ("Installing", "Joining", "Running", "A first look")
    centre = commands("machine", "centre", "administrator", sections=once)
    invited = commands("centre", sections=("An agency is invited", "Joining"))
    agency = commands("machine", "agency", sections=joining)
    said = re.findall(r"^\| [^|]+ \| (\d+)", PAGE.read_text(encoding="utf-8"), re.M)
    assert [int(number) for number in said] == [centre, invited, agency]


def test_every_command_of_the_page_was_run_from_the_wheel(town: Town) -> None:
    assert {block.kind for block in town.page} == {"sh"}
    assert {block.user for block in town.page} == {"machine", *town.users}
    assert {block.section for block in town.page if block.user != "machine"} == set(town.said)
    said = town.users["centre"].run(
        "python -c 'import adapters, bus; print(bus.__path__, adapters.__path__)'"
    )
    assert str(ROOT) not in said


def test_a_letter_is_registered_and_proved_to_whoever_trusts_nobody(town: Town) -> None:
    assert "is home" in town.said["A first look"]
    assert "registered 1" in town.said["What became of it"]
    assert "PASS" in town.said["What became of it"]


def test_a_renewed_key_signs_until_it_is_revoked_and_nothing_afterwards(town: Town) -> None:
    keys = town.users["recipient"].home / "adapter/keys"

    def in_use() -> bool:
        return any(keys.glob("agency.????????.crt.pem")) and not any(keys.glob("agency.next.*"))

    eventually(in_use, "the adapter has renewed its key by itself")
    renewed = Seal.from_files(keys / "agency.key.pem", keys / "agency.crt.pem").fingerprint
    _send(town, "ตย 0002/1")
    signed = f"saraban-bus ledger find --certificate {renewed}"
    found = eventually(
        lambda: town.ask("centre", signed)["letters"], "a letter with the next key is accepted"
    )
    assert [each["number"] for each in found] == ["ตย 0002/1"]
    town.users["centre"].run(f"saraban-bus agency revoke {OTHER} {renewed} --reason stolen\n")
    _send(town, "ตย 0003/1")
    refused = "saraban-bus ledger find --code key.revoked"
    found = eventually(lambda: town.ask("centre", refused)["unaccepted"], "a letter with it is refused")
    assert [each["number"] for each in found] == ["ตย 0003/1"]
    town.users["centre"].run("saraban-bus ledger verify")


def _send(town: Town, number: str) -> None:
    """Send another letter the other way, as the page's is sent."""
    (text,) = (each.text for each in town.page if "first.letter.toml <<" in each.text)
    text = text.replace("first", "next").replace(OTHER, ONE).replace("ตย 0001/1", number)
    town.users["recipient"].run(text)
