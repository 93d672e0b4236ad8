"""From a posted GovernmentDocument to the letter that it states."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from uuid import UUID

from adapters.connectors.ecms.errors import Code, NotNow, RefusedAs, Wrong, require
from adapters.connectors.ecms.reading import Node
from adapters.connectors.ecms.values import agency_code, day, media_type, moment, one_line
from adapters.mailbox import Mailbox
from bus.codes import load_codes
from bus.directory import Directory
from bus.documents.letter import (
    Content,
    Enclosure,
    File,
    Letter,
    Receiver,
    Reference,
    Sender,
    Signer,
)
from bus.errors import RefusalCode
from bus.identifiers import AgencyCode, RawDigest
from bus.thai import normalise_number

_NOTHING = ("", "-", "–", "ไม่มี")
_NO_FILE = File(name="", size=0, digest=RawDigest(""), media_type="")
_LONGEST_BODY = 100_000


@dataclass(frozen=True, slots=True)
class Posted:
    """A letter as it was posted: its files in the order of `letter.all_files`, and what makes it the same one."""

    letter: Letter
    files: tuple[Path, ...]
    content: str
    recipient: AgencyCode


def read_letter(mailbox: Mailbox, document: Node, message_id: str, default_kind: str) -> Posted:
    """The letter that a GovernmentDocument states, checked as far as this can be done without the bus.

    Raises Wrong with all that is wrong.
    """
    directory = directory_of(mailbox)
    node = document.find("CorrespondenceLetter")
    if node is None:
        raise Wrong(Code.FIELD_MISSING, "CorrespondenceLetter")
    signature = document.find("GovernmentSignature")
    require(
        lambda: _sender(mailbox, directory, node),
        lambda: _receivers(directory, node),
        lambda: _number(node),
        lambda: _date(node),
        lambda: _subject(node),
        lambda: _secrecy(node),
        lambda: _speed(node),
        lambda: _references(mailbox, node),
        lambda: _enclosures(node, attached=False),
        lambda: _body(node, _signers(node, signature)[1]),
        lambda: _files(node),
    )
    sender = _sender(mailbox, directory, node)
    receivers = _receivers(directory, node)
    number, dated = _number(node), _date(node)
    signers, said = _signers(node, signature)
    files = _files(node)
    letter = Letter(
        letter_id=UUID(int=0),
        number=number or None,
        date=dated,
        sent_at=moment(node.value("SendDate")),
        kind=default_kind if signers or said else "stamped",
        secrecy=_secrecy(node),
        speed=_speed(node),
        sender=sender,
        receivers=receivers,
        content=Content(
            subject=_subject(node),
            signers=signers,
            references=_references(mailbox, node),
            enclosures=_enclosures(node, attached=len(files) > 1),
            body=_body(node, said) or None,
        ),
        main_file=files[0][0],
        files=tuple(file for file, _ in files[1:]),
        sender_reference=message_id if 1 <= len(message_id) <= 100 else None,
    )
    recipient = AgencyCode(receivers[0].agency or "")
    key = f"{normalise_number(number)}\n{dated.isoformat()}\n{sender.agency}\n{recipient}\n"
    content = hashlib.sha256((key + node.key(but=("senddate",))).encode()).hexdigest()
    return Posted(letter, tuple(path for _, path in files), content, recipient)


def directory_of(mailbox: Mailbox) -> Directory:
    """The directory in force. Raises NotNow before the bus has sent one."""
    directory = mailbox.directory()
    if directory is None or mailbox.agency not in directory.agencies:
        raise NotNow("the directory with this agency's name has not arrived yet")
    return directory


def _sender(mailbox: Mailbox, directory: Directory, node: Node) -> Sender:
    party = node.find("SenderParty")
    code = agency_code(_department(party), directory, "SenderParty/DepartmentOrganization/ID")
    if code != mailbox.agency and not directory.speaks_for(mailbox.agency, code):
        raise Wrong(Code.SENDER_FOREIGN, code)
    known = directory.agencies.get(code) or directory.agencies[mailbox.agency]
    return Sender(agency=code, name=known.name_th)


def _number(node: Node) -> str:
    return one_line(node.value("ID"), 100, "ID")


def _date(node: Node) -> date:
    return day(node.value("CorrespondenceDate"), "CorrespondenceDate")


def _subject(node: Node) -> str:
    subject = one_line(node.value("Subject"), 1000, "Subject")
    if not subject:
        raise Wrong(Code.FIELD_MISSING, "Subject")
    return subject


def _body(node: Node, said: str) -> str:
    described = node.value("Description").replace("\r\n", "\n").replace("\r", "\n")
    body = "\n".join(filter(None, (described, said)))
    if len(body) > _LONGEST_BODY:
        raise Wrong(Code.FIELD_WRONG, f"Description ยาวเกิน {_LONGEST_BODY} อักขระ")
    return body


def _receivers(directory: Directory, node: Node) -> tuple[Receiver, ...]:
    found = []
    for party in node.all("ReceiverParty"):
        code = agency_code(_department(party), directory, "ReceiverParty/DepartmentOrganization/ID")
        if code not in directory.agencies:
            raise RefusedAs(RefusalCode.RECIPIENT_UNKNOWN, code)
        given, family, title = _person(party)
        person = " ".join(filter(None, (given, family)))
        shown = f"{title} ({person})" if title and person else title or person
        found.append(Receiver(agency=code, role="to", job_title=shown[:255] or None))
    if not found:
        raise Wrong(Code.FIELD_MISSING, "ReceiverParty")
    return tuple(found)


def _department(party: Node | None) -> str:
    if party is None:
        return ""
    return party.value("DepartmentOrganization/ID") or party.value("DepartmentCode")


def _person(party: Node) -> tuple[str, str, str]:
    names = [one_line(party.value(each), 255, each) for each in ("GivenName", "FamilyName", "JobTitle|Title")]
    return (names[0], names[1], names[2])


def _signers(node: Node, signature: Node | None) -> tuple[tuple[Signer, ...], str]:
    """Who has signed; one who cannot be said to, for want of a family name or a position, as a line of the body."""
    party = signature.find("SignerParty") if signature else None
    given, family, title = _person(party) if party else ("", "", "")
    if not given:
        party = node.find("SenderParty")
        given, family, title = _person(party) if party else ("", "", "")
    if given and not family and " " in given:
        given, _, family = given.rpartition(" ")
    if given and family and title:
        return (Signer(given_name=given, family_name=family, job_title=title),), ""
    person = " ".join(filter(None, (given, family, title)))
    return (), f"ผู้ลงนาม: {person}" if given or family else ""


def _secrecy(node: Node) -> str:
    code = node.value("SecretCode")
    if code not in load_codes().secrecy:
        raise Wrong(Code.FIELD_WRONG, f"SecretCode “{code}”")
    if code == "004":
        raise RefusedAs(RefusalCode.SECRECY_EXCLUDED)
    if code != "001":
        raise RefusedAs(RefusalCode.SECRECY_UNSEALED)
    return code


def _speed(node: Node) -> str:
    code = node.value("SpeedCode")
    if code not in load_codes().speed:
        raise Wrong(Code.FIELD_WRONG, f"SpeedCode “{code}”")
    return code


def _references(mailbox: Mailbox, node: Node) -> tuple[Reference, ...]:
    found = []
    for each in node.all("ReferenceCorrespondence"):
        number = one_line(each.value("ID"), 100, "ReferenceCorrespondence/ID")
        subject = one_line(each.value("Subject"), 1000, "ReferenceCorrespondence/Subject")
        stated = one_line(each.value("CorrespondenceDate"), 100, "ReferenceCorrespondence/CorrespondenceDate")
        if number in _NOTHING and subject in _NOTHING:
            continue
        dated = None
        with suppress(Wrong):  # kept as text, below
            dated = day(stated, "") if stated else None
        if dated is not None and dated.year < 1941:
            dated, stated = None, ""
        rows = mailbox.inbox.letters(number=number) if number and dated else []
        answers = [row for row in rows if dated and row.date == dated.isoformat()]
        found.append(
            Reference(
                relation="reply" if answers else "refer",
                number=number or None,
                date=dated,
                dated=stated if dated is None and stated else None,
                subject=subject or None,
            )
        )
    return tuple(found)


def _enclosures(node: Node, *, attached: bool) -> tuple[Enclosure, ...]:
    lines = [one_line(line, 1000, "Attachment") for line in node.value("Attachment").splitlines()]
    form = "file" if attached else "physical"
    return tuple(Enclosure(description=line, form=form) for line in lines if line not in _NOTHING)


def _files(node: Node) -> list[tuple[File, Path]]:
    """The main file, and each attachment that is not empty and not there already."""
    main = node.find("MainLetterBinaryObject")
    if main is None or main.contents is None or not main.contents.size:
        raise Wrong(Code.FIELD_MISSING, _place(main) if main else "MainLetterBinaryObject")
    found: dict[str, tuple[File, Path]] = {}
    for each in (main, *node.all("AttachmentBinaryObject")):
        held = each.contents
        if held is None or not held.size or held.sha256 in found:
            continue
        with held.path.open("rb") as file:
            begins = file.read(8)
        kind, extension = media_type(each.attributes.get("mimecode", ""), begins, _place(each))
        usual = "หนังสือ" if each is main else f"สิ่งที่ส่งมาด้วย {len(found)}"
        name = _file_name(each.attributes.get("filename", "")) or f"{usual}.{extension}"
        stated = File(name=name, size=held.size, digest=RawDigest(held.sha256), media_type=kind)
        found[held.sha256] = (stated, held.path)
    return list(found.values())


def _place(file: Node) -> str:
    name = one_line(file.attributes.get("filename", ""), 255, "fileName")
    return f"{file.shown} “{name}”" if name else file.shown


def _file_name(stated: str) -> str:
    """The last part of a name that a client gives, if it is one that a letter may have."""
    name = one_line(stated.replace("\\", "/").rpartition("/")[2], 255, "fileName")
    return name if load_codes().media_type_of(name) is not None else ""
