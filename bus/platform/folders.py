"""Folders that are held while their owner, who may be anybody, renames and swaps what is in them and above them.

Where the system looks names up in an open folder (openat(2)), it is held by its descriptor, and nothing can lead away
from it. Elsewhere, as on Windows, it is a path that is looked at before and after each use: what is swapped in is
noticed, and no byte of it read or written, but for somebody who swaps it in and out again between any two looks.
"""

from __future__ import annotations

import errno
import os
import stat
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Final, Self


def _flags(*names: str) -> int:
    """Return those of these flags that the system has, together."""
    return sum(getattr(os, name, 0) for name in names)


_FOLDER: Final = _flags("O_RDONLY", "O_DIRECTORY")
_READ: Final = _flags("O_RDONLY", "O_NOFOLLOW", "O_NONBLOCK", "O_BINARY")
"""Not blocking: to open a FIFO would wait for somebody who writes into it."""
_WRITE: Final = _flags("O_WRONLY", "O_CREAT", "O_EXCL", "O_NOFOLLOW", "O_BINARY")
_SURROGATE: Final = 0x20000000
"""The bit of a Windows reparse tag that says: this stands for something elsewhere (symbolic link, junction)."""


class HeldFolder(ABC):
    """A folder, by whichever means; OSError is all that leaves it, and no method follows a link."""

    @abstractmethod
    def inner(self, name: str) -> HeldFolder:
        """Hold a folder in this one; a link to one is none."""

    @abstractmethod
    def close(self) -> None:
        """Let go of it."""

    @abstractmethod
    def names(self) -> list[str]:
        """Everything in it, in no order."""

    @abstractmethod
    def look(self, name: str) -> os.stat_result:
        """What bears this name, a link as a link."""

    @abstractmethod
    def open(self, name: str) -> int:
        """Open a file to be read; give its descriptor. ELOOP when it is a link, or was swapped for something else."""

    @abstractmethod
    def create(self, name: str) -> int:
        """Make a file that was not there; give its descriptor."""

    @abstractmethod
    def make(self, name: str) -> None:
        """Make a folder that was not there."""

    @abstractmethod
    def rename(self, name: str, to: Self, new: str) -> None:
        """Move something into a held folder of the same disk."""

    @abstractmethod
    def unlink(self, name: str) -> None:
        """Remove a file or a link."""

    @abstractmethod
    def rmdir(self, name: str) -> None:
        """Remove an empty folder."""

    @abstractmethod
    def sync(self) -> None:
        """Make its names durable, where the system offers that."""


class DescriptorFolder(HeldFolder):
    """A folder by its descriptor."""

    def __init__(self, path: str | Path, flags: int = 0, above: int | None = None) -> None:
        self._descriptor = os.open(path, _FOLDER | flags, dir_fd=above)

    def inner(self, name: str) -> DescriptorFolder:
        return DescriptorFolder(name, _flags("O_NOFOLLOW"), self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)

    def names(self) -> list[str]:
        return os.listdir(self._descriptor)

    def look(self, name: str) -> os.stat_result:
        return os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)

    def open(self, name: str) -> int:
        return os.open(name, _READ, dir_fd=self._descriptor)

    def create(self, name: str) -> int:
        return os.open(name, _WRITE, 0o666, dir_fd=self._descriptor)

    def make(self, name: str) -> None:
        os.mkdir(name, dir_fd=self._descriptor)

    def rename(self, name: str, to: Self, new: str) -> None:
        os.rename(name, new, src_dir_fd=self._descriptor, dst_dir_fd=to._descriptor)

    def unlink(self, name: str) -> None:
        os.unlink(name, dir_fd=self._descriptor)

    def rmdir(self, name: str) -> None:
        os.rmdir(name, dir_fd=self._descriptor)

    def sync(self) -> None:
        os.fsync(self._descriptor)


class PathFolder(HeldFolder):
    """A folder by its path, which has to lead to the same folder, and through no link below the first, at each use."""

    def __init__(self, path: str | Path, above: PathFolder | None = None) -> None:
        self._path, self._above = os.path.abspath(path), above
        self._first = self._seen()
        if not stat.S_ISDIR(self._first.st_mode) or is_link(self._first):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))

    def inner(self, name: str) -> PathFolder:
        held = PathFolder(self._at(name), self)
        self._require_same()
        return held

    def close(self) -> None:
        pass

    def names(self) -> list[str]:
        self._require_same()
        found = os.listdir(self._path)
        self._require_same()
        return found

    def look(self, name: str) -> os.stat_result:
        return os.stat(self._at(name), follow_symlinks=False)

    def open(self, name: str) -> int:
        place = self._at(name)
        if not stat.S_ISREG((before := os.lstat(place)).st_mode) or is_link(before):
            raise _swapped()
        return self._confirmed(place, os.open(place, _READ))

    def create(self, name: str) -> int:
        place = self._at(name)
        if os.path.lexists(place):  # a link to nowhere may be written through
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        return self._confirmed(place, os.open(place, _WRITE, 0o666))

    def make(self, name: str) -> None:
        os.mkdir(self._at(name))
        self._require_same()

    def rename(self, name: str, to: Self, new: str) -> None:
        place, target = self._at(name), to._at(new)
        before = os.lstat(place)
        os.rename(place, target)
        if not os.path.samestat(before, to.look(new)):
            raise _swapped()

    def unlink(self, name: str) -> None:
        os.unlink(self._at(name))

    def rmdir(self, name: str) -> None:
        os.rmdir(self._at(name))

    def sync(self) -> None:
        pass

    def _at(self, name: str) -> str:
        """The path of a name in this folder, which is still there."""
        if os.path.basename(name) != name or name in (os.curdir, os.pardir):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        self._require_same()
        return os.path.join(self._path, name)

    def _seen(self) -> os.stat_result:
        # Links in the path of the first folder are those of whoever has set it.
        return os.stat(self._path, follow_symlinks=self._above is None)

    def _require_same(self) -> None:
        if self._above is not None:
            self._above._require_same()
        found = self._seen()
        if is_link(found) or not os.path.samestat(found, self._first):
            raise _swapped()

    def _confirmed(self, place: str, descriptor: int) -> int:
        """The descriptor, if what it has open is what bears this name in this very folder."""
        try:
            self._require_same()
            found = os.lstat(place)
            self._require_same()
            if is_link(found) or not os.path.samestat(found, os.fstat(descriptor)):
                raise _swapped()
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor


def is_link(found: os.stat_result) -> bool:
    """Whether that leads elsewhere: a symbolic link, or on Windows a junction too, which is a folder otherwise."""
    return stat.S_ISLNK(found.st_mode) or bool(getattr(found, "st_reparse_tag", 0) & _SURROGATE)


def sync_folder(folder: Path) -> None:
    """Make a folder's names durable: an fsync of a file says nothing of the name that leads to it.

    Windows opens no folder for that; NTFS writes its names to a journal.
    """
    if _BY_DESCRIPTOR:
        held = DescriptorFolder(folder)
        try:
            held.sync()
        finally:
            held.close()


def _swapped() -> OSError:
    return OSError(errno.ELOOP, "was swapped for something else, or is a link")


_BY_DESCRIPTOR: Final = (
    {os.open, os.stat, os.mkdir, os.rename, os.unlink, os.rmdir} <= os.supports_dir_fd
    and os.listdir in os.supports_fd
    and os.stat in os.supports_follow_symlinks
    and hasattr(os, "O_NOFOLLOW")
)

hold: Final[type[DescriptorFolder] | type[PathFolder]] = DescriptorFolder if _BY_DESCRIPTOR else PathFolder
"""Hold the folder that the settings or a command name; links in that path are its writer's."""
