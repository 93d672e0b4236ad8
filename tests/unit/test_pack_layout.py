"""A pack's zip file: who reads it by its directory and who reads it from the front find the same, or it is none."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bus.verifier.container import MIMETYPE, Pack
from bus.verifier.findings import BadPack

Read = list[tuple[str, bytes]]
BODIES = {
    "mimetype": MIMETYPE.encode(),
    "letter.xml": b"<Letter>" + b"x" * 900,
    "files/ab": bytes(range(256)) * 3,
}


@dataclass(frozen=True)
class Part:
    """A member as a writer with bad intentions would write it; what is None is told truthfully."""

    name: str
    data: bytes
    method: int = zipfile.ZIP_DEFLATED
    flags: int = 0
    before: bytes = b""
    behind: bytes = b""
    """Inside of the packed data, after its end."""
    own_name: str | None = None
    own_size: int | None = None
    own_crc: int | None = None
    own_extra: bytes = b""
    extra: bytes = b""
    comment: bytes = b""
    attributes: int = 0o100644 << 16
    own_method: int | None = None
    own_flags: int | None = None
    moved: int = 0
    unlisted: bool = False

    @property
    def packed(self) -> bytes:
        if self.method == zipfile.ZIP_STORED:
            return self.data + self.behind
        deflating = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        return deflating.compress(self.data) + deflating.flush() + self.behind


def written(parts: list[Part], *, gap: bytes = b"", comment: bytes = b"", count: int | None = None) -> bytes:
    """A zip file of these parts."""
    out, directory = bytearray(), bytearray()
    for part in parts:
        out += part.before
        place, packed, crc = len(out) + part.moved, part.packed, zlib.crc32(part.data)
        name, own = part.name.encode(), (part.own_name if part.own_name is not None else part.name).encode()
        sizes = (len(packed), len(part.data) if part.own_size is None else part.own_size)
        method = part.method if part.own_method is None else part.own_method
        flags = part.flags if part.own_flags is None else part.own_flags
        own_crc = crc if part.own_crc is None else part.own_crc
        out += struct.pack(
            "<4s5H3L2H", b"PK\3\4", 20, flags, method, 0, 33, own_crc, *sizes, len(own), len(part.own_extra)
        )
        out += own + part.own_extra + packed
        if part.unlisted:
            continue
        directory += struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 0x314, 20, part.flags, part.method, 0, 33, crc, len(packed), len(part.data),
            len(name), len(part.extra), len(part.comment), 0, 0, part.attributes, place,
        )  # fmt: skip
        directory += name + part.extra + part.comment
    out += gap
    listed = sum(not part.unlisted for part in parts) if count is None else count
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, listed, listed, len(directory), len(out), len(comment))
    return bytes(out + directory + end + comment)


def honest() -> list[Part]:
    return [
        Part(name, data, zipfile.ZIP_STORED if name in ("mimetype", "files/ab") else zipfile.ZIP_DEFLATED)
        for name, data in BODIES.items()
    ]


def by_our_reader(path: Path) -> Read:
    with Pack(path) as pack:
        return [("mimetype", pack.read("mimetype")), *((name, pack.read(name)) for name in pack.names)]


def by_directory(data: bytes) -> Read:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()]


def from_the_front(data: bytes) -> Read:
    """As a program reads that cannot seek: header after header, each member to the end of its data."""
    found, place = [], 0
    while data[place : place + 4] == b"PK\3\4":
        _, _, flags, method, _, _, _, packed, size, named, extra = struct.unpack_from(
            "<4s5H3L2H", data, place
        )
        place += 30
        name, more = data[place : place + named].decode(), data[place + named : place + named + extra]
        place += named + extra
        if size == 0xFFFFFFFF:
            size, packed = struct.unpack_from("<2Q", more, 4)
        if method == zipfile.ZIP_STORED:
            body, place = data[place : place + packed], place + packed
        else:
            inflating = zlib.decompressobj(-zlib.MAX_WBITS)
            body = inflating.decompress(data[place:])
            place = len(data) - len(inflating.unused_data)
        if flags & 8:
            place += 16 if data[place : place + 4] == b"PK\7\x08" else 12
        found.append((name, body))
    return found


def refused(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(BadPack) as found:
        by_our_reader(path)
    return found.value.code


def test_an_honest_file_is_read_alike_by_all_three(tmp_path: Path) -> None:
    path = tmp_path / "pack.asice"
    path.write_bytes(written(honest()))
    assert by_our_reader(path) == by_directory(path.read_bytes()) == from_the_front(path.read_bytes())
    assert dict(by_our_reader(path)) == BODIES


def other(**changes: object) -> list[Part]:
    first, letter, file = honest()
    return [first, replace(letter, **changes), file]  # type: ignore[arg-type]


ANOTHER = Part("letter.xml", b"<Letter>of another</Letter>")
FOOTER = "\r\n-- \r\nข้อความนี้เป็นความลับ This e-mail is confidential.\r\n".encode()
LIES: dict[str, tuple[bytes, str]] = {
    "a prefix": (b"MZ\x90\0" + written(honest()), "pack.prefix"),
    "a prefix that is counted": (written([replace(honest()[0], before=b"#!/bin/sh\n"), *honest()[1:]]), "pack.prefix"),
    "another pack in front": (written([replace(ANOTHER, name="mimetype")]) + written(honest()), "pack.prefix"),
    "a mail gateway's footer": (written(honest()) + FOOTER, "pack.suffix"),
    "another pack behind it": (written(honest()) + written([ANOTHER]), "pack.prefix"),
    "a comment": (written(honest(), comment=b"hello"), "pack.comment"),
    "a comment with another end in it": (
        written(honest(), comment=struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0, 0, 0, 0, 0)), "pack.prefix",
    ),
    "a comment of a member": (written(other(comment=b"hello")), "pack.comment"),
    "an unlisted member": (written([*honest()[:2], replace(ANOTHER, unlisted=True), honest()[2]]), "pack.gap"),
    "an unlisted member at the end": (written([*honest(), replace(ANOTHER, unlisted=True)]), "pack.gap"),
    "a gap": (written(other(before=b"\0")), "pack.gap"),
    "a gap before the directory": (written(honest(), gap=b"\0"), "pack.gap"),
    "an overlap": (written(other(moved=-5)), "pack.overlap"),
    "one member listed twice": (written([*honest(), replace(honest()[2], moved=-900)]), "pack.overlap"),
    "another name in front": (written(other(own_name="another.xml")), "pack.headers"),
    "another size in front": (written(other(own_size=3)), "pack.headers"),
    "another checksum in front": (written(other(own_crc=3)), "pack.headers"),
    "another method in front": (written(other(own_method=0)), "pack.headers"),
    "other flags in front": (written(other(own_flags=0x800)), "pack.headers"),
    "an extra field in front": (written(other(own_extra=b"\x75\x70\1\0x")), "pack.extra"),
    "an extra field in the directory": (written(other(extra=b"\x75\x70\1\0x")), "pack.extra"),
    "a zip64 field for nothing": (written(other(extra=struct.pack("<2HQ", 1, 8, 900))), "pack.extra"),
    "a data descriptor": (written(other(flags=8)), "pack.descriptor"),
    "encrypted": (written(other(flags=1)), "pack.encrypted"),
    "a patch": (written(other(flags=0x20)), "pack.flags"),
    "another compression": (written(other(method=12, own_method=12)), "pack.compression"),
    "bytes behind the data": (written(other(behind=b"<Letter/>")), "pack.damaged"),
    "a second stream behind the data": (written(other(behind=ANOTHER.packed)), "pack.damaged"),
    "a folder": (written([*honest(), Part("notices/", b"", 0)]), "pack.folder"),
    "a folder by its attribute": (written(other(attributes=0x10)), "pack.folder"),
    "a name twice": (written([*honest(), ANOTHER]), "pack.duplicate-name"),
    "a name twice on some disks": (written([*honest(), replace(ANOTHER, name="Letter.XML")]), "pack.duplicate-name"),
    "a name in a code page": (written(other(name="หนังสือ.xml")), "pack.path"),
    "a name that draws": (written(other(name="a\x1b[2Jb.xml")), "pack.path"),
    "a name that turns": (written(other(name="a\u202exml.exe", flags=0x800)), "pack.path"),
    "fewer members than there are": (written(honest(), count=2), "pack.members"),
    "more members than there are": (written(honest(), count=4), "pack.members"),
    "an end that is another's": (written(honest(), count=0xFFFF), "pack.zip64"),
}  # fmt: skip


@pytest.mark.parametrize("name", LIES)
def test_what_readers_would_understand_differently_is_named_and_refused(tmp_path: Path, name: str) -> None:
    data, code = LIES[name]
    assert refused(tmp_path / "pack.asice", data) == code


def test_a_footer_is_quoted_so_that_its_origin_is_seen(tmp_path: Path) -> None:
    (tmp_path / "pack.asice").write_bytes(written(honest()) + FOOTER)
    with pytest.raises(BadPack, match=r"\d+ bytes \('-- .*ความลับ.*mail gateway"):
        Pack(tmp_path / "pack.asice")


def test_large_numbers_stand_in_records_that_agree(tmp_path: Path) -> None:
    """More members than an old record can count, as in the pack of a circular to everybody."""
    path = tmp_path / "pack.asice"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", MIMETYPE)
        for number in range(66_000):
            archive.writestr(zipfile.ZipInfo(f"entries/{number}.json"), b"{}")
    with Pack(path) as pack:
        assert len(pack.names) == 66_000
    data = path.read_bytes()
    place = data.index(b"PK\6\6")
    for lie in (place + 24, place + 32, place + 40, place + 48, data.index(b"PK\6\7") + 8):
        assert refused(path, data[:lie] + bytes([data[lie] ^ 1]) + data[lie + 1 :]).startswith("pack.")


def test_a_bomb_is_not_unpacked_further_than_it_says(tmp_path: Path) -> None:
    deflating = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    bomb = deflating.compress(bytes(64 * 1024 * 1024)) + deflating.flush()

    class Bomb(Part):
        @property
        def packed(self) -> bytes:
            return bomb

    data = written([honest()[0], Bomb("letter.xml", b"<Letter/>")])
    assert refused(tmp_path / "pack.asice", data) == "pack.damaged"


def test_a_member_that_fills_its_last_block_exactly_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "pack.asice"
    for size in (1024 * 1024 - 1, 1024 * 1024, 2 * 1024 * 1024, 2 * 1024 * 1024 + 258):
        body = (b"0123456789abcdefghij-" * (size // 21 + 1))[:size]
        path.write_bytes(written([honest()[0], Part("files/ab", body)]))
        assert dict(by_our_reader(path))["files/ab"] == body


BLOBS = st.one_of(
    st.binary(min_size=1, max_size=40),
    st.sampled_from(
        [written([ANOTHER]), written([ANOTHER])[:60], written(honest())[-22:], b"PK\3\4", b"PK\6\7", FOOTER]
    ),
)
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["put", "cut", "change", "copy"]), st.integers(0, 4000), st.integers(1, 80), BLOBS
    ),
    min_size=1,
    max_size=3,
)
PARTS = st.lists(
    st.builds(
        Part,
        name=st.sampled_from(["letter.xml", "files/ab", "files/cd", "notices/"]),
        data=st.sampled_from([b"", b"one", b"two" * 50]),
        method=st.sampled_from([0, 8]),
        flags=st.sampled_from([0, 0, 0, 1, 8, 0x800]),
        before=st.sampled_from([b"", b"", b"\0", b"PK\3\4"]),
        behind=st.sampled_from([b"", b"", b"", b"more"]),
        own_name=st.sampled_from([None, None, None, "letter.xml"]),
        own_size=st.sampled_from([None, None, None, 3]),
        own_flags=st.sampled_from([None, None, 0, 8]),
        own_method=st.sampled_from([None, None, None, 0, 8]),
        own_extra=st.sampled_from([b"", b"", b"", struct.pack("<2H2Q", 1, 16, 3, 3)]),
        extra=st.sampled_from([b"", b"", b"", struct.pack("<2HQ", 1, 8, 3)]),
        moved=st.sampled_from([0, 0, 0, 0, -3, 5]),
        unlisted=st.sampled_from([False, False, False, True]),
    ),
    max_size=3,
)


def edited(data: bytes, edits: list[tuple[str, int, int, bytes]]) -> bytes:
    for act, where, length, blob in edits:
        place = where % (len(data) + 1)
        if act == "put":
            data = data[:place] + blob + data[place:]
        elif act == "cut":
            data = data[:place] + data[place + length :]
        elif act == "change":
            data = data[:place] + blob + data[place + len(blob) :]
        else:
            data = data[:place] + data[place : place + length] * 2 + data[place + length :]
    return data


def agree_or_refuse(path: Path, data: bytes) -> bool:
    """Whether it is taken; then all three readers find the same. Nothing but BadPack is ever raised."""
    path.write_bytes(data)
    try:
        found = by_our_reader(path)
    except BadPack:
        return False
    assert found == by_directory(data) == from_the_front(data)
    return True


@settings(max_examples=1500, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=EDITS)
def test_whatever_is_done_to_the_bytes_readers_agree_or_it_is_refused(
    tmp_path: Path, edits: list[tuple[str, int, int, bytes]]
) -> None:
    agree_or_refuse(tmp_path / "pack.asice", edited(written(honest()), edits))


@settings(max_examples=1500, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=PARTS, gap=st.sampled_from([b"", b"", b"\0"]), comment=st.sampled_from([b"", b"", b"c"]))
def test_however_a_file_is_put_together_readers_agree_or_it_is_refused(
    tmp_path: Path, parts: list[Part], gap: bytes, comment: bytes
) -> None:
    first = Part("mimetype", MIMETYPE.encode(), 0)
    taken = agree_or_refuse(tmp_path / "pack.asice", written([first, *parts], gap=gap, comment=comment))
    honest_ones = all(replace(Part(one.name, one.data, one.method), flags=one.flags) == one for one in parts)
    names = [one.name for one in parts]
    plain = all(one.flags in (0, 0x800) and one.name != "notices/" for one in parts)
    if honest_ones and plain and len(set(names)) == len(names) and not gap and not comment:
        assert taken
