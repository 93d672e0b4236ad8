"""e-CMS 2.0 as a client of it writes and reads it: envelopes, letters and notifiers, by local names."""

from __future__ import annotations

import base64
import mimetypes
from dataclasses import dataclass
from uuid import uuid4
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from bus.identifiers import AgencyCode
from compose.demo.offices.asking import Wrong
from compose.demo.offices.office import Files, Manifest

_SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
_WSA = "http://www.w3.org/2005/08/addressing"
_RSM = "urn:th:gov:egif:data:standard:GovernmentDocument:1.0"
_RAM = "urn:th:gov:egif:data:standard:ReusableAggregateBusinessInformationEntity:1"
_NORMAL = "001"


@dataclass(frozen=True, slots=True)
class Named:
    """How e-CMS names a letter: number, date and departments; it has no ids."""

    number: str
    date: str
    sender: str
    recipient: str


@dataclass(frozen=True, slots=True)
class Element:
    """An element of an answer, and what it holds by local names."""

    node: etree._Element

    def find(self, path: str) -> Element | None:
        """Return the first element at a path of names."""
        found = self.node.find("/".join(f"{{*}}{step}" for step in path.split("/")))
        return None if found is None else Element(found)

    def all(self, name: str) -> list[Element]:
        """Return the children of a name."""
        return [Element(each) for each in self.node.findall(f"{{*}}{name}")]

    def has(self, path: str) -> bool:
        """Whether something stands at a path."""
        return self.find(path) is not None

    def value(self, path: str) -> str:
        """Return the text at a path; empty if nothing is there."""
        found = self.find(path)
        return (found.node.text or "") if found else ""

    def files(self) -> list[bytes]:
        """Return the files of a letter, the main one first."""
        found = [*self.all("MainLetterBinaryObject"), *self.all("AttachmentBinaryObject")]
        return [base64.b64decode(each.node.text or "") for each in found]


def opened(answer: bytes) -> Element:
    """Return the Response in an envelope. Raises Wrong for an envelope with none."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)
    found = etree.fromstring(answer, parser).find(f"{{{_SOAP}}}Body/*")
    if found is None:
        raise Wrong("an answer without a Response")
    return Element(found)


def envelope(inner: str) -> str:
    """Return a request of SOAP 1.1."""
    return (
        f'<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="{_SOAP}"><soap:Header>'
        f'<wsa:MessageID xmlns:wsa="{_WSA}">urn:uuid:{uuid4()}</wsa:MessageID></soap:Header>'
        f"<soap:Body>{inner}</soap:Body></soap:Envelope>"
    )


def document(sender: AgencyCode, recipient: AgencyCode, manifest: Manifest, files: Files) -> str:
    """Return a letter with its files in it."""
    (signer,) = manifest["signers"]
    person = _parts(
        GivenName=signer["given_name"], FamilyName=signer["family_name"], JobTitle=signer["job_title"]
    )
    main, *attached = (_file(name, content) for name, content in files.items())
    head = _parts(ID=manifest["number"], CorrespondenceDate=manifest["date"], Subject=manifest["subject"])
    codes = _parts(SecretCode=_NORMAL, SpeedCode=_NORMAL)
    return (
        f'<rsm:GovernmentDocument xmlns:rsm="{_RSM}" xmlns:ram="{_RAM}"><ram:CorrespondenceLetter ID="Letter">'
        f"{head}{codes}<ram:SenderParty>{person}{_department(sender)}</ram:SenderParty>"
        f"<ram:ReceiverParty>{_department(recipient)}</ram:ReceiverParty>"
        f"<ram:MainLetterBinaryObject {main}</ram:MainLetterBinaryObject>"
        + "".join(f"<ram:AttachmentBinaryObject {each}</ram:AttachmentBinaryObject>" for each in attached)
        + "</ram:CorrespondenceLetter></rsm:GovernmentDocument>"
    )


def notifier(kind: str, letter: Named, subject: str, number: str) -> str:
    """Return what is said about a letter; `number` is the receiving number, or empty."""
    said = {
        "LetterID": letter.number,
        "AcceptID": number,
        "CorrespondenceDate": letter.date,
        "Subject": subject,
    }
    inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in said.items() if value)
    sender = f"<SenderDepartment><Code>{letter.sender}</Code></SenderDepartment>"
    return f"<{kind}>{inner}{sender}<AcceptDepartment><Code>{letter.recipient}</Code></AcceptDepartment></{kind}>"


def named(letter: Element) -> Named:
    """Return the name of a letter that has come."""
    parties = [
        letter.value(f"{party}/DepartmentOrganization/ID") for party in ("SenderParty", "ReceiverParty")
    ]
    return Named(letter.value("ID"), letter.value("CorrespondenceDate"), *parties)


def _parts(**values: str) -> str:
    return "".join(f"<ram:{name}>{escape(value)}</ram:{name}>" for name, value in values.items())


def _department(code: AgencyCode) -> str:
    return f"<ram:DepartmentOrganization><ram:ID>{code}</ram:ID></ram:DepartmentOrganization>"


def _file(name: str, content: bytes) -> str:
    """The attributes and the content of a file's element."""
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    encoded = base64.b64encode(content).decode("ascii")
    return f"mimeCode={quoteattr(media_type)} fileName={quoteattr(name)}>{encoded}"
