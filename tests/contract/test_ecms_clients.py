"""Requests shaped as three families of clients send them, each with its habits; and those of nobody's friends."""

from __future__ import annotations

import base64
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from adapters.connectors.ecms.errors import Code
from bus.documents.letter import Letter
from bus.documents.xml import open_envelope, read
from bus.errors import Misconfigured
from bus.settings.adapter import EcmsConnector
from tests.assets.factory import OCS, OPM
from tests.contract.ecms_rig import PDF, Answer, Client, document, envelope, offices, receive, served
from tests.project import ROOT
from tests.unit.adapter.network import Office

BODY = base64.b64encode(PDF).decode()
WRAPPED = "\r\n".join(BODY[at : at + 16] for at in range(0, len(BODY), 16))
VB_NET = f"""\ufeff<?xml version="1.0" encoding="utf-8"?>
<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<soap:Header><wsa:MessageID xmlns:wsa="http://w3.org/2005/08/addressing"></wsa:MessageID>
<wsa:to xmlns:wsa="http://w3.org/2005/08/addressing">http://node.example/ecms-ws01/service2</wsa:to></soap:Header>
<soap:Body><CorrespondenceLetterOutboundRequest xmlns="">
<rsm:GovernmentDocument xmlns:rsm="urn:th:gov:egif:data:standard:GovernmentDocument:1.0"
 xmlns:ram="urn:th:gov:egif:data:standard:ReusableAggregateBusinessInfomationEntity:1">
<ram:CorrespondenceLetter ID="Letter"><ram:ID>นร ๐๑๐๕/๑๖๕</ram:ID>
<ram:CorrespondenceDate>2569-11-22</ram:CorrespondenceDate>
<ram:Subject>เรื่องที่หนึ่ง</ram:Subject><ram:SecretCode>001</ram:SecretCode><ram:SpeedCode>001</ram:SpeedCode>
<ram:SenderParty><ram:GivenName>สมชาย ตัวอย่าง</ram:GivenName><ram:FamilyName/><ram:Title>ปลัด</ram:Title>
<ram:MinistryCode>01</ram:MinistryCode><ram:DepartmentCode>01001</ram:DepartmentCode></ram:SenderParty>
<ram:ReceiverParty><ram:GivenName/><ram:FamilyName/><ram:Title/><ram:MinistryCode>1</ram:MinistryCode>
<ram:DepartmentCode>1009</ram:DepartmentCode></ram:ReceiverParty>
<ram:ReferenceCorrespondence><ram:ID/><ram:CorrespondenceDate>0001-01-01</ram:CorrespondenceDate><ram:Subject/>
</ram:ReferenceCorrespondence><ram:Attachment>-</ram:Attachment><ram:SendDate>2026-11-22T10:15:00</ram:SendDate>
<ram:Description/><ram:MainLetterBinaryObject mimeCode="pdf">{WRAPPED}</ram:MainLetterBinaryObject>
<ram:AttachmentBinaryObject mimeCode=""/></ram:CorrespondenceLetter></rsm:GovernmentDocument>
</CorrespondenceLetterOutboundRequest></soap:Body></soap:Envelope>""".encode()
JAVA = f"""<?xml version='1.0' encoding='TIS-620'?><S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/">
<S:Header/><S:Body><ns2:CorrespondenceLetterOutboundRequest xmlns:ns2="urn:somewhere" 
 xmlns:ns3="urn:th:gov:egif:data:standard:GovernmentDocument:1.0"
 xmlns:ns4="urn:th:gov:egif:data:standard:ReusableAggregateBusinessInformationEntity:1.0">
<ns3:GovernmentDocument><ns4:CorrespondenceLetter><ns4:ID>นร 0105/165</ns4:ID>
<ns4:CorrespondenceDate>2026-11-22T00:00:00+07:00</ns4:CorrespondenceDate>
<ns4:Subject>เรื่องที่หนึ่ง</ns4:Subject><ns4:SecretCode>001</ns4:SecretCode><ns4:SpeedCode>001</ns4:SpeedCode>
<ns4:SenderParty><ns4:GivenName>สมชาย</ns4:GivenName><ns4:FamilyName>ตัวอย่าง</ns4:FamilyName><ns4:JobTitle>ปลัด</ns4:JobTitle>
<ns4:DepartmentOrganization><ns4:ID>0100100000</ns4:ID></ns4:DepartmentOrganization></ns4:SenderParty>
<ns4:ReceiverParty><ns4:DepartmentOrganization><ns4:ID>01009</ns4:ID></ns4:DepartmentOrganization></ns4:ReceiverParty>
<ns4:Unheard>of</ns4:Unheard><!-- a comment -->
<ns4:MainLetterBinaryObject mimeCode="application/pdf"><![CDATA[{BODY.rstrip("=")}]]></ns4:MainLetterBinaryObject>
</ns4:CorrespondenceLetter></ns3:GovernmentDocument></ns2:CorrespondenceLetterOutboundRequest></S:Body></S:Envelope>""".encode(
    "cp874"
)
C_SHARP = (
    envelope(
        "<CorrespondenceLetterOutboundRequest>"
        + document(number="นร 0105/165", subject="เรื่องที่หนึ่ง", speed="001").replace(
            "application/pdf", "application/x-pdf"
        )
        + "</CorrespondenceLetterOutboundRequest>"
    )
    .replace("\n", "\r\n")
    .encode()
)


@pytest.fixture
def sender(tmp_path: Path) -> Iterator[Office]:
    with offices(tmp_path) as make:
        yield make(OPM)


@pytest.mark.parametrize(
    ("posted", "content_type"),
    [
        pytest.param(VB_NET, None, id="VB.NET: mark, no content type, misspelt names, short codes"),
        pytest.param(JAVA, "text/xml", id="Java: TIS-620, generated prefixes, CDATA, no padding"),
        pytest.param(C_SHARP, 'application/soap+xml; charset="UTF-8"', id="C#: line ends, another type"),
    ],
)
def test_a_letter_is_understood_as_each_family_of_clients_writes_it(
    sender: Office, posted: bytes, content_type: str | None
) -> None:
    with served(sender) as client:
        first = Answer(client.raw(posted, content_type).content)
        assert first.error is None, first.content.decode()
        assert Answer(client.raw(posted, content_type).content).process_id == first.process_id
    (row,) = sender.mailbox.outbox.letters()
    letter = read(open_envelope(row.document).root)
    assert isinstance(letter, Letter)
    assert (letter.date.isoformat(), letter.sender.agency) == ("2026-11-22", OPM)
    assert [each.agency for each in letter.receivers] == [OCS]
    assert letter.content is not None
    assert letter.content.subject == "เรื่องที่หนึ่ง"
    empty = [*letter.content.references, *letter.content.enclosures, *letter.files]
    assert empty == []
    (signer,) = letter.content.signers
    assert (signer.given_name, signer.family_name, signer.job_title) == ("สมชาย", "ตัวอย่าง", "ปลัด")
    assert letter.main_file.media_type == "application/pdf"
    assert sender.mailbox.store.path(letter.main_file.digest).read_bytes() == PDF


def test_a_lower_case_process_id_and_a_bare_body_are_understood(sender: Office) -> None:
    with served(sender) as client:
        bare = (
            b"<CorrespondenceLetterDeleteRequest><processID>1</processID></CorrespondenceLetterDeleteRequest>"
        )
        assert Answer(client.raw(bare).content).error == "request.process-unknown"
        answer = client.ask("<GetSpeedCodes/>")
        related = answer.root.findtext("{*}Header/{http://www.w3.org/2005/08/addressing}RelatesTo")
        assert related == "mid://20261127.101500000@sample"


ENTITY = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd"><!ENTITY y "boo">]>'
HOSTILE = {
    "a document type": (ENTITY + envelope("<GetSpeedCodes/>").partition("?>")[2]).encode(),
    "an entity in a subject": (ENTITY + "<GetSpeedCodes>&x;</GetSpeedCodes>").encode(),
    "a document type behind a comment": b"<!-- -->" + (ENTITY + "<GetSpeedCodes/>").encode(),
    "an unknown entity": b"<GetSpeedCodes>&nothing;</GetSpeedCodes>",
    "no XML": b"\x00\xff\xfe nonsense",
    "nothing": b"",
    "half of it": envelope("<GetSpeedCodes/>").encode()[:-20],
    "UTF-16": envelope("<GetSpeedCodes/>").encode("utf-16"),
    "bytes of no UTF-8": b"<GetSpeedCodes>\xff\xfe</GetSpeedCodes>",
    "a character set of nobody": b"<?xml version='1.0' encoding='klingon'?><GetSpeedCodes/>",
    "a great depth": b"<a>" * 100 + b"</a>" * 100,
    "a great number": b"<a>" + b"<b/>" * 30_000 + b"</a>",
    "a great text": b"<a>" + b"x" * 5_000_000 + b"</a>",
    "great attributes": b"<a b='" + b"x" * 5_000_000 + b"'/>",
    "elements in a file": b"<a><MainLetterBinaryObject><b/></MainLetterBinaryObject></a>",
    "an empty body": envelope("").encode(),
}


def test_hostile_requests_are_answered_and_leave_nothing_behind(sender: Office) -> None:
    with served(sender) as client:
        for name, posted in HOSTILE.items():
            answer = client.raw(posted, None)
            assert answer.status_code == 200, name
            assert b"request." in answer.content, name
            assert b"boo" not in answer.content, name
            assert b"root:" not in answer.content, name
        chance = random.Random(7)
        whole = C_SHARP
        for _ in range(40):
            at = chance.randrange(len(whole))
            mixed = whole[:at] + chance.randbytes(3) + whole[at + 3 :]
            assert client.raw(mixed).status_code == 200
        assert client.ask("<GetSpeedCodes/>").error is None
    assert list(sender.mailbox.store.partial.iterdir()) == []


def test_hostile_text_of_a_letter_comes_out_as_text(tmp_path: Path) -> None:
    with offices(tmp_path) as make:
        recipient = make(OCS)
        receive(recipient)
        with served(recipient) as client:
            posted = client.notify(
                "AcceptLetterNotifier", "&lt;x&gt;]]&gt;", "2026-11-22", AcceptID="&lt;y&gt;"
            )
            assert posted.error == "notice.letter-unknown"
            assert "<x>]]>" in (posted.value("ErrorDetail/ErrorDescription") or "")


def test_only_the_networks_named_are_served(sender: Office) -> None:
    with served(sender, networks=["192.0.2.0/24"]) as client:
        assert client.raw(envelope("<GetSpeedCodes/>").encode()).status_code == 403
        assert httpx.get(client.url).status_code == 403
    with served(sender, networks=["127.0.0.0/8"]) as client:
        assert client.ask("<GetSpeedCodes/>").error is None


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({"host": "0.0.0.0"}, "beyond this machine"),  # noqa: S104
        ({"client_ca": "ca.pem"}, "client_ca needs"),
        ({"certificate": "a.pem"}, "belong together"),
        ({"networks": ["10.0.0.0/99"]}, "10.0.0.0/99"),
    ],
)
def test_a_facade_that_anybody_could_use_is_not_served(values: dict[str, object], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        EcmsConnector.model_validate(values)


def test_a_port_that_is_taken_is_a_mistake_in_words(sender: Office) -> None:
    import asyncio

    from adapters.connectors.ecms.door import EcmsDoor

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        door = EcmsDoor(sender.mailbox, EcmsConnector(port=taken.getsockname()[1]))
        with pytest.raises(Misconfigured, match="cannot be served"):
            asyncio.run(door.run(asyncio.Event()))


ZEEP = """
import sys
from zeep import Client
from zeep.helpers import serialize_object
service = Client(sys.argv[1] + "?wsdl").service
print(serialize_object(service.GetSpeedCodes())["Code"][0]["Value"])
party = {"GivenName": "สมชาย", "FamilyName": "ตัวอย่าง", "JobTitle": "ปลัด", "DepartmentOrganization": {"ID": sys.argv[2]}}
letter = {"ID": "นร 0105/7", "CorrespondenceDate": "2026-11-22", "Subject": "จาก zeep", "SecretCode": "001",
  "SpeedCode": "001", "SenderParty": party, "ReceiverParty": [{"DepartmentOrganization": {"ID": sys.argv[3]}}],
  "SendDate": "2026-11-22T10:15:00", 
  "MainLetterBinaryObject": {"_value_1": b"%PDF-1.7 sample", "mimeCode": "application/pdf"}}
document = {"CorrespondenceLetter": letter}
answer = serialize_object(service.CorrespondenceLetterOutboundRequest(GovernmentDocument=document))
print(answer["ProcessID"])
print(serialize_object(service.CorrespondenceLetterDeleteRequest(ProcessID="1"))["ErrorDetail"][0]["ErrorCode"])
print(serialize_object(service.CorrespondenceLetterInboundRequest()))
"""


def test_a_client_made_from_the_wsdl_works(sender: Office) -> None:
    """In a process of its own: zeep has warnings of its own."""
    pytest.importorskip("zeep")
    with served(sender) as client:
        done = subprocess.run(
            [sys.executable, "-c", ZEEP, client.url, OPM, OCS], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        speed, process, error, *_ = done.stdout.splitlines()
        assert (speed, len(process), error) == ("001", 18, "request.process-unknown")
    assert sender.mailbox.outbox.letters()[0].number == "นร 0105/7"


def test_a_client_reads_the_schemas_from_the_same_address(sender: Office) -> None:
    with served(sender) as client:
        wsdl = httpx.get(client.url + "?wsdl").text
        assert f'location="{client.url}"' in wsdl
        for name in ("ecms.xsd", "GovernmentDocument.xsd"):
            assert httpx.get(f"{client.url}?xsd={name}").status_code == 200
        assert httpx.get(f"{client.url}?xsd=../../config/bus.toml").status_code == 404
        assert isinstance(client, Client)


def test_the_page_lists_every_code_of_the_facade() -> None:
    page = (ROOT / "docs" / "ecms.md").read_text(encoding="utf-8")
    assert [code for code in Code if f"| `{code}` |" not in page] == []
