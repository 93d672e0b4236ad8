"""An office behind the e-CMS façade: the real server on a port of its own, and requests as clients write them."""

from __future__ import annotations

import asyncio
import base64
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from lxml import etree

from adapters.connectors.ecms.door import EcmsDoor
from adapters.mailbox import InboxLetter, Mailbox, OutboxEntry
from adapters.mailbox.files import Fingerprint
from adapters.mailbox.receipts import receipt
from bus import assets
from bus.documents.letter import Receiver
from bus.identifiers import AgencyCode
from bus.settings.adapter import EcmsConnector
from compose.local import free_port
from tests.assets import factory
from tests.assets.factory import OCS, OPM
from tests.unit.adapter.network import Bus, Office, sha
from tests.unit.adapter.test_acts import judge

PDF = b"%PDF-1.7 sample\n%%EOF\n"
RSM = "urn:th:gov:egif:data:standard:GovernmentDocument:1.0"
RAM = "urn:th:gov:egif:data:standard:ReusableAggregateBusinessInformationEntity:1"


@contextmanager
def offices(folder: Path) -> Iterator[Callable[[AgencyCode], Office]]:
    """Opens offices, each with a mailbox of its own."""
    opened: list[Mailbox] = []

    def make(agency: AgencyCode) -> Office:
        mailbox = Mailbox(folder / agency, agency)
        opened.append(mailbox)
        return Office(mailbox, Bus(agency))

    yield make
    for mailbox in opened:
        mailbox.close()


@contextmanager
def served(office: Office, **settings: Any) -> Iterator[Client]:
    """The façade of an office, with a client; a verdict is not waited for unless `verdict_wait` says so."""
    if office.mailbox.directory() is None:
        hear(office, office.bus.directory())
    values = {"port": free_port(), "verdict_wait": 0, "enabled": True} | settings
    door = EcmsDoor(office.mailbox, EcmsConnector(**values))
    ready = threading.Event()
    loop, ends = asyncio.new_event_loop(), []

    async def run() -> None:
        stop = asyncio.Event()
        ends.append(stop)
        running = asyncio.create_task(door.run(stop))
        while not running.done():
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", values["port"])
            except OSError:
                await asyncio.sleep(0.01)
                continue
            writer.close()
            break
        ready.set()
        await running

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
    thread.start()
    assert ready.wait(60)
    try:
        scheme = "https" if values.get("certificate") else "http"
        yield Client(f"{scheme}://127.0.0.1:{values['port']}/ecms-ws01/service2")
    finally:
        loop.call_soon_threadsafe(ends[0].set)
        thread.join(20)
        loop.close()


class Client:
    """Posts what it is given, and reads what comes back by local names."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.verify: ssl.SSLContext | bool = True

    def raw(self, body: bytes, content_type: str | None = "text/xml; charset=utf-8") -> httpx.Response:
        headers = {"content-type": content_type} if content_type else {}
        return httpx.post(self.url, content=body, headers=headers, timeout=60, verify=self.verify)

    def ask(self, operation: str, **how: Any) -> Answer:
        """An operation in an envelope; the answer, which has to be one."""
        answer = self.raw(envelope(operation).encode(), **how)
        assert answer.status_code == 200, answer.text
        return Answer(answer.content)

    def pull(self) -> Answer:
        return self.ask("<CorrespondenceLetterInboundRequest/>")

    def delete(self, process_id: str) -> Answer:
        inner = f"<ProcessID>{process_id}</ProcessID>"
        return self.ask(f"<CorrespondenceLetterDeleteRequest>{inner}</CorrespondenceLetterDeleteRequest>")

    def out(self, inner: str) -> Answer:
        return self.ask(f"<CorrespondenceLetterOutboundRequest>{inner}</CorrespondenceLetterOutboundRequest>")

    def notify(self, kind: str, number: str, date: str, **more: str) -> Answer:
        fields = {"LetterID": number, "CorrespondenceDate": date, "Subject": "อีกเรื่องหนึ่ง"} | more
        inner = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
        return self.out(f"<{kind}>{inner}</{kind}>")


class Answer:
    """What came back."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.root = etree.fromstring(content, etree.XMLParser(huge_tree=True))
        body = self.root.find("{*}Body")
        assert body is not None
        self.response: etree._Element = body[0]
        _schema().assertValid(self.response)

    def value(self, path: str) -> str | None:
        steps = "/".join(f"{{*}}{step}" for step in path.split("/"))
        found = self.response.find(steps)
        return None if found is None else found.text or ""

    @property
    def error(self) -> str | None:
        return self.value("ErrorDetail/ErrorCode")

    @property
    def process_id(self) -> str:
        found = self.value("ProcessID")
        assert found is not None, self.content.decode()
        assert found.isdecimal()
        assert len(found) == 18
        return found

    @property
    def kind(self) -> str | None:
        """The local name of the document or notifier in it."""
        names = [etree.QName(each).localname for each in self.response]
        return next((each for each in names if each not in ("ProcessID", "ProcessTime")), None)


@cache
def _schema() -> etree.XMLSchema:
    """What every answer has to follow."""
    return etree.XMLSchema(etree.parse(str(assets.path("xsd/ecms/ecms.xsd"))))


def envelope(inner: str, message_id: str = "mid://20261127.101500000@sample") -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/">'
        '<SOAP-ENV:Header xmlns:wsa="http://www.w3.org/2005/08/addressing">'
        f"<wsa:MessageID>{message_id}</wsa:MessageID><wsa:To>http://node.example/ecms-ws01/service2</wsa:To>"
        f"</SOAP-ENV:Header><SOAP-ENV:Body>{inner}</SOAP-ENV:Body></SOAP-ENV:Envelope>"
    )


def document(
    *,
    number: str = "นร 0105/ว 165",
    date: str = "2026-11-22",
    subject: str = "ซักซ้อมความเข้าใจ",
    sender: str = OPM,
    recipient: str = OCS,
    files: tuple[tuple[str, bytes], ...] = (("application/pdf", PDF),),
    speed: str = "004",
    secrecy: str = "001",
    send_date: str = "2026-11-22T10:15:00",
    more: str = "",
) -> str:
    """A letter as the standard has it."""
    (main, body), *rest = [(kind, base64.b64encode(content).decode()) for kind, content in files]
    attached = "".join(
        f'<ram:AttachmentBinaryObject mimeCode="{kind}">{content}</ram:AttachmentBinaryObject>'
        for kind, content in rest
    )
    return f"""<rsm:GovernmentDocument xmlns:rsm="{RSM}" xmlns:ram="{RAM}"><ram:CorrespondenceLetter ID="Letter">
<ram:ID>{number}</ram:ID><ram:CorrespondenceDate>{date}</ram:CorrespondenceDate>
<ram:Subject>{subject}</ram:Subject><ram:SecretCode>{secrecy}</ram:SecretCode><ram:SpeedCode>{speed}</ram:SpeedCode>
<ram:SenderParty><ram:GivenName>สมชาย</ram:GivenName><ram:FamilyName>ตัวอย่าง</ram:FamilyName>
<ram:JobTitle>ปลัด</ram:JobTitle><ram:MinistryOrganization><ram:ID>{sender[:2]}00000000</ram:ID></ram:MinistryOrganization>
<ram:DepartmentOrganization><ram:ID>{sender}</ram:ID></ram:DepartmentOrganization></ram:SenderParty>
<ram:ReceiverParty><ram:GivenName/><ram:FamilyName/><ram:JobTitle>เลขาธิการ</ram:JobTitle>
<ram:DepartmentOrganization><ram:ID>{recipient}</ram:ID></ram:DepartmentOrganization></ram:ReceiverParty>
{more}<ram:SendDate>{send_date}</ram:SendDate><ram:Description/>
<ram:MainLetterBinaryObject mimeCode="{main}">{body}</ram:MainLetterBinaryObject>{attached}
</ram:CorrespondenceLetter></rsm:GovernmentDocument>"""


def receive(office: Office, content: bytes = PDF, number: str = "นร 0105/ว 165") -> InboxLetter:
    """A letter of OPM, delivered with its file."""
    source = office.mailbox.store.partial / "scratch"
    source.write_bytes(content)
    office.mailbox.store.take_in(source, Fingerprint(sha(content), len(content)))
    source.unlink()
    if office.mailbox.directory() is None:
        hear(office, office.bus.directory())
    signed = office.signed(
        content,
        OPM,
        letter_id=uuid4(),
        number=number,
        sender=factory.sender(OPM),
        receivers=(Receiver(agency=OCS),),
    )
    hear(office, office.bus.letter(signed, OPM))
    (row,) = office.mailbox.inbox.fetching(1e12, 10)
    stored = [file.position for file in office.mailbox.inbox.files(row.id)]
    office.mailbox.inbox.deliver(row.id, stored, *receipt(office.mailbox, row))
    return office.mailbox.inbox.get(row.id)


def hear(office: Office, *messages: Any) -> None:
    """Have the bus say something, and the agent verify it."""
    office.mailbox.arrivals.store(messages)
    judge(office)


def accepted(office: Office) -> OutboxEntry:
    """The newest letter, as the bus has accepted it."""
    row = office.mailbox.outbox.letters()[0]
    raw = f"<signed{row.id}/>".encode()
    row = office.mailbox.outbox.seal(row, raw, sha(raw))
    hear(office, office.bus.acceptance(row, (OCS,)))
    return office.mailbox.outbox.get(row.id)


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until that holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)
