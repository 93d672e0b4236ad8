"""The files of a letter: found beside its manifest, opened once, and in the mailbox's store when they are named in it.

What is hashed is what is stored: the bytes come out of one open descriptor, and nothing asks for the office's file by
its name again.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from adapters.connectors.folder.folders import Folder, size_of
from adapters.connectors.folder.manifest import Fields
from adapters.connectors.folder.names import Names, is_utf8, readable
from adapters.mailbox.files import FileStore, Fingerprint
from adapters.mailbox.mistakes import Mistaken
from bus.codes import load_codes
from bus.documents.letter import File

MOST_BYTES = 512 * 1024 * 1024
"""The largest file that is taken, unless the settings say otherwise; what the bus's depot takes."""


@dataclass(frozen=True, slots=True)
class _Form:
    """How a kind of file begins, and what stands near its end; sizes in bytes."""

    name: str
    begins: bytes
    within: int
    ends: bytes
    near: int


_FORMS = (
    # ISO 32000-1, 7.5.2 and 7.5.5; readers look for both within 1,024 bytes, and so does this.
    _Form("PDF", b"%PDF-", 1024, b"%%EOF", 1024),
    # Word, Excel, PowerPoint and OpenDocument: a ZIP ends with its directory's record and a comment (APPNOTE 4.3.16).
    _Form("ZIP", b"PK\x03\x04", 4, b"PK\x05\x06", 22 + 65535),
    _Form("PNG", b"\x89PNG\r\n\x1a\n", 8, b"IEND\xaeB`\x82", 1024),
)


@dataclass(frozen=True, slots=True)
class Copy:
    """A file as the letter states it, and its bytes, which are the adapter's already."""

    file: File
    path: Path


def copies(
    store: FileStore, fields: Fields, folder: Folder, near: Names | None, stack: ExitStack, most: int
) -> tuple[Copy, ...]:
    """Copy the files that a manifest names, each until the end of `stack`; what is wrong is noted in `fields`.

    `near` are the names among which a missing one's neighbour is sought, if not the folder's own.
    """
    names = Names(folder.names())
    if "files" not in fields:
        fields.wrong("files", "ต้องระบุไฟล์ของหนังสือ", "name the letter's file")
    found: list[Copy] = []
    taken: set[str] = set()
    for name in fields.texts("files"):
        place = names.find(name)
        if place is None:
            _missing(fields, name, near or names)
        elif place in taken:
            fields.wrong("files", f"ระบุ {readable(name)} ซ้ำ", f"{readable(name)} is named twice")
        else:
            taken.add(place)
            try:
                with folder.opened(place, most) as file:
                    known = place if is_utf8(place) else name
                    found.append(copied(store, fields, known, file, size_of(file), stack))
            except Mistaken as exc:
                for each in exc.mistakes:
                    fields.wrong("files", f"{each.where} {each.th}", f"{each.where} {each.en}")
    return tuple(found)


def admit(store: FileStore, found: Sequence[Copy]) -> tuple[Path, ...]:
    """Keep these copies for good; give where they are."""
    for copy in found:
        if not store.holds(copy.file.digest, copy.file.size):
            store.admit(copy.path, Fingerprint(copy.file.digest, copy.file.size))
    return tuple(store.path(copy.file.digest) for copy in found)


def endless(file: BinaryIO) -> str | None:
    """What a file is that begins as one but does not end so, as while it is still being copied; None for all others."""
    size = size_of(file)
    file.seek(0)
    head = file.read(max(form.within for form in _FORMS))
    for form in _FORMS:
        if form.begins in head[: form.within]:
            file.seek(max(0, size - form.near))
            return None if form.ends in file.read(form.near) else form.name
    return None


def no_end(kind: str) -> tuple[str, str]:
    """What is said of a file without its end, in Thai and English."""
    return (
        f"ไม่มีส่วนท้ายของไฟล์ {kind} อาจยังคัดลอกไม่เสร็จหรือไฟล์เสียหาย โปรดคัดลอกใหม่",
        f"has no end, as a whole {kind} has: it was cut short, or is damaged; copy it anew",
    )


def copied(
    store: FileStore, fields: Fields, name: str, source: BinaryIO, size: int, stack: ExitStack
) -> Copy:
    """Copy an open file of that many bytes until the end of `stack`; what no letter may carry is noted in `fields`."""
    shown = readable(name)
    media_type = load_codes().media_type_of(name)
    if media_type is None:
        known = ", ".join(ext for each in load_codes().media_types.values() for ext in each.ext)
        fields.wrong(
            "files",
            f"ส่งไฟล์ชนิดของ {shown} ไม่ได้ ชนิดที่ส่งได้: {known}",
            f"{shown} is of a type that letters may not carry; they may carry: {known}",
        )
    path, stated = stack.enter_context(store.scratch_copy(source, size))
    if stated.size == 0:
        fields.wrong("files", f"{shown} เป็นไฟล์ว่าง", f"{shown} is empty")
    with path.open("rb") as read:
        kind = endless(read)
    if kind is not None:
        th, en = no_end(kind)
        fields.wrong("files", f"{shown} {th}", f"{shown} {en}")
    described = File(
        name=unicodedata.normalize("NFC", name),
        size=stated.size,
        digest=stated.sha256,
        media_type=media_type.value if media_type else "",
    )
    return Copy(described, path)


def _missing(fields: Fields, name: str, near: Names) -> None:
    th = f"ไม่พบไฟล์ {readable(name)} ข้าง ๆ ไฟล์นี้"
    en = f"there is no file {readable(name)} beside this one"
    nearest = near.nearest(name)
    if nearest is not None:
        th, en = f"{th} ชื่อที่ใกล้เคียงที่สุดคือ {nearest}", f"{en}; the nearest name is {nearest}"
    fields.wrong("files", th, en)
