"""From the bytes of a request to its elements; lxml reads them, and nothing else does.

Read in pieces: the files of a letter are decoded to disk while they pass, and no text is held but what a letter may
have. No document type, no entity, no network. Elements are known by their local names, whatever their case and
namespace: three families of clients write three.
"""

from __future__ import annotations

import binascii
import codecs
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from lxml import etree

from adapters.connectors.ecms.errors import Code, Wrong

MOST_ELEMENTS = 20_000
MOST_TEXT = 4 * 1024 * 1024
"""Characters of all elements together, the files not counted."""
DEEPEST = 40
_PIECE = 256 * 1024
_PROLOG = 1024
_FILES = ("mainletterbinaryobject", "attachmentbinaryobject")
_DECLARATION = re.compile(rb"^\s*<\?xml[^>]*?>")
_ENCODING = re.compile(rb"""encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]")
_CHARSETS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "utf-8",
    "tis-620": "cp874",
    "tis620": "cp874",
    "windows-874": "cp874",
    "cp874": "cp874",
    "iso-8859-11": "cp874",
}
"""What clients call their character sets; windows-874 has all that TIS-620 has."""


@dataclass(slots=True)
class Contents:
    """The bytes of a file of a request, decoded to disk."""

    path: Path
    sha256: str
    size: int


@dataclass(slots=True)
class Node:
    """An element: its local name in lower case, what it holds, and the same names as they were written."""

    name: str
    shown: str
    attributes: dict[str, str]
    text: str = ""
    children: list[Node] = field(default_factory=list)
    contents: Contents | None = None

    def find(self, path: str) -> Node | None:
        """The first element at a path of local names, each of which may be several: `A|B/C`."""
        found: Node | None = self
        for step in path.lower().split("/"):
            names = step.split("|")
            found = next((each for each in found.children if each.name in names), None) if found else None
        return found

    def all(self, name: str) -> list[Node]:
        """The children of that name."""
        return [each for each in self.children if each.name == name.lower()]

    def value(self, path: str) -> str:
        """The text at a path without the blanks around it; empty if nothing is there."""
        found = self.find(path)
        return found.text.strip() if found else ""

    def key(self, *, but: tuple[str, ...] = ()) -> str:
        """What it says, whatever prefixes, namespaces and blanks it says it with."""
        digest = hashlib.sha256()
        for part in self._parts(but):
            digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
        return digest.hexdigest()

    def _parts(self, but: tuple[str, ...]) -> Iterator[str]:
        yield self.name
        yield self.contents.sha256 if self.contents else " ".join(self.text.split())
        yield from (f"{name}={value}" for name, value in sorted(self.attributes.items()) if name != "id")
        for child in self.children:
            if child.name not in but:
                yield from child._parts(but)
        yield "/"


def read_request(source: BinaryIO, content_type: str, scratch: Callable[[], Path]) -> Node:
    """Give the root of a request; `scratch` makes a place for each of its files. Raises Wrong."""
    head = source.read(_PROLOG)
    codec, rest = _codec(head, content_type)
    target = _Target(scratch)
    parser = etree.XMLParser(
        target=target, encoding="utf-8", resolve_entities=False, load_dtd=False, no_network=True
    )
    decode = codecs.getincrementaldecoder(codec)()
    try:
        piece, last = rest, len(head) < _PROLOG
        while True:
            parser.feed(decode.decode(piece, last).encode("utf-8"))
            if last:
                break
            piece = source.read(_PIECE)
            last = not piece
        parser.close()
    except UnicodeDecodeError as exc:
        raise Wrong(Code.NOT_XML, f"อักขระไม่ตรงกับรหัสภาษา {codec}") from exc
    except etree.XMLSyntaxError as exc:
        raise Wrong(Code.NOT_XML, f"บรรทัดที่ {exc.lineno or 0}") from exc
    finally:
        target.abandon()
    if target.root is None:
        raise Wrong(Code.NOT_XML, "ว่างเปล่า")
    return target.root


def _codec(head: bytes, content_type: str) -> tuple[str, bytes]:
    """The codec of a request, and its beginning without mark and declaration."""
    marked = head.startswith(codecs.BOM_UTF8)
    plain = head.removeprefix(codecs.BOM_UTF8)
    declared = _DECLARATION.match(plain)
    stated = re.search(r"charset\s*=\s*[\"']?([A-Za-z0-9._-]+)", content_type, re.IGNORECASE)
    name = stated[1] if stated else None
    if name is None and declared and (found := _ENCODING.search(declared[0])):
        name = found[1].decode("ascii")
    codec = "utf-8" if marked or name is None else _CHARSETS.get(name.lower())
    if codec is None:
        raise Wrong(Code.NOT_XML, f"ไม่รองรับรหัสภาษา {name} (รองรับ UTF-8, TIS-620, windows-874)")
    if b"\0" in plain:
        raise Wrong(Code.NOT_XML, "ไม่รองรับรหัสภาษา UTF-16")
    return codec, plain[declared.end() :].lstrip() if declared else plain.lstrip()


class _Target:
    """Builds the elements that are wanted, within bounds."""

    def __init__(self, scratch: Callable[[], Path]) -> None:
        self.root: Node | None = None
        self._scratch = scratch
        self._open: list[Node] = []
        self._said: list[list[str]] = []
        self._elements = self._text = 0
        self._file: _Base64 | None = None

    def start(self, tag: str | bytes, attributes: Mapping[str | bytes, str | bytes]) -> None:
        """An element begins."""
        self._elements += 1
        if self._elements > MOST_ELEMENTS or len(self._open) >= DEEPEST:
            raise Wrong(Code.TOO_LARGE, "มีองค์ประกอบมากหรือลึกเกินไป")
        if self._file is not None:
            raise Wrong(Code.FILE_BROKEN, "มีองค์ประกอบซ้อนอยู่ในไฟล์")
        shown = _local(tag)
        node = Node(shown.lower(), shown, {_local(k).lower(): str(v) for k, v in attributes.items()})
        self._count(sum(map(len, node.attributes.values())))
        if self._open:
            self._open[-1].children.append(node)
        elif self.root is None:
            self.root = node
        self._open.append(node)
        self._said.append([])
        if node.name in _FILES:
            self._file = _Base64(self._scratch())

    def data(self, data: str | bytes) -> None:
        """Text of the element that is open."""
        text = str(data)
        if self._file is not None:
            self._file.add(text)
            return
        self._count(len(text))
        if self._said:
            self._said[-1].append(text)

    def _count(self, characters: int) -> None:
        self._text += characters
        if self._text > MOST_TEXT:
            raise Wrong(Code.TOO_LARGE, f"ข้อความรวมเกิน {MOST_TEXT} อักขระ")

    def end(self, tag: str | bytes) -> None:
        """An element ends."""
        node = self._open.pop()
        node.text = "".join(self._said.pop())
        if self._file is not None:
            file, self._file = self._file, None
            node.contents = file.close()

    def abandon(self) -> None:
        """Close the file of a request that cannot be read to its end."""
        if self._file is not None:
            self._file.abandon()
            self._file = None

    def comment(self, data: str | bytes) -> None:
        """A comment, which says nothing."""

    def doctype(self, *_: object) -> None:
        """A document type, which no request has."""
        raise Wrong(Code.NOT_XML, "มี DOCTYPE ซึ่งไม่อนุญาต")

    def close(self) -> None:
        """The document is at its end."""


class _Base64:
    """Decodes a file to disk as it is read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb")
        self._digest = hashlib.sha256()
        self._size, self._rest, self._ended = 0, b"", False

    def add(self, text: str) -> None:
        """Decode as much as there is in whole groups of four."""
        plain = b"".join((self._rest + text.encode("ascii", "replace")).split())
        if _NOT_BASE64.search(plain) or (plain and self._ended):
            raise Wrong(Code.FILE_BROKEN)
        whole = len(plain) // 4 * 4
        self._rest = plain[whole:]
        if whole:
            self._write(plain[:whole])

    def _write(self, groups: bytes) -> None:
        self._ended = b"=" in groups
        if b"=" in groups[:-2]:
            raise Wrong(Code.FILE_BROKEN)
        try:
            decoded = binascii.a2b_base64(groups)
        except binascii.Error as exc:
            raise Wrong(Code.FILE_BROKEN) from exc
        self._file.write(decoded)
        self._digest.update(decoded)
        self._size += len(decoded)

    def close(self) -> Contents:
        """Give what was decoded; clients that leave out the padding mean it."""
        try:
            if self._rest:
                self._write(self._rest + b"=" * (-len(self._rest) % 4))
        finally:
            self._file.close()
        return Contents(self._path, self._digest.hexdigest(), self._size)

    def abandon(self) -> None:
        """Close the file of a request that cannot be read."""
        self._file.close()


def _local(tag: str | bytes) -> str:
    return str(tag).rpartition("}")[2]
