"""The tree as files, for a web server or an object store to serve (C2SP tlog-tiles), and for what left the database.

| File | What |
|---|---|
| checkpoint | the newest signed head that was exported, with its cosignatures |
| tile/L/N | a complete tile: 256 hashes of level L, one after the other |
| tile/L/N.p/W | the first W hashes of the tile at the right end, under that head |

N is written in groups of three digits, all but the last with an x before: 1234067 is `x001/x234/067`. A tile never
changes. A file is whole or not there: it is written beside, synced and renamed; the checkpoint comes last.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from bus.platform.folders import sync_folder

HASH = 32


def hashes_in(data: bytes) -> list[bytes]:
    """Return the hashes that stand in a tile."""
    return [data[start : start + HASH] for start in range(0, len(data), HASH)]


class TileFolder:
    """One such folder; raises OSError where it cannot be read or written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._touched: set[Path] = set()

    def tile(self, level: int, place: int, width: int | None = None) -> bytes | None:
        """Return the bytes of a complete tile, or of one of so many hashes; None if it is not there."""
        return _read(self._path(level, place, width))

    def checkpoint(self) -> str | None:
        """Return the note of the signed head, None before the first export."""
        found = _read(self._folder / "checkpoint")
        return None if found is None else found.decode(errors="replace")

    def put(self, level: int, place: int, hashes: Sequence[bytes], width: int | None = None) -> None:
        """Write a tile; its name is durable once the head is."""
        path = self._path(level, place, width)
        _write(path, b"".join(hashes))
        self._touched.update(one for one in path.parents if one.is_relative_to(self._folder))

    def put_checkpoint(self, note: str) -> None:
        """Write the signed head, once all tiles under it are there."""
        for folder in self._touched:
            sync_folder(folder)
        self._touched.clear()
        _write(self._folder / "checkpoint", note.encode())
        sync_folder(self._folder)

    def drop_partial(self, level: int, place: int) -> None:
        """Let go of the partial tiles of a place that has a complete one."""
        shutil.rmtree(self._path(level, place, 1).parent, ignore_errors=True)

    def _path(self, level: int, place: int, width: int | None) -> Path:
        digits = f"{place:03d}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[start : start + 3] for start in range(0, len(digits), 3)]
        path = Path(self._folder, "tile", str(level), *(f"x{each}" for each in groups[:-1]), groups[-1])
        return path if width is None else path.with_name(f"{path.name}.p") / str(width)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    with beside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
