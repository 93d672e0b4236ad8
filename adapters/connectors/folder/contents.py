"""What the names and things in an outbox are: manifests, letters' folders, marks, unfinished things and strangers."""

from __future__ import annotations

import os
from collections.abc import Iterable
from difflib import get_close_matches

from adapters.connectors.folder.folders import is_plain
from adapters.connectors.folder.names import readable
from adapters.mailbox.acts import Verb
from adapters.mailbox.mistakes import Mistake
from bus.platform.folders import is_link

LETTER = "letter"
MARK = ".ready"
"""`<name>.ready` beside a thing, or `.ready` in a folder, says that it is complete."""
_KINDS = (LETTER, *(str(verb) for verb in Verb))
_FORMATS = (".toml", ".json")
_UNFINISHED = (".part", ".tmp", ".partial", ".crdownload", "~")
_OF_THE_SYSTEM = frozenset(
    {"thumbs.db", "desktop.ini", "$recycle.bin", "system volume information", "lost+found"}
)


def kind_of(name: str) -> str | None:
    """What a manifest of this name is: `letter`, or the verb of an act; None if it is no manifest."""
    stem, extension = os.path.splitext(name)
    if extension.lower() not in _FORMATS:
        return None
    kind = stem.rpartition(".")[2].lower()
    return kind if kind in _KINDS else None


def stem_of(name: str) -> str:
    """The name of something without what says that it is a manifest, the same as a folder or as a file."""
    kind = kind_of(name)
    return name if kind is None else os.path.splitext(name)[0][: -len(kind)].removesuffix(".")


def manifest_among(names: Iterable[str]) -> str | None:
    """The one manifest of a folder; None if there is none, or more than one."""
    found = [name for name in names if kind_of(name) is not None and is_final(name)]
    return found[0] if len(found) == 1 else None


def is_final(name: str) -> bool:
    """Whether it is a name that its writer means to keep: not hidden, not unfinished, not an operating system's."""
    if name.startswith((".", "~$")) or name.casefold().endswith(_UNFINISHED):
        return False
    return name.casefold() not in _OF_THE_SYSTEM


def no_manifest(names: Iterable[str], folder: str) -> Mistake:
    """What is said of a folder that has no manifest, or several."""
    th = "ในแฟ้มนี้ต้องมีไฟล์ letter.toml หรือ letter.json หนึ่งไฟล์"
    en = "this folder must hold exactly one manifest, such as letter.toml or letter.json"
    for name in sorted(names):
        meant = _meant(name)
        if meant is not None and is_final(name):
            th = f"{th} โปรดเปลี่ยนชื่อ {readable(name)} เป็น {readable(meant)}"
            en = f"{en}; rename {readable(name)} to {readable(meant)}"
    return Mistake(readable(folder), th, en)


def stranger(name: str, found: os.stat_result) -> Mistake:
    """What is said of a thing that is neither a letter nor an act, nor a file that one of them names."""
    shown, meant = readable(name), _meant(name)
    if is_link(found):
        th = "เป็นลิงก์ ระบบไม่อ่านตามลิงก์ โปรดวางแฟ้มหรือไฟล์จริง"
        en = "is a link, and links are not followed; put the thing itself here"
    elif not is_plain(found):
        th, en = "ไม่ใช่ไฟล์ธรรมดา", "is no plain file"
    elif meant is not None:
        th = f"ไม่รู้จักชื่อไฟล์นี้ อาจหมายถึง {readable(meant)}"
        en = f"is no known name; {readable(meant)} may be meant"
    else:
        th = "ไม่มีไฟล์ letter.toml หรือ letter.json ใดระบุไฟล์นี้ไว้"
        en = "is named by no manifest: a letter is sent by a letter.toml or letter.json that lists its files"
    return Mistake(shown, th, en)


def _meant(name: str) -> str | None:
    """The name of a manifest that this one nearly is: `x.letter.toml.txt`, `x.leter.toml`, `letter`."""
    if kind_of(name) is not None:
        return None
    stem, extension = os.path.splitext(name)
    if kind_of(stem) is not None:
        return stem
    if extension.lower() in _FORMATS:
        before, dot, kind = stem.rpartition(".")
        near = get_close_matches(kind.lower(), _KINDS, n=1)
        return f"{before}{dot}{near[0]}{extension}" if near else f"{stem}.{LETTER}{extension}"
    if extension.lower() == ".txt" and stem.rpartition(".")[2].lower() in _KINDS:
        return f"{stem}.toml"
    return None
