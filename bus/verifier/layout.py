"""The zip file of a pack from front to back: every byte belongs to one member or to the directory of the members.

Programs read a zip file by the directory at its end or by the header before each member, and look for that end in ways
of their own. A file in which they would not find the same is another pack to each of them, and so it is none. Sections
are those of PKWARE's APPNOTE 6.3.10.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, NamedTuple

from bus.verifier.findings import BadPack

STORED, DEFLATED = 0, 8
_MOST_MEMBERS = 200_000
_LARGEST_DIRECTORY = 64 * 1024 * 1024
_SEARCHED = 1024 * 1024
"""Bytes in which the end of a zip file is looked for where it is not in its place, only to say what was added."""
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_ENCRYPTED, _DESCRIPTOR, _UTF8 = 0x1, 0x8, 0x800
_VERSIONS = (10, 20, 45)
_ESCAPED, _ESCAPED_COUNT = 0xFFFFFFFF, 0xFFFF


@dataclass(frozen=True, slots=True)
class Member:
    """A member as both of its headers say it: sizes in bytes, and where its data begins."""

    name: str
    method: int
    crc: int
    packed: int
    size: int
    attributes: int
    start: int


class _Header(NamedTuple):
    """What a header before a member and its line in the directory have in common."""

    flags: int
    method: int
    time: int
    day: int
    crc: int
    packed: int
    size: int
    name: bytes


def members_of(file: IO[bytes]) -> list[Member]:
    """Return the members in their order. Raises BadPack for everything that could be read in two ways."""
    count, start, data = _directory(file)
    place = 0
    members: list[Member] = []
    for listed, offset, attributes in _listed(data, count):
        name = _name(listed)
        if offset != place:
            code = "pack.overlap" if offset < place else "pack.gap" if members else "pack.prefix"
            raise BadPack(code, f"{name} begins at byte {offset}, and should at byte {place}")
        own, begin = _own(file, place, name)
        if different := [each for each in _Header._fields if getattr(own, each) != getattr(listed, each)]:
            raise BadPack("pack.headers", f"its two headers disagree about {name}: {', '.join(different)}")
        place = begin + listed.packed
        members.append(Member(name, listed.method, listed.crc, listed.packed, listed.size, attributes, begin))
    if place != start:
        raise BadPack("pack.gap", f"the members end at byte {place}, and their directory begins at {start}")
    return members


def _directory(file: IO[bytes]) -> tuple[int, int, bytes]:
    """How many members there are, where their directory begins, and its bytes (4.3.12 to 4.3.16)."""
    end, place = _end(file)
    _, disk, first_disk, here, count, size, start, _ = end
    if (disk, first_disk, here) != (0, 0, count):
        raise BadPack("pack.disks", "it is a part of a zip file on several disks")
    before = _at(file, place - _LOCATOR64.size, _LOCATOR64.size) if place >= _LOCATOR64.size else b""
    if before.startswith(b"PK\x06\x07"):
        count, size, start, place = _end64(file, place - _LOCATOR64.size, before, (count, size, start))
    elif count == _ESCAPED_COUNT or _ESCAPED in (size, start):
        raise BadPack("pack.zip64", "its end refers to another one that is not there")
    if count > _MOST_MEMBERS or size > _LARGEST_DIRECTORY:
        raise BadPack("pack.members", f"{count} members")
    if start + size > place:
        raise BadPack("pack.no-zip", "no whole zip file: its directory is not where its end says")
    if start + size < place:
        raise BadPack("pack.prefix", f"{place - start - size} bytes stand in front of it or in its directory")
    return count, start, _at(file, start, size)


def _end(file: IO[bytes]) -> tuple[tuple[int, ...], int]:
    """The last record of the file, and where it stands: in the last 22 bytes, or something was added."""
    length = file.seek(0, 2)
    begin = max(0, length - _SEARCHED)
    tail = _at(file, begin, length - begin)
    place = len(tail) - _END.size
    if place < 0 or tail[place : place + 4] != b"PK\x05\x06" or tail[-2:] != b"\0\0":
        place = tail.rfind(b"PK\x05\x06")
        added = tail[place + _END.size :] if place >= 0 else b""
        comment = int.from_bytes(tail[place + _END.size - 2 : place + _END.size], "little")
        if place < 0 or len(tail) - place < _END.size or len(added) < comment:
            raise BadPack("pack.no-zip", "no whole zip file: its end is missing")
        quoted = f"{len(added)} bytes ({added[:80].decode(errors='replace').strip()!r})"
        if len(added) == comment:
            raise BadPack("pack.comment", f"it bears a comment of {quoted}, which nobody has signed")
        wrong = f"{quoted} follow its end, as a mail gateway adds a footer; ask for the pack on another way"
        raise BadPack("pack.suffix", wrong)
    return _END.unpack_from(tail, place), begin + place


def _end64(
    file: IO[bytes], locator: int, data: bytes, narrow: tuple[int, int, int]
) -> tuple[int, int, int, int]:
    """Number of members, size and place of the directory, and where the record with these stands (4.3.14, 4.3.15)."""
    _, disk, place, disks = _LOCATOR64.unpack(data)
    if place != locator - _END64.size or (disk, disks) != (0, 1):
        raise BadPack("pack.zip64", "the two records at its end are not beside each other")
    mark, length, _, _, disk, first_disk, here, count, size, start = _END64.unpack(
        _at(file, place, _END64.size)
    )
    plain = (mark, length, disk, first_disk, here) == (b"PK\x06\x06", _END64.size - 12, 0, 0, count)
    agrees = (
        narrow[0] in (count, _ESCAPED_COUNT),
        narrow[1] in (size, _ESCAPED),
        narrow[2] in (start, _ESCAPED),
    )
    if not plain or not all(agrees):
        raise BadPack("pack.zip64", "the two records at its end disagree")
    return count, size, start, place


def _listed(data: bytes, count: int) -> Iterator[tuple[_Header, int, int]]:
    """Each line of the directory, with the place of its member and the member's attributes (4.3.12)."""
    place = 0
    for _ in range(count):
        if len(data) - place < _CENTRAL.size:
            raise BadPack("pack.members", f"its directory does not list {count} members")
        mark, _, version, *header, disk, _, attributes, offset = _CENTRAL.unpack_from(data, place)
        flags, method, time, day, crc, packed, size, named, extra, comment = header
        place += _CENTRAL.size
        name, more = data[place : place + named], data[place + named : place + named + extra]
        place += named + extra + comment
        if mark != b"PK\x01\x02" or place > len(data):
            raise BadPack("pack.members", f"its directory does not list {count} members")
        if comment:
            raise BadPack("pack.comment", f"{name!r} bears a comment, which nobody has signed")
        if disk or version not in _VERSIONS:
            raise BadPack("pack.headers", f"{name!r} asks for a reader of version {version}, disk {disk}")
        size, packed, offset = _widened(name, more, size, packed, offset)
        yield _Header(flags, method, time, day, crc, packed, size, name), offset, attributes
    if place != len(data):
        raise BadPack("pack.members", f"its directory lists more than {count} members")


def _own(file: IO[bytes], place: int, name: str) -> tuple[_Header, int]:
    """The header before a member, and where its data begins (4.3.7)."""
    data = _at(file, place, _LOCAL.size)
    mark, version, flags, method, time, day, crc, packed, size, named, extra = _LOCAL.unpack(data)
    if mark != b"PK\x03\x04" or version not in _VERSIONS:
        raise BadPack("pack.headers", f"no header stands before {name}")
    begin = place + _LOCAL.size
    more = _at(file, begin, named + extra)
    size, packed = _widened(more[:named], more[named:], size, packed)
    return _Header(flags, method, time, day, crc, packed, size, more[:named]), begin + named + extra


def _widened(name: bytes, extra: bytes, *narrow: int) -> list[int]:
    """The values with those that have no room taken from the zip64 field, the only extra one there may be (4.5.3)."""
    wide = narrow.count(_ESCAPED)
    if extra[:4] != (struct.pack("<2H", 1, 8 * wide) if wide else b"") or len(extra) != (
        wide and 4 + 8 * wide
    ):
        raise BadPack("pack.extra", f"{name!r} bears an extra field, which nobody has signed")
    found = iter(struct.unpack_from(f"<{wide}Q", extra, 4)) if wide else iter(())
    return [next(found) if value == _ESCAPED else value for value in narrow]


def _name(header: _Header) -> str:
    """The name of a member that every reader understands alike. Raises BadPack."""
    if header.flags & _ENCRYPTED:
        raise BadPack("pack.encrypted", f"{header.name!r} is encrypted")
    if header.flags & _DESCRIPTOR:
        raise BadPack("pack.descriptor", f"{header.name!r} says only after its data how long that is")
    if header.flags & ~_UTF8:
        raise BadPack("pack.flags", f"{header.name!r} is flagged as packs never are ({header.flags:#x})")
    if header.method not in (STORED, DEFLATED):
        raise BadPack("pack.compression", f"{header.name!r} is compressed in a way that packs do not use")
    try:
        # Without the flag, readers take a name for one in the code page of their own (appendix D).
        return header.name.decode("utf-8" if header.flags & _UTF8 else "ascii")
    except UnicodeDecodeError as error:
        raise BadPack("pack.path", f"{header.name!r} is no plain name") from error


def _at(file: IO[bytes], place: int, size: int) -> bytes:
    """Bytes of the file. Raises BadPack where it has not so many."""
    file.seek(place)
    data = file.read(size)
    if len(data) != size:
        raise BadPack("pack.no-zip", "no whole zip file: it ends too early")
    return data
