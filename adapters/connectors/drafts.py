"""A letter that is being written at a door, from its fields and its files to the outbox: what such doors share.

The fields are those of a manifest (folder/letters.py); the files were brought one by one and lie in the mailbox.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from adapters.connectors.folder.attachments import endless, no_end
from adapters.connectors.folder.letters import Composed, complete, stated_in
from adapters.connectors.folder.manifest import Fields
from adapters.connectors.folder.parsing import fields_of
from adapters.mailbox import Mailbox
from adapters.mailbox.files import Fingerprint
from adapters.mailbox.mistakes import Mistake, Mistaken
from bus.codes import load_codes
from bus.documents.letter import File
from bus.errors import RefusalCode
from bus.identifiers import RawDigest

Found = Mapping[str, Fingerprint]
_ABSENT = Fingerprint(RawDigest("0" * 64), 1)


def names_in(content: Mapping[str, Any]) -> list[str]:
    """The files that the fields of a letter name, in order."""
    return [canonical(each) for each in fields_of(content).texts("files")]


def composed(mailbox: Mailbox, content: Mapping[str, Any], own_key: str, found: Found | None) -> Composed:
    """Write the letter that these fields ask for; `found` are its files, None before there are any. Raises Mistaken.

    `own_key` is the letter's key where the office gives none of its own (`reference`).
    """
    fields = fields_of(content)
    stated, key = stated_in(mailbox, fields)
    files = _files(fields, found)
    letter, key = complete(mailbox, fields, stated, files, key or own_key)
    return Composed(letter, tuple(mailbox.store.path(each.digest) for each in files), key)


def take_file(
    mailbox: Mailbox, name: str, arrived: Path, file: Fingerprint, keep: Callable[[str, Fingerprint], None]
) -> None:
    """Take a whole file into the store and have it kept by its name; Mistaken for one that no letter may carry."""
    name = canonical(name)
    if file.size == 0:
        raise Mistaken(Mistake(name, "เป็นไฟล์ว่าง", "is empty"))
    with arrived.open("rb") as copied:
        kind = endless(copied)
    if kind is not None:
        raise Mistaken(Mistake(name, *no_end(kind)))
    mailbox.store.admit(arrived, file)
    keep(name, file)


def carried(name: str) -> Mistake | None:
    """What is wrong with a file of this name, if letters may not carry its type."""
    if load_codes().media_type_of(name) is not None:
        return None
    known = ", ".join(ext for each in load_codes().media_types.values() for ext in each.ext)
    return Mistake(
        "files",
        f"ส่งไฟล์ชนิดของ {name} ไม่ได้ ชนิดที่ส่งได้: {known}",
        f"{name} is of a type that letters may not carry; they may carry: {known}",
        RefusalCode.FILE_MEDIA_TYPE,
    )


def canonical(name: str) -> str:
    """A file's name in the one form in which it is kept and compared."""
    return unicodedata.normalize("NFC", name)


def _files(fields: Fields, found: Found | None) -> tuple[File, ...]:
    names = [canonical(each) for each in fields.texts("files")]
    if "files" not in fields:
        fields.wrong("files", "ต้องระบุไฟล์ของหนังสือ", "name the letter's file")
    made = []
    for position, name in enumerate(names):
        media_type = load_codes().media_type_of(name)
        if name in names[:position]:
            fields.wrong("files", f"ระบุ {name} ซ้ำ", f"{name} is named twice")
        elif media_type is None:
            fields.mistakes.extend(filter(None, [carried(name)]))
        elif found is not None and name not in found:
            fields.wrong("files", f"ยังไม่ได้ส่งไฟล์ {name}", f"the file {name} has not been brought")
        else:
            file = (found or {}).get(name, _ABSENT)
            made.append(File(name=name, size=file.size, digest=file.sha256, media_type=media_type.value))
    return tuple(made)
