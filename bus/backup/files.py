"""Files of a backup: copied or linked durably, for their owner alone, and listed as `sha256sum` does."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from bus.errors import BusError
from bus.platform.folders import sync_folder

_NO_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EACCES})
"""Another file system, one without links, too many of them, or a file of another user (Linux: protected_hardlinks)."""
_LINE = re.compile(r"([0-9a-f]{64})  ((?:[^/\\\n\0]+/)*[^/\\\n\0]+)")
_MOST_NAMED = 20


class BadBackup(BusError):
    """A folder is no backup, or not the one that was made."""


def put_copy(source: Path, target: Path) -> None:
    """Copy a file into its place, durable and readable by its owner only; what was there is replaced in one step."""
    beside = _beside(target)
    with source.open("rb") as read, os.fdopen(_created(beside), "wb") as written:
        shutil.copyfileobj(read, written, 1024 * 1024)
        written.flush()
        os.fsync(written.fileno())
    beside.replace(target)
    sync_folder(target.parent)


def put_bytes(content: bytes, target: Path) -> None:
    """Write a file in its place, as `put_copy` does."""
    beside = _beside(target)
    with os.fdopen(_created(beside), "wb") as written:
        written.write(content)
        written.flush()
        os.fsync(written.fileno())
    beside.replace(target)
    sync_folder(target.parent)


def put_unchanging(source: Path, target: Path) -> bool:
    """Put a file that nobody ever changes into its place: by a link where that can be; whether it was one.

    Raises FileNotFoundError when `source` has gone, and nothing is made then.
    """
    beside = _beside(target)
    beside.unlink(missing_ok=True)
    try:
        os.link(source, beside)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        put_copy(source, target)
        return False
    beside.replace(target)
    return True


def digest_of(file: Path) -> str:
    """Return the SHA-256 of a file as it is on the disk."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def sums(rows: Iterable[tuple[str, str]]) -> bytes:
    """Return (SHA-256, name) as the lines that `sha256sum --check` reads."""
    return "".join(f"{digest}  {name}\n" for digest, name in rows).encode()


def read_sums(content: bytes) -> Iterator[tuple[str, str]]:
    """Yield (SHA-256, name). Raises BadBackup for a line that is none, or whose name leads out of the folder."""
    for line in content.decode("utf-8", errors="replace").splitlines():
        found = _LINE.fullmatch(line)
        if found is None or {".", ".."} & {*found[2].split("/")}:
            raise BadBackup(f"the list of its files has a line that is none: {line[:200]}")
        yield found[1], found[2]


def require_whole(folder: Path, rows: Iterable[tuple[str, str]]) -> None:
    """Read every file. Raises BadBackup with the names of those that are missing or are not what was put in."""
    wrong = [name for digest, name in rows if not _is(folder / name, digest)]
    if wrong:
        more = f" and {len(wrong) - _MOST_NAMED} more" if len(wrong) > _MOST_NAMED else ""
        raise BadBackup(
            f"{folder}: missing or changed since the backup was made: {', '.join(wrong[:_MOST_NAMED])}{more}. "
            "Nothing was brought back; take another copy of this backup, or an older one"
        )


def _is(file: Path, digest: str) -> bool:
    return file.is_file() and digest_of(file) == digest


def _beside(target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return target.with_name(f".{target.name}.part")


def _created(file: Path) -> int:
    file.unlink(missing_ok=True)
    return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
