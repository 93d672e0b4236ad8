"""Opening an evidence pack: a zip file (ASiC-E, ETSI EN 319 162-1) that may have been made to do harm.

Nothing is unpacked to a disk. Names, sizes and ratios are looked at before a byte is read, and all of it is bounded.
"""

from __future__ import annotations

import hashlib
import stat
import unicodedata
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from bus.verifier.findings import BadPack
from bus.verifier.layout import DEFLATED, STORED, Member, members_of

MIMETYPE = "application/vnd.etsi.asic-e+zip"
_LARGEST = {
    "entries": 4,
    "notices": 8,
    "letter.xml": 8,
    "acceptance.xml": 8,
    "checkpoint": 2,
    "recipients.json": 4,
}
"""MiB of a member that is read whole; files of the letter are only hashed, and may be larger."""
_LARGEST_ELSE = 32
_MOST_READ = 512
"""MiB that are read whole, all together."""
_MIB = 1024 * 1024
_LARGEST_FILE = 4 * 1024**3
_MOST_BYTES = 64 * 1024**3
_HIGHEST_RATIO = 1_000
_BLOCK = 1024 * 1024
_FOLDER = 0x10
"""The attribute of a folder in DOS."""
FILES = "files/"


class Pack:
    """A pack that may be read; a context manager."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises BadPack, and OSError where the file cannot be read at all."""
        self._file = path.open("rb")
        try:
            self._read = 0
            self._members = _sound(members_of(self._file))
            first = next(iter(self._members.values()), None)
            if first is None or first.name != "mimetype" or first.method != STORED:
                raise BadPack("pack.mimetype", "its first member is not an uncompressed `mimetype`")
            if self.read("mimetype") != MIMETYPE.encode():
                raise BadPack("pack.mimetype", f"its mimetype is not {MIMETYPE}")
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Pack:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def names(self) -> list[str]:
        """The names of all members but the first, which says what kind of container this is."""
        return [name for name in self._members if name != "mimetype"]

    def below(self, folder: str) -> list[str]:
        """The names of the members in a folder."""
        return sorted(name for name in self._members if name.startswith(f"{folder}/"))

    def read(self, name: str) -> bytes:
        """Return a member. Raises BadPack when it is missing, too large or damaged."""
        member = self._member(name)
        self._read += member.size
        if member.size > _largest(name) or self._read > _MOST_READ * _MIB:
            raise BadPack("pack.too-large", f"{name} has {member.size} bytes")
        return b"".join(self._blocks(member))

    def sha256(self, name: str) -> tuple[str, int]:
        """Return the SHA-256 (hexadecimal) and the size of a member, however large. Raises BadPack."""
        digest, size = hashlib.sha256(), 0
        for block in self._blocks(self._member(name)):
            digest.update(block)
            size += len(block)
        return digest.hexdigest(), size

    def _member(self, name: str) -> Member:
        if name not in self._members:
            raise BadPack("pack.missing", f"{name} is missing")
        return self._members[name]

    def _blocks(self, member: Member) -> Iterator[bytes]:
        """The data, in blocks. Raises BadPack unless it is exactly as long as stated, packed and unpacked."""
        crc, size = 0, 0
        try:
            for block in self._unpacked(member):
                crc, size = zlib.crc32(block, crc), size + len(block)
                if size > member.size:
                    break
                yield block
        except zlib.error as error:
            raise BadPack("pack.damaged", f"{member.name} is damaged: {error}") from error
        if size != member.size:
            raise BadPack("pack.damaged", f"{member.name} is not as long as stated")
        if crc != member.crc:
            raise BadPack("pack.damaged", f"{member.name} is damaged: its checksum is another")

    def _unpacked(self, member: Member) -> Iterator[bytes]:
        inflating = zlib.decompressobj(-zlib.MAX_WBITS) if member.method == DEFLATED else None
        for block in self._packed(member):
            if inflating is None:
                yield block
                continue
            while block:
                if inflating.eof:
                    raise BadPack("pack.damaged", f"{member.name} has bytes behind its data")
                yield inflating.decompress(block, _BLOCK)
                block = inflating.unconsumed_tail or inflating.unused_data
        while inflating is not None and not inflating.eof:
            # All of it is in, and as much as a block may still have to come out.
            if not (rest := inflating.decompress(b"", _BLOCK)):
                raise BadPack("pack.damaged", f"{member.name} is cut off")
            yield rest

    def _packed(self, member: Member) -> Iterator[bytes]:
        place, left = member.start, member.packed
        while left:
            self._file.seek(place)
            block = self._file.read(min(_BLOCK, left))
            if not block:
                raise BadPack("pack.damaged", f"{member.name} is cut off")
            place, left = place + len(block), left - len(block)
            yield block


def _largest(name: str) -> int:
    """Bytes that a member may have, by its folder or name."""
    return _LARGEST.get(name.partition("/")[0], _LARGEST_ELSE) * _MIB


def _sound(listed: list[Member]) -> dict[str, Member]:
    members: dict[str, Member] = {}
    alike: set[str] = set()
    for member in listed:
        _require_plain(member)
        # On a disk, names that differ in case or form are one.
        form = unicodedata.normalize("NFC", member.name).casefold()
        if form in alike:
            raise BadPack("pack.duplicate-name", f"{member.name} stands in it twice")
        alike.add(form)
        members[member.name] = member
    if (total := sum(member.size for member in listed)) > _MOST_BYTES:
        raise BadPack("pack.bomb", f"{total} bytes when unpacked")
    return members


def _require_plain(member: Member) -> None:
    name, path = member.name, PurePosixPath(member.name)
    if name.endswith("/") or member.attributes & _FOLDER:
        wrong = f"{name!r} is an entry for a folder: another program has packed it anew; ask for it as the bus wrote it"
        raise BadPack("pack.folder", wrong)
    if (
        path.is_absolute()
        or ".." in path.parts
        or "\\" in name
        or "\0" in name
        or ":" in name
        or not name.isprintable()
        or str(path) != name
    ):
        raise BadPack("pack.path", f"{name!r} is no plain name")
    if stat.S_IFMT(member.attributes >> 16) not in (0, stat.S_IFREG):
        raise BadPack("pack.path", f"{name!r} is no plain file")
    if member.size > (_LARGEST_FILE if name.startswith(FILES) else _largest(name)):
        raise BadPack("pack.bomb", f"{name} has {member.size} bytes")
    if member.size > _BLOCK and member.size > _HIGHEST_RATIO * max(member.packed, 1):
        raise BadPack("pack.bomb", f"{name} would grow from {member.packed} to {member.size} bytes")
