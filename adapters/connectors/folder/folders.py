"""Folders of the office, held open: whoever can write there cannot make the adapter read or write elsewhere.

Between two looks at a path, a file or one of the folders above it can be swapped for a link to something else, such
as the adapter's own key. So a folder is opened once, without following links, and every name is looked up in that very
folder (`bus.platform.folders`); what a file is, is asked of its descriptor once it is open.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Self

from adapters.connectors.folder.names import readable
from adapters.mailbox.files import FileChanged
from adapters.mailbox.mistakes import Mistake, Mistaken
from bus.identifiers import RawDigest
from bus.platform import folders
from bus.platform.folders import HeldFolder, is_link

_NOT_PLAIN = frozenset({errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.ENODEV, errno.EISDIR})
_CHUNK = 1024 * 1024


class Folder:
    """An open folder; a context manager. OSError is what leaves it, and Mistaken for a file that is not taken."""

    def __init__(self, held: HeldFolder) -> None:
        self._held = held

    @classmethod
    def at(cls, path: Path) -> Self:
        """Open the folder that the settings or a command name; links in that path are its writer's."""
        return cls(folders.hold(path))

    def folder(self, name: str) -> Folder:
        """Open a folder in this one; a link to one is none."""
        return Folder(self._held.inner(name))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def names(self) -> list[str]:
        """Everything in it, in no order; bytes that are no UTF-8 stand as lone surrogates."""
        return self._held.names()

    def look(self, name: str) -> os.stat_result | None:
        """What bears this name, a link as a link; None if nothing does."""
        try:
            return self._held.look(name)
        except FileNotFoundError:
            return None

    def holds(self, name: str) -> bool:
        """Whether anything bears this name."""
        return self.look(name) is not None

    def make(self, name: str) -> None:
        """Make a folder, unless there is one."""
        try:
            self._held.make(name)
        except FileExistsError:
            if not is_folder(self.look(name)):
                raise

    def move(self, name: str, to: Folder, new: str) -> None:
        """Rename into a folder of the same disk, over nothing."""
        if to.holds(new):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        self._held.rename(name, to._held, new)

    def remove(self, name: str) -> None:
        """Remove what the adapter itself has made here, with all that is in it; a link as a link."""
        found = self.look(name)
        if not is_folder(found):
            if found is not None:
                self._held.unlink(name)
            return
        with self.folder(name) as inner:
            for each in inner.names():
                inner.remove(each)
        self._held.rmdir(name)

    def remove_empty(self, name: str) -> None:
        """Remove an empty folder."""
        self._held.rmdir(name)

    def sync(self) -> None:
        """Make its names durable."""
        self._held.sync()

    @contextmanager
    def opened(self, name: str, most: int) -> Iterator[BinaryIO]:
        """Open a plain file of at most `most` bytes, to be read as it is now.

        Mistaken for a link, a device, a file with a second name or a larger one: all of that is known before a byte is
        read. FileChanged at the end of the block if it was written to meanwhile.
        """
        # Looked at first as well: only to open a device or a FIFO can do something already.
        _require_plain(name, self._held.look(name))
        try:
            descriptor = self._held.open(name)
        except OSError as exc:
            if exc.errno in _NOT_PLAIN:
                raise _not_plain(name) from exc
            raise
        with open(descriptor, "rb") as file:
            before = os.fstat(descriptor)
            _require_plain(name, before)
            if before.st_size > most:
                raise _mistaken(name, f"ไฟล์ใหญ่เกิน {most} ไบต์", f"is larger than {most} bytes")
            yield file
            after = os.fstat(descriptor)
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise FileChanged(f"{readable(name)} was written to while it was read")

    def read(self, name: str, most: int) -> bytes:
        """The bytes of a plain file of at most `most` bytes; raises what `opened` raises."""
        with self.opened(name, most) as file:
            return file.read(most)

    def write(self, name: str, content: bytes) -> None:
        """Write a new file and make its bytes durable."""
        with self._new(name) as file:
            file.write(content)

    def copy(self, source: Path, name: str) -> RawDigest:
        """Copy the mailbox's file and give the SHA-256 of what was copied.

        It is not linked: what the office does to its own must not reach the mailbox's.
        """
        digest = hashlib.sha256()
        with source.open("rb") as bytes_in, self._new(name) as bytes_out:
            while piece := bytes_in.read(_CHUNK):
                digest.update(piece)
                bytes_out.write(piece)
        return RawDigest(digest.hexdigest())

    @contextmanager
    def _new(self, name: str) -> Iterator[BinaryIO]:
        with open(self._held.create(name), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())


def is_folder(found: os.stat_result | None) -> bool:
    """Whether that is a folder, and no link to one."""
    return found is not None and stat.S_ISDIR(found.st_mode) and not is_link(found)


def is_plain(found: os.stat_result | None) -> bool:
    """Whether that is a file, and no link, device, FIFO or folder."""
    return found is not None and stat.S_ISREG(found.st_mode) and not is_link(found)


def size_of(file: BinaryIO) -> int:
    """The size of an open file in bytes."""
    return os.fstat(file.fileno()).st_size


def _require_plain(name: str, found: os.stat_result) -> None:
    if not is_plain(found):
        raise _not_plain(name)
    if found.st_nlink > 1:
        th = "มีชื่ออื่นชี้ไปยังไฟล์เดียวกัน (hard link) โปรดใช้สำเนาแทน"
        raise _mistaken(name, th, "has a second name elsewhere (a hard link); put a copy here")


def _not_plain(name: str) -> Mistaken:
    return _mistaken(name, "ไม่ใช่ไฟล์ธรรมดา", "is no plain file")


def _mistaken(name: str, th: str, en: str) -> Mistaken:
    return Mistaken(Mistake(readable(name), th, en))
