"""Where the bytes lie: whole files by content address, and uploads that are not whole yet.

Nothing here knows who may do what; `store.py` does.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from bus.depot.refusals import Refusal, RequestRefused
from bus.identifiers import AgencyCode, RawDigest
from bus.platform.folders import sync_folder

BLOCK = 256 * 1024
"""Bytes that are read or written at a time."""

_ADDRESS = re.compile(r"[0-9a-f]{64}")
_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class ContentStore(Protocol):
    """Whole, verified files by SHA-256: what a local folder and an S3-compatible bucket can both do."""

    def size(self, sha256: RawDigest) -> int | None:
        """Bytes; None when it is not there."""

    def put(self, source: Path, sha256: RawDigest) -> None:
        """Take over a verified, synced file; when this returns, it is durable under its address and `source` gone."""

    def open(self, sha256: RawDigest) -> BinaryIO:
        """Open for reading; raises FileNotFoundError."""

    def remove(self, sha256: RawDigest) -> None:
        """Let go of it; nothing happens when it is not there."""


class LocalStore:
    """A folder, with 256 folders in it; on the same file system as `Incoming`, so that taking over is a rename."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def size(self, sha256: RawDigest) -> int | None:
        """Bytes; None when it is not there."""
        try:
            return self.path(sha256).stat().st_size
        except FileNotFoundError:
            return None

    def put(self, source: Path, sha256: RawDigest) -> None:
        """Rename; the old name and the new one are synced before this returns."""
        target = self.path(sha256)
        with disk_full_is_refused():
            if not target.parent.exists():
                target.parent.mkdir(exist_ok=True, mode=0o700)
                sync_folder(self._folder)
            source.replace(target)
            sync_folder(target.parent)
            sync_folder(source.parent)

    def open(self, sha256: RawDigest) -> BinaryIO:
        """Open for reading; raises FileNotFoundError."""
        return self.path(sha256).open("rb", buffering=0)

    def remove(self, sha256: RawDigest) -> None:
        """Unlink; a reader that has it open reads on."""
        self.path(sha256).unlink(missing_ok=True)

    def path(self, sha256: RawDigest) -> Path:
        """Where a file is, or would be; it is never changed there."""
        return self._folder / sha256[:2] / sha256

    def every(self) -> Iterator[RawDigest]:
        """Yield every file that is there, in the order of their SHA-256."""
        for place in sorted(self._folder.iterdir()):
            names = sorted(each.name for each in place.iterdir()) if place.is_dir() else []
            yield from (RawDigest(name) for name in names if _ADDRESS.fullmatch(name))

    def sync(self) -> None:
        """Make the names of all files durable, where many were put beside each other."""
        for place in (*(each for each in self._folder.iterdir() if each.is_dir()), self._folder):
            sync_folder(place)


class Incoming:
    """Uploads in progress, each in a file of its own per agency: none sees another's.

    They wait on the depot's own disk whatever the content store is, because only a disk can append.
    """

    def __init__(self, folder: Path, *, reserve: int = 0) -> None:
        self._folder = folder
        self._reserve = reserve
        """Bytes of the disk that no upload may use."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def size(self, agency: AgencyCode, sha256: RawDigest) -> int:
        """Bytes received so far, of this agency, of this file."""
        try:
            return self._path(agency, sha256).stat().st_size
        except FileNotFoundError:
            return 0

    def open(self, agency: AgencyCode, sha256: RawDigest) -> Part:
        """Open to go on, or to begin; raises RequestRefused(BUSY) while another connection or process has it open."""
        path = self._path(agency, sha256)
        with disk_full_is_refused():
            path.parent.mkdir(exist_ok=True, mode=0o700)
            return Part(path)

    def require_space(self, size: int) -> None:
        """Raise RequestRefused(FULL) when the disk has no room for so many bytes more."""
        if shutil.disk_usage(self._folder).free - size < self._reserve:
            raise RequestRefused(Refusal.FULL)

    def remove(self, agency: AgencyCode, sha256: RawDigest) -> bool:
        """Let go of what was received; False when it is just being received."""
        path = self._path(agency, sha256)
        if not path.exists():
            return True
        try:
            with Part(path) as part:
                part.remove()
        except RequestRefused:
            return False
        return True

    def _path(self, agency: AgencyCode, sha256: RawDigest) -> Path:
        return self._folder / agency / f"{sha256}.part"


class Part:
    """One unfinished upload, locked against every other writer until it is closed; its digest grows with it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = _open_locked(path)
        self.received = os.fstat(self._file).st_size
        self._hash = hashlib.sha256()
        self._hashed = 0

    def start_over(self) -> None:
        """Forget what was received before."""
        os.ftruncate(self._file, 0)
        self._hash, self._hashed, self.received = hashlib.sha256(), 0, 0

    def write(self, data: bytes) -> None:
        """Append; raises RequestRefused(FULL) when the disk is full, and then keeps what fitted."""
        self._catch_up()
        view = memoryview(data)
        with disk_full_is_refused():
            while view:
                written = os.pwrite(self._file, view, self.received)
                self._hash.update(view[:written])
                self.received += written
                self._hashed = self.received
                view = view[written:]

    def seal(self) -> RawDigest:
        """Make the bytes durable and return their SHA-256."""
        self._catch_up()
        with disk_full_is_refused():
            os.fsync(self._file)
        return RawDigest(self._hash.hexdigest())

    def remove(self) -> None:
        """Let go of the bytes; a full disk has their room at once, and not only when the file is closed."""
        self.start_over()
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let another writer have it."""
        os.close(self._file)

    def __enter__(self) -> Part:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _catch_up(self) -> None:
        # A running SHA-256 cannot be kept on disk: what an earlier connection left is read once more.
        while self._hashed < self.received:
            block = os.pread(self._file, 4 * BLOCK, self._hashed)
            self._hash.update(block)
            self._hashed += len(block)


def _open_locked(path: Path) -> int:
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held the lock before may have renamed or removed the file that we opened.
            if _same_file(file, path):
                return file
        except BlockingIOError as exc:
            os.close(file)
            raise RequestRefused(Refusal.BUSY) from exc
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def _same_file(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def disk_full_is_refused() -> Iterator[None]:
    """Turn the disk's "no space left" into RequestRefused(FULL)."""
    try:
        yield
    except OSError as exc:
        if exc.errno in _DISK_FULL:
            raise RequestRefused(Refusal.FULL) from exc
        raise
