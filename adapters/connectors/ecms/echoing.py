"""A posted document as it is echoed: the names, namespaces and order of the standard, whatever was posted."""

from __future__ import annotations

from adapters.connectors.ecms.reading import Node
from adapters.connectors.ecms.writing import Part

_PARTY = ("GivenName", "FamilyName", "JobTitle|Title", "MinistryOrganization", "DepartmentOrganization")
_ORDER = (
    "ID",
    "CorrespondenceDate",
    "Subject",
    "SecretCode",
    "SpeedCode",
    "SenderParty",
    "ReceiverParty",
    "ReferenceCorrespondence",
    "Attachment",
    "SendDate",
    "Description",
    "MainLetterBinaryObject",
    "AttachmentBinaryObject",
)


def echo(document: Node, sent: str) -> Part:
    """The document of a request that was accepted; what the standard has no element for is left out.

    `sent` is its SendDate as it was taken: one that is missing, or lies ahead, is taken as now.
    """
    letter = document.find("CorrespondenceLetter")
    parts: list[Part] = []
    for name in _ORDER:
        if name == "SendDate":
            parts.append(Part("ram:SendDate", sent))
        else:
            parts += [_element(name, each) for each in (letter.all(name) if letter else [])]
    inner = Part("ram:CorrespondenceLetter", parts=parts, attributes=[("ID", "Letter")])
    return Part("rsm:GovernmentDocument", parts=[inner])


def _element(name: str, node: Node) -> Part:
    shown = f"ram:{name}"
    if name in ("SenderParty", "ReceiverParty"):
        return Part(shown, parts=[_of_party(each, node) for each in _PARTY])
    if name == "ReferenceCorrespondence":
        names = ("ID", "CorrespondenceDate", "Subject")
        return Part(
            shown, parts=[Part(f"ram:{each}", node.value(each)) for each in names if node.value(each)]
        )
    if node.contents is not None:
        return Part(
            shown, attributes=[("mimeCode", node.attributes.get("mimecode", ""))], file=node.contents.path
        )
    return Part(shown, node.text.strip())


def _of_party(name: str, node: Node) -> Part:
    if name.endswith("Organization"):
        code = node.value(f"{name}/ID") or node.value(name.replace("Organization", "Code"))
        return Part(f"ram:{name}", parts=[Part("ram:ID", code)])
    return Part(f"ram:{name.partition('|')[0]}", node.value(name))
