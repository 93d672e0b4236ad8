"""From a posted GovernmentDocument to a letter in the outbox; the same one posted again is the same letter."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID, uuid5

from adapters.connectors.ecms.errors import Code, NotNow, RefusedAs, Wrong
from adapters.connectors.ecms.reading import Node
from adapters.connectors.ecms.values import agency_code, day, media_type, moment, one_line
from adapters.mailbox import Mailbox, OutboxEntry, OutboxState
from adapters.mailbox.ecms import Request
from adapters.mailbox.files import Fingerprint
from bus.codes import load_codes
from bus.directory import Directory
from bus.documents.letter import (
    Content,
    Enclosure,
    File,
    Letter,
    Receiver,
    Reference,
    Replaces,
    Sender,
    Signer,
)
from bus.errors import RefusalCode, Refused
from bus.failpoints import reached
from bus.identifiers import AgencyCode, RawDigest
from bus.thai import normalise_number

_LETTERS = UUID("b1a4a2b6-6d5e-5c1b-9f56-3f3f3a6f0c21")
"""Name space (RFC 9562, section 5.5) of the LetterIDs of what comes by e-CMS."""
_NOTHING = ("", "-", "–", "ไม่มี")
_TURNED_AWAY = ("refused", "misdirected", "withdrawn", "handover-failed")
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
    """The letter that a GovernmentDocument states, checked as far as this can be done without the bus."""
    directory = directory_of(mailbox)
    node = document.find("CorrespondenceLetter")
    if node is None:
        raise Wrong(Code.FIELD_MISSING, "CorrespondenceLetter")
    sender = _sender(mailbox, directory, node)
    receivers = _receivers(directory, node)
    number = one_line(node.value("ID"), 100, "ID")
    dated = day(node.value("CorrespondenceDate"), "CorrespondenceDate")
    subject = one_line(node.value("Subject"), 1000, "Subject")
    if not subject:
        raise Wrong(Code.FIELD_MISSING, "Subject")
    signers, said = _signers(node, document.find("GovernmentSignature"))
    files = _files(node)
    described = node.value("Description").replace("\r\n", "\n").replace("\r", "\n")
    body = "\n".join(filter(None, (described, said)))
    if len(body) > _LONGEST_BODY:
        raise Wrong(Code.FIELD_WRONG, f"Description ยาวเกิน {_LONGEST_BODY} อักขระ")
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
            subject=subject,
            signers=signers,
            references=_references(mailbox, directory, node),
            enclosures=_enclosures(node, attached=len(files) > 1),
            body=body or None,
        ),
        main_file=files[0][0],
        files=tuple(file for file, _ in files[1:]),
        sender_reference=message_id if 1 <= len(message_id) <= 100 else None,
    )
    recipient = AgencyCode(receivers[0].agency or "")
    key = f"{normalise_number(number)}\n{dated.isoformat()}\n{sender.agency}\n{recipient}\n"
    content = hashlib.sha256((key + node.key(but=("senddate",))).encode()).hexdigest()
    return Posted(letter, tuple(path for _, path in files), content, recipient)


def put(mailbox: Mailbox, posted: Posted, request: Path, stated: Fingerprint) -> OutboxEntry:
    """Put it into the outbox with the bytes of its request, in one transaction; posted before, it is that row.

    What was turned away may be posted again: that is a new letter, which replaces the old one.
    """
    mailbox.outbox.take_files(posted.letter, posted.files)
    mailbox.store.take_in(request, stated)
    reached("ecms.before-put")
    with mailbox.transaction():
        known = mailbox.ecms.requests(posted.content)
        if known and not _turned_away(mailbox, known[-1][1]):
            return known[-1][1]
        count = len(known)
        reference = f"ecms:{posted.content}:{count}"
        letter = replace(posted.letter, letter_id=uuid5(_LETTERS, f"{mailbox.agency}\n{reference}"))
        if known and known[-1][1].state is OutboxState.ACCEPTED:
            old = known[-1][1]
            reason = "ส่งใหม่ทางระบบ e-CMS"
            letter = replace(
                letter, replaces=Replaces(letter_id=UUID(old.document_id), digest=old.digest, reason=reason)
            )
        try:
            row = mailbox.outbox.put_letter(letter, posted.files, reference)
        except Refused as exc:
            raise RefusedAs(exc.code, f"{exc.where} {exc.detail}".strip()) from exc
        mailbox.ecms.add_request(
            Request(
                outbox=row.id,
                content=posted.content,
                round=count,
                recipient=posted.recipient,
                request_sha256=stated.sha256,
            )
        )
    reached("ecms.after-put")
    return row


def directory_of(mailbox: Mailbox) -> Directory:
    """The directory in force. Raises NotNow before the bus has sent one."""
    directory = mailbox.directory()
    if directory is None or mailbox.agency not in directory.agencies:
        raise NotNow("the directory with this agency's name has not arrived yet")
    return directory


def _turned_away(mailbox: Mailbox, row: OutboxEntry) -> bool:
    if row.state is OutboxState.REFUSED:
        return True
    states = mailbox.states_of_sent(row)
    return bool(states) and all(each.state in _TURNED_AWAY for each in states)


def _sender(mailbox: Mailbox, directory: Directory, node: Node) -> Sender:
    party = node.find("SenderParty")
    code = agency_code(_department(party), directory, "SenderParty/DepartmentOrganization/ID")
    if code != mailbox.agency and not directory.speaks_for(mailbox.agency, code):
        raise Wrong(Code.SENDER_FOREIGN, code)
    known = directory.agencies.get(code) or directory.agencies[mailbox.agency]
    return Sender(agency=code, name=known.name_th)


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


def _references(mailbox: Mailbox, directory: Directory, node: Node) -> tuple[Reference, ...]:
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
        raise Wrong(Code.FIELD_MISSING, "MainLetterBinaryObject")
    found: dict[str, tuple[File, Path]] = {}
    for each in (main, *node.all("AttachmentBinaryObject")):
        held = each.contents
        if held is None or not held.size or held.sha256 in found:
            continue
        with held.path.open("rb") as file:
            begins = file.read(8)
        kind, extension = media_type(each.attributes.get("mimecode", ""), begins)
        usual = "หนังสือ" if each is main else f"สิ่งที่ส่งมาด้วย {len(found)}"
        name = _file_name(each.attributes.get("filename", "")) or f"{usual}.{extension}"
        stated = File(name=name, size=held.size, digest=RawDigest(held.sha256), media_type=kind)
        found[held.sha256] = (stated, held.path)
    return list(found.values())


def _file_name(stated: str) -> str:
    """The last part of a name that a client gives, if it is one that a letter may have."""
    name = one_line(stated.replace("\\", "/").rpartition("/")[2], 255, "fileName")
    return name if load_codes().media_type_of(name) is not None else ""
