"""From a manifest to a letter.

number = "นร 0505/ว 165"            # ที่, as displayed; may be left out
date = "22 พฤศจิกายน 2569"           # or 22/11/2569, or 2026-11-22
kind = "external"                    # a code of config/codes/kinds.toml, or its words; "external" if left out
document_type = "minutes"            # a finer kind; only where all recipients read letter/1.1
speed = "ด่วนที่สุด"                   # code or words; ปกติ if left out
secrecy = "001"
to = ["0100100000", "group:ministries"]   # agencies, group:<id>, topic:<id>
copy = ["topic:announcements"]
subject = "…"
body = "…"
files = ["letter.pdf", "annex.pdf"]  # beside the manifest; the first is the letter itself
acknowledgement = "registration"     # or "receipt"
due_by = 2026-11-30T16:30:00
reference = "2569-0042"              # the office's own key; it comes back with every notice
unit = "…"                           # with telephone, email, address: who writes
[[signers]]     given_name family_name job_title capacity acting_for
[[references]]  relation letter_id number date dated subject
[[enclosures]]  description quantity form link
[replaces]      reason, and letter_id or reference or number with date
"""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack
from dataclasses import dataclass, replace
from operator import methodcaller
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from adapters.connectors.folder.attachments import MOST_BYTES, admit, copies
from adapters.connectors.folder.folders import Folder
from adapters.connectors.folder.manifest import Fields, is_agency_code
from adapters.connectors.folder.names import Names, readable
from adapters.mailbox import Mailbox, OutboxEntry, OutboxState
from adapters.mailbox.lookup import LetterKey, sent_letter
from adapters.mailbox.mistakes import Mistaken
from adapters.mailbox.versions import Unread, version_for
from bus.codes import Code, load_codes
from bus.documents.letter import (
    Contact,
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
from bus.errors import Transient
from bus.identifiers import AgencyCode, RawDigest, as_letter_id
from bus.thai import now

_LETTERS = UUID("1e0b7f0a-53a4-5c6e-8f7d-6c7a1d1c2f11")
"""Name space of the LetterIDs that are made from an agency's own references."""
_NONE = UUID(int=0)
_NO_FILE = File(name="", size=0, digest=RawDigest(""), media_type="")


def _words(*values: str) -> dict[str, Code]:
    return {value: Code(value=value, th=value, en=value) for value in values}


_ACKNOWLEDGEMENTS = _words("registration", "receipt")
_FORMS = _words("file", "physical", "link")


class NotReady(Transient):
    """A letter cannot be written before the bus has sent the directory, which has the sender's name."""


@dataclass(frozen=True, slots=True)
class Composed:
    """A letter, its files in the order of `letter.all_files`, and the office's key for it."""

    letter: Letter
    files: tuple[Path, ...]
    reference: str


def compose(
    mailbox: Mailbox,
    fields: Fields,
    folder: Folder,
    name: str,
    *,
    near: Names | None = None,
    most: int = MOST_BYTES,
) -> Composed:
    """Write the letter that a manifest asks for, its files in the mailbox's store; Mistaken with all that is wrong.

    `near` are the names among which that of a missing file is sought; `most` the bytes of the largest file. Without a
    `reference`, the manifest's name and its content with that of the files are the key: put in twice, it is one letter.
    """
    with ExitStack() as stack:
        stated, key = stated_in(mailbox, fields)
        found = copies(mailbox.store, fields, folder, near, stack, most)
        files = tuple(copy.file for copy in found)
        letter, key = complete(
            mailbox, fields, stated, files, key or f"{readable(name)}:{_content_key(fields, files)}"
        )
        return Composed(letter, admit(mailbox.store, found), key)


def complete(
    mailbox: Mailbox, fields: Fields, stated: Letter, files: tuple[File, ...], key: str
) -> tuple[Letter, str]:
    """Give the letter with its files, and its key; Mistaken with all that is wrong, unknown fields among it.

    Put in through two doors under one key, it has one LetterID.
    """
    fields.close()
    _readable_by_all(mailbox, stated, fields)
    if fields.mistakes:
        raise Mistaken(*fields.mistakes)
    made_id = uuid5(_LETTERS, f"{mailbox.agency}\n{key}")
    letter = replace(
        stated,
        letter_id=made_id if stated.letter_id == _NONE else stated.letter_id,
        main_file=files[0],
        files=files[1:],
        sender_reference=key if len(key) <= 100 else None,
    )
    return letter, key


def stated_in(mailbox: Mailbox, fields: Fields) -> tuple[Letter, str | None]:
    """What a manifest says itself, without the files, and the office's own key for it."""
    codes = load_codes()
    sender = _sender(mailbox, fields)
    letter_id = fields.uuid("letter_id")
    receivers = (*_receivers(fields, "to"), *_receivers(fields, "copy"))
    if "to" not in fields and "copy" not in fields:
        fields.wrong("to", "ต้องระบุผู้รับอย่างน้อยหนึ่งราย", "name at least one recipient")
    content = Content(
        subject=fields.must("subject", longest=1000),
        signers=tuple(_signer(each) for each in fields.tables("signers")),
        references=tuple(_reference(each) for each in fields.tables("references")),
        enclosures=tuple(_enclosure(each) for each in fields.tables("enclosures")),
        body=fields.text("body"),
    )
    values: dict[str, Any] = {
        "date": fields.date("date", required=True),
        "number": fields.text("number", longest=100),
        "kind": fields.choice("kind", codes.kinds, "external"),
        "secrecy": fields.choice("secrecy", codes.secrecy, "001"),
        "speed": fields.choice("speed", codes.speed, "001"),
        "acknowledgement": fields.choice("acknowledgement", _ACKNOWLEDGEMENTS, "registration"),
        "due_by": fields.moment("due_by"),
        "retention": fields.text("retention"),
        "sub_kind": fields.text("sub_kind"),
        "document_type": fields.text("document_type"),
        "replaces": _replaces(mailbox, fields.table("replaces")),
    }
    letter = Letter(
        letter_id=letter_id or _NONE,
        sent_at=now(),
        sender=sender,
        receivers=receivers,
        content=content,
        main_file=_NO_FILE,
        **values,
    )
    return letter, fields.text("reference", longest=100)


def put(mailbox: Mailbox, composed: Composed) -> OutboxEntry:
    """Put a composed letter into the outbox, once; one that the bus has refused is submitted once more."""
    row = mailbox.outbox.put_letter(composed.letter, composed.files, composed.reference)
    if row.state is OutboxState.REFUSED:
        mailbox.outbox.send_again(row.id)
        row = mailbox.outbox.get(row.id)
    return row


def _readable_by_all(mailbox: Mailbox, letter: Letter, fields: Fields) -> None:
    try:
        version_for(mailbox, letter)
    except Unread as exc:
        words = load_codes().refusal(exc.code)
        field = "document_type" if letter.document_type else "to"
        fields.wrong(field, f"{words.th} ({exc.detail})", f"{words.en} ({exc.detail})", exc.code)


def _receivers(fields: Fields, role: str) -> tuple[Receiver, ...]:
    found = []
    for text in fields.texts(role):
        prefix, colon, identifier = text.partition(":")
        if is_agency_code(text):
            found.append(Receiver(agency=AgencyCode(text), role=role))
        elif colon and prefix == "group" and identifier:
            found.append(Receiver(group=identifier, role=role))
        elif colon and prefix == "topic" and identifier:
            found.append(Receiver(topic=identifier, role=role))
        else:
            fields.wrong(
                role,
                f"“{text}” ไม่ใช่รหัสหน่วยงาน 10 หลัก หรือ group:รหัส หรือ topic:รหัส",
                f"“{text}” is no agency's code of ten digits, group:<id> or topic:<id>",
            )
    return tuple(found)


def _sender(mailbox: Mailbox, fields: Fields) -> Sender:
    contact = {name: fields.text(name) for name in ("telephone", "email", "address")}
    directory = mailbox.directory()
    agency = directory.agencies.get(mailbox.agency) if directory else None
    if agency is None:
        raise NotReady("the directory with this agency's name has not arrived yet; run the adapter first")
    return Sender(
        agency=mailbox.agency,
        name=agency.name_th,
        unit=fields.text("unit"),
        contact=Contact(**contact) if any(contact.values()) else None,
    )


def _signer(fields: Fields) -> Signer:
    signer = Signer(
        given_name=fields.must("given_name"),
        family_name=fields.must("family_name"),
        job_title=fields.must("job_title"),
        capacity=fields.text("capacity"),
        acting_for=fields.text("acting_for"),
    )
    fields.close()
    return signer


def _reference(fields: Fields) -> Reference:
    reference = Reference(
        relation=fields.choice("relation", load_codes().relations, "refer"),
        letter_id=fields.uuid("letter_id"),
        number=fields.text("number"),
        date=fields.date("date"),
        dated=fields.text("dated"),
        subject=fields.text("subject"),
    )
    fields.close()
    return reference


def _enclosure(fields: Fields) -> Enclosure:
    enclosure = Enclosure(
        description=fields.must("description"),
        quantity=fields.text("quantity"),
        form=fields.choice("form", _FORMS, "file"),
        link=fields.text("link"),
    )
    fields.close()
    return enclosure


def _replaces(mailbox: Mailbox, fields: Fields | None) -> Replaces | None:
    if fields is None:
        return None
    reason = fields.must("reason", longest=1000)
    letter_id = fields.uuid("letter_id")
    key = LetterKey(
        letter_id=as_letter_id(letter_id) if letter_id else None,
        reference=fields.text("reference"),
        number=fields.text("number"),
        date=fields.date("date"),
    )
    fields.close()
    try:
        replaced = sent_letter(mailbox, key)
    except Mistaken as exc:
        for mistake in exc.mistakes:
            fields.wrong(mistake.where, mistake.th, mistake.en)
        return None
    return Replaces(letter_id=UUID(replaced.document_id), digest=replaced.digest, reason=reason)


def _content_key(fields: Fields, files: tuple[File, ...]) -> str:
    # What TOML has as a date or a time, as JSON has it.
    stated = json.dumps(fields.values, sort_keys=True, default=methodcaller("isoformat"))
    stated += "".join(file.digest for file in files)
    return hashlib.sha256(stated.encode()).hexdigest()[:16]
