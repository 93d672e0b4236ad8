"""The façade killed at each of its steps: the client asks again, and nothing is lost or there twice."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from adapters.mailbox import Mailbox
from bus.documents.notice import Event
from compose.local import free_port
from tests.assets.factory import OCS
from tests.contract.ecms_rig import Answer, Client, document, hear, receive, until
from tests.project import ROOT
from tests.unit.adapter.network import Bus, Office

PROGRAM = """
import asyncio, sys
from pathlib import Path
from adapters.connectors.ecms.door import EcmsDoor
from adapters.mailbox import Mailbox
from bus.settings.adapter import EcmsConnector
mailbox = Mailbox(Path(sys.argv[1]), sys.argv[2])
settings = EcmsConnector(port=int(sys.argv[3]), verdict_wait=0)
asyncio.run(EcmsDoor(mailbox, settings).run(asyncio.Event()))
"""


class Dying:
    """The façade as a process that dies at each failpoint, once, and is started again."""

    def __init__(self, mailbox: Path, log: Path) -> None:
        self._port = free_port()
        self._command = [sys.executable, "-c", PROGRAM, str(mailbox), OCS, str(self._port)]
        self._environment = os.environ | {
            "SARABAN_FAILPOINTS": ",".join(f"{point}=kill" for point in POINTS),
            "SARABAN_FAILPOINT_LOG": str(log),
            "PYTHONPATH": str(ROOT),
        }
        self.client = Client(f"http://127.0.0.1:{self._port}/ecms-ws01/service2")
        self._process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(self._command, env=self._environment, stderr=subprocess.DEVNULL)

        def answers() -> bool:
            try:
                return httpx.get(self.client.url).status_code == 200
            except httpx.TransportError:
                return False

        until(answers)
        return process

    def ask(self, operation: str) -> Answer:
        """Ask as a client does: again, if the connection broke."""
        for _ in POINTS:
            try:
                return self.client.ask(operation)
            except httpx.TransportError:
                self._process.wait(60)
                self._process = self._started()
        return self.client.ask(operation)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait(60)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with Mailbox(tmp_path / "mailbox", OCS) as mailbox:
        office = Office(mailbox, Bus(OCS))
        hear(office, office.bus.directory())
        yield office


def _outbound(inner: str) -> str:
    return f"<CorrespondenceLetterOutboundRequest>{inner}</CorrespondenceLetterOutboundRequest>"


POINTS = ["ecms.before-put", "ecms.after-put", "ecms.after-serve", "ecms.after-act", "ecms.after-delete"]


def test_a_facade_that_dies_at_each_step_loses_nothing_and_doubles_nothing(
    office: Office, tmp_path: Path
) -> None:
    letters = [
        receive(office, content=b"%PDF one", number="นร 0105/1"),
        receive(office, content=b"%PDF two", number="นร 0105/2"),
    ]
    log = tmp_path / "failpoints"
    dying = Dying(tmp_path / "mailbox", log)
    try:
        posted = dying.ask(_outbound(document(sender=OCS, recipient="0100100000")))
        again = dying.ask(_outbound(document(sender=OCS, recipient="0100100000")))
        assert posted.process_id == again.process_id
        seen = []
        while (item := dying.ask("<CorrespondenceLetterInboundRequest/>")).kind:
            seen.append(item.value("GovernmentDocument/CorrespondenceLetter/MainLetterBinaryObject"))
            row = letters[len(seen) - 1]
            key = f"<LetterID>{row.number}</LetterID><CorrespondenceDate>{row.date}</CorrespondenceDate>"
            told = dying.ask(_outbound(f"<RejectLetterNotifier>{key}</RejectLetterNotifier>"))
            assert told.error is None
            inner = f"<ProcessID>{item.process_id}</ProcessID>"
            name = "CorrespondenceLetterDeleteRequest"
            assert dying.ask(f"<{name}>{inner}</{name}>").process_id == item.process_id
    finally:
        dying.close()
    assert log.read_text(encoding="utf-8").splitlines() == POINTS
    assert seen == ["JVBERiBvbmU=", "JVBERiB0d28="]
    assert len(office.mailbox.outbox.letters()) == 1
    refused = [each for row in letters for each in office.mailbox.notices.about(row.letter_id)]
    assert sum(each.event == Event.REFUSED for each in refused) == 2
