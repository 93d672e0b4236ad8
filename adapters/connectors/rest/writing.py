"""From a request to a letter in the outbox: begun, its files brought one by one, and submitted as a whole."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from adapters.connectors.folder.attachments import endless, no_end
from adapters.connectors.folder.letters import Composed, complete, put, stated_in
from adapters.connectors.folder.manifest import Fields
from adapters.connectors.folder.parsing import fields_of
from adapters.connectors.rest.problems import Problem
from adapters.mailbox import Mailbox, OutboxEntry
from adapters.mailbox.doors import Draft
from adapters.mailbox.files import Fingerprint
from adapters.mailbox.mistakes import Mistake, Mistaken
from bus.codes import load_codes
from bus.documents.letter import File, Letter
from bus.failpoints import reached
from bus.identifiers import RawDigest
from bus.thai import now

_DRAFTS = UUID("7a4f3f64-3bb0-5a55-9a3b-0c2f9c0d6b1e")
"""Name space of the ids of letters being written, made from the office's Idempotency-Keys."""
_ABSENT = Fingerprint(RawDigest("0" * 64), 1)


def begin(mailbox: Mailbox, request_key: str, content: Mapping[str, Any]) -> Draft:
    """Keep what a letter is to say; the same request again is the same draft. Raises Mistaken, Problem."""
    text = json.dumps(content, ensure_ascii=False, sort_keys=True)
    draft = Draft(
        id=str(uuid5(_DRAFTS, f"{mailbox.agency}\n{request_key}")),
        request_sha256=hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest(),
        request_key=request_key,
        content=text,
        outbox=None,
        made_at=now().isoformat(),
    )
    known = mailbox.doors.draft(draft.id)
    if known is None:
        compose(mailbox, draft, None)
        known = mailbox.doors.begin(draft)
        reached("rest.after-create")
    if known.request_sha256 != draft.request_sha256:
        raise Problem("request.key-reused")
    return known


def names_of(draft: Draft) -> list[str]:
    """The files that a draft names, in order."""
    return [_canonical(each) for each in fields_of(json.loads(draft.content)).texts("files")]


def file_arrived(mailbox: Mailbox, draft: Draft, name: str, arrived: Path, file: Fingerprint) -> None:
    """Keep a file of a draft; Mistaken for one that no letter may carry."""
    name = _canonical(name)
    if name not in names_of(draft):
        raise Problem("file.unknown")
    if draft.outbox is not None:
        if mailbox.doors.files(draft.id).get(name) != file:
            raise Problem("letter.submitted")
        return
    if file.size == 0:
        raise Mistaken(Mistake(name, "เป็นไฟล์ว่าง", "is empty"))
    with arrived.open("rb") as copied:
        kind = endless(copied)
    if kind is not None:
        raise Mistaken(Mistake(name, *no_end(kind)))
    mailbox.store.admit(arrived, file)
    mailbox.doors.file_arrived(draft.id, name, file)
    reached("rest.after-file")


def compose(mailbox: Mailbox, draft: Draft, found: Mapping[str, Fingerprint] | None) -> Composed:
    """Write the letter of a draft; `found` are its files, None before there are any. Raises Mistaken."""
    fields = fields_of(json.loads(draft.content))
    stated, key = stated_in(mailbox, fields)
    files = _files(fields, found)
    letter, key = complete(mailbox, fields, stated, files, key or f"rest:{draft.request_key}")
    return Composed(letter, tuple(mailbox.store.path(each.digest) for each in files), key)


def submit(mailbox: Mailbox, draft: Draft) -> OutboxEntry:
    """Put the letter of a draft into the outbox, once, with all its files."""
    composed = compose(mailbox, draft, mailbox.doors.files(draft.id))
    reached("rest.before-put")
    with mailbox.transaction():
        row = put(mailbox, composed)
        mailbox.doors.submitted(draft.id, row.id)
    reached("rest.after-put")
    return row


def letter_of(mailbox: Mailbox, content: Mapping[str, Any]) -> Letter:
    """The letter that a request asks for, as far as it can be written without its files; Mistaken."""
    text = json.dumps(content, ensure_ascii=False)
    draft = Draft(id="", request_sha256="", request_key="check", content=text, outbox=None, made_at="")
    return compose(mailbox, draft, None).letter


def _files(fields: Fields, found: Mapping[str, Fingerprint] | None) -> tuple[File, ...]:
    names = [_canonical(each) for each in fields.texts("files")]
    if "files" not in fields:
        fields.wrong("files", "ต้องระบุไฟล์ของหนังสือ", "name the letter's file")
    made = []
    for position, name in enumerate(names):
        media_type = load_codes().media_type_of(name)
        if name in names[:position]:
            fields.wrong("files", f"ระบุ {name} ซ้ำ", f"{name} is named twice")
        elif media_type is None:
            known = ", ".join(ext for each in load_codes().media_types.values() for ext in each.ext)
            fields.wrong(
                "files",
                f"ส่งไฟล์ชนิดของ {name} ไม่ได้ ชนิดที่ส่งได้: {known}",
                f"{name} is of a type that letters may not carry; they may carry: {known}",
            )
        elif found is not None and name not in found:
            fields.wrong("files", f"ยังไม่ได้ส่งไฟล์ {name}", f"the file {name} has not been brought")
        else:
            file = (found or {}).get(name, _ABSENT)
            made.append(File(name=name, size=file.size, digest=file.sha256, media_type=media_type.value))
    return tuple(made)


def _canonical(name: str) -> str:
    return unicodedata.normalize("NFC", name)
