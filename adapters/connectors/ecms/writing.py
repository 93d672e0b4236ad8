"""Answers: SOAP 1.1 in UTF-8, strictly by the schemas in xsd/ecms; files are put in as the answer goes.

An element is a `Part`: a name, then text, parts, or a file on this disk.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from lxml import etree

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
WSA = "http://www.w3.org/2005/08/addressing"
RSM = "urn:th:gov:egif:data:standard:GovernmentDocument:1.0"
RAM = "urn:th:gov:egif:data:standard:ReusableAggregateBusinessInformationEntity:1"
_NAMES = {"soap": SOAP, "wsa": WSA}
_LETTER = {"rsm": RSM, "ram": RAM}
_PIECE = 3 * 64 * 1024
"""Bytes of a file at a time; of three, so that no piece needs padding but the last."""


@dataclass(frozen=True, slots=True)
class Part:
    """An element: `name` with the prefix of its namespace, if it has one."""

    name: str
    text: str = ""
    parts: Sequence[Part] = ()
    attributes: Sequence[tuple[str, str]] = ()
    file: Path | bytes | None = None


def text(name: str, value: str | None) -> list[Part]:
    """An element with that text; nothing where there is none."""
    return [Part(name, value)] if value else []


def response(operation: str, parts: Sequence[Part], relates_to: str) -> Iterator[bytes]:
    """The pieces of an answer in an envelope."""
    envelope = etree.Element(f"{{{SOAP}}}Envelope", nsmap=_NAMES)
    header = etree.SubElement(envelope, f"{{{SOAP}}}Header")
    etree.SubElement(header, f"{{{WSA}}}MessageID").text = f"urn:uuid:{uuid4()}"
    if relates_to:
        etree.SubElement(header, f"{{{WSA}}}RelatesTo").text = _fit(relates_to)
    body = etree.SubElement(envelope, f"{{{SOAP}}}Body")
    files: dict[str, Path | bytes] = {}
    mark = secrets.token_hex(16)
    _add(body, Part(operation, parts=parts), files, mark)
    return _pieces(envelope, files, mark)


def fault(message: str) -> bytes:
    """A SOAP fault of the server: the client is to try again."""
    envelope = etree.Element(f"{{{SOAP}}}Envelope", nsmap=_NAMES)
    body = etree.SubElement(envelope, f"{{{SOAP}}}Body")
    found = etree.SubElement(body, f"{{{SOAP}}}Fault")
    etree.SubElement(found, "faultcode").text = "soap:Server"
    etree.SubElement(found, "faultstring").text = _fit(message)
    return etree.tostring(envelope, encoding="UTF-8", xml_declaration=True)


def _add(above: etree._Element, part: Part, files: dict[str, Path | bytes], mark: str) -> None:
    prefix, _, local = part.name.rpartition(":")
    tag = f"{{{_LETTER[prefix]}}}{local}" if prefix else local
    # Declared where the document begins, so that its bytes can be cut out and stand alone.
    nsmap = _LETTER if part.name == "rsm:GovernmentDocument" else None
    element = etree.SubElement(above, tag, nsmap=nsmap)
    for name, value in part.attributes:
        element.set(name, _fit(value))
    if part.file is not None:
        element.text = f"{mark}{len(files):04d}"
        files[element.text] = part.file
    elif part.text:
        element.text = _fit(part.text)
    for each in part.parts:
        _add(element, each, files, mark)


def _pieces(envelope: etree._Element, files: dict[str, Path | bytes], mark: str) -> Iterator[bytes]:
    rest = etree.tostring(envelope, encoding="UTF-8", xml_declaration=True)
    for name, file in files.items():
        before, _, rest = rest.partition(name.encode("ascii"))
        yield before
        yield from _base64(file)
    yield rest


def _base64(file: Path | bytes) -> Iterator[bytes]:
    if isinstance(file, bytes):
        yield base64.b64encode(file)
        return
    with file.open("rb") as opened:
        while piece := opened.read(_PIECE):
            yield base64.b64encode(piece)


def _fit(value: str) -> str:
    """The text with what XML cannot hold replaced; letters that were verified have none."""
    return "".join(each if each in "\t\n\r" or each >= " " else "�" for each in value)
