"""Opening an evidence pack: a zip file (ASiC-E, ETSI EN 319 162-1) that may have been made to do harm.

Nothing is unpacked to a disk. Names, sizes and ratios are looked at before a byte is read, and all of it is bounded.
"""

from __future__ import annotations

import hashlib
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from bus.verifier.findings import BadPack

MIMETYPE = "application/vnd.etsi.asic-e+zip"
_MOST_MEMBERS = 200_000
_LARGEST = {"entries": 4, "notices": 8, "letter.xml": 8, "acceptance.xml": 8, "checkpoint": 2}
"""MiB of a member that is read whole; files of the letter are only hashed, and may be larger."""
_LARGEST_ELSE = 32
_MOST_READ = 512
"""MiB that are read whole, all together."""
_MIB = 1024 * 1024
_LARGEST_FILE = 4 * 1024**3
_MOST_BYTES = 64 * 1024**3
_HIGHEST_RATIO = 1_000
_BLOCK = 1024 * 1024
FILES = "files/"


class Pack:
    """A pack that may be read; a context manager."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises BadPack."""
        try:
            self._file: IO[bytes] = path.open("rb")
        except OSError as error:
            raise BadPack("pack.unreadable", f"{path} cannot be opened ({error.strerror})") from error
        try:
            self._read = 0
            self._zip = zipfile.ZipFile(self._file)
            self._members = _sound(self._zip)
        except (zipfile.BadZipFile, zipfile.LargeZipFile, OSError, ValueError, NotImplementedError) as error:
            self._file.close()
            raise BadPack("pack.no-zip", f"no whole zip file: {error}") from error
        except BadPack:
            self._file.close()
            raise

    def __enter__(self) -> Pack:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()
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
        info = self._members.get(name)
        if info is None:
            raise BadPack("pack.missing", f"{name} is missing")
        self._read += info.file_size
        if info.file_size > _largest(name) or self._read > _MOST_READ * _MIB:
            raise BadPack("pack.too-large", f"{name} has {info.file_size} bytes")
        return b"".join(self._blocks(info))

    def sha256(self, name: str) -> tuple[str, int]:
        """Return the SHA-256 (hexadecimal) and the size of a member, however large. Raises BadPack."""
        info = self._members.get(name)
        if info is None:
            raise BadPack("pack.missing", f"{name} is missing")
        digest, size = hashlib.sha256(), 0
        for block in self._blocks(info):
            digest.update(block)
            size += len(block)
        return digest.hexdigest(), size

    def _blocks(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        size = 0
        try:
            with self._zip.open(info) as member:
                while block := member.read(_BLOCK):
                    size += len(block)
                    if size > info.file_size:
                        raise BadPack("pack.damaged", f"{info.filename} is larger than stated")
                    yield block
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            OSError,
            NotImplementedError,
            RuntimeError,
        ) as error:
            raise BadPack("pack.damaged", f"{info.filename} is damaged: {error}") from error


def _largest(name: str) -> int:
    """Bytes that a member may have, by its folder or name."""
    return _LARGEST.get(name.partition("/")[0], _LARGEST_ELSE) * _MIB


def _sound(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    infos = archive.infolist()
    if not infos or len(infos) > _MOST_MEMBERS:
        raise BadPack("pack.members", f"{len(infos)} members")
    members: dict[str, zipfile.ZipInfo] = {}
    total = 0
    for info in infos:
        _require_plain(info)
        if info.filename in members:
            raise BadPack("pack.duplicate-name", f"{info.filename} stands in it twice")
        members[info.filename] = info
        total += info.file_size
    if total > _MOST_BYTES:
        raise BadPack("pack.bomb", f"{total} bytes when unpacked")
    first = infos[0]
    if first.filename != "mimetype" or first.compress_type != zipfile.ZIP_STORED:
        raise BadPack("pack.mimetype", "its first member is not an uncompressed `mimetype`")
    if archive.read(first) != MIMETYPE.encode():
        raise BadPack("pack.mimetype", f"its mimetype is not {MIMETYPE}")
    return members


def _require_plain(info: zipfile.ZipInfo) -> None:
    name = info.filename
    path = PurePosixPath(name)
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
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        raise BadPack("pack.path", f"{name!r} is no plain file")
    if info.flag_bits & 0x1:
        raise BadPack("pack.encrypted", f"{name!r} is encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BadPack("pack.compression", f"{name} is compressed in a way that packs do not use")
    if info.file_size > (_LARGEST_FILE if name.startswith(FILES) else _largest(name)):
        raise BadPack("pack.bomb", f"{name} has {info.file_size} bytes")
    if info.file_size > _BLOCK and info.file_size > _HIGHEST_RATIO * max(info.compress_size, 1):
        raise BadPack("pack.bomb", f"{name} would grow from {info.compress_size} to {info.file_size} bytes")
