"""The mailbox's files, each under its SHA-256, durable once it bears that name."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from bus.errors import BusError
from bus.identifiers import RawDigest
from bus.platform.folders import sync_folder

_CHUNK = 1024 * 1024


class FileChanged(BusError):
    """A file does not have the digest or the size that the letter states."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a letter states about a file's bytes."""

    sha256: RawDigest
    size: int


def fingerprint(path: Path) -> Fingerprint:
    """Read the file once, in pieces."""
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            digest.update(piece)
            size += len(piece)
    return Fingerprint(RawDigest(digest.hexdigest()), size)


class FileStore:
    """Files by content; the same content is kept once."""

    def __init__(self, folder: Path, *, only_reading: bool = False) -> None:
        self.folder = folder
        self.partial = folder / "partial"
        if not only_reading:
            self.partial.mkdir(parents=True, exist_ok=True, mode=0o700)

    def path(self, sha256: RawDigest) -> Path:
        """Where the file is, or would be."""
        return self.folder / sha256[:2] / sha256

    def holds(self, sha256: RawDigest, size: int) -> bool:
        """Whether the file is here; what bears its name was verified and synced before it got the name."""
        path = self.path(sha256)
        return path.is_file() and path.stat().st_size == size

    def set_aside(self, sha256: RawDigest) -> None:
        """Have a file here no more whose bytes were found to be others; they stay beside the partial ones."""
        os.replace(self.path(sha256), self.partial / f"damaged-{sha256}")

    def sync(self, files: Iterable[RawDigest]) -> None:
        """Make the names of files that are here durable; `admit` has done so for what it has returned from."""
        for folder in {self.path(sha256).parent for sha256 in files}:
            sync_folder(folder)

    def take_in(self, source: Path, expected: Fingerprint) -> None:
        """Copy a file into the store; FileChanged when it is not the one expected."""
        if self.holds(expected.sha256, expected.size):
            return
        with self.scratch() as scratch:
            with source.open("rb") as bytes_in, scratch.open("wb") as bytes_out:
                while piece := bytes_in.read(_CHUNK):
                    bytes_out.write(piece)
            self.admit(scratch, expected)

    @contextmanager
    def scratch_copy(self, source: BinaryIO, size: int) -> Iterator[tuple[Path, Fingerprint]]:
        """Copy an open file of that many bytes; the copy lasts until the end of the block, unless `admit` takes it.

        FileChanged when there is more or less to be read.
        """
        digest, copied = hashlib.sha256(), 0
        with self.scratch() as scratch:
            with scratch.open("wb") as bytes_out:
                while copied <= size and (piece := source.read(_CHUNK)):
                    digest.update(piece)
                    copied += len(piece)
                    bytes_out.write(piece)
            if copied != size:
                raise FileChanged(f"{copied} bytes or more were read, where the file had {size}")
            yield scratch, Fingerprint(RawDigest(digest.hexdigest()), copied)

    def admit(self, arrived: Path, expected: Fingerprint) -> None:
        """Verify a complete file on this disk, sync it and give it its name; FileChanged when it is another one."""
        found = fingerprint(arrived)
        if found != expected:
            raise FileChanged(
                f"sha256 {found.sha256} of {found.size} bytes, where the letter states "
                f"{expected.sha256} of {expected.size}"
            )
        with arrived.open("rb+") as file:
            os.fsync(file.fileno())
        place = self.path(expected.sha256)
        if not place.parent.is_dir():
            place.parent.mkdir(mode=0o700, exist_ok=True)
            sync_folder(self.folder)
        os.replace(arrived, place)
        sync_folder(place.parent)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Give an empty file on this disk, for `admit`; it is gone at the end of the block."""
        descriptor, name = tempfile.mkstemp(dir=self.partial)
        os.close(descriptor)
        scratch = Path(name)
        try:
            yield scratch
        finally:
            scratch.unlink(missing_ok=True)
