"""Writing the tree of a ledger into a folder, and holding such a folder against its signed head and the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bus.ledger import merkle
from bus.ledger import tiles as tiling
from bus.ledger.checkpoint import Tampered, published, require_continues, require_signed_head
from bus.ledger.findings import Progress
from bus.ledger.reading import Reader
from bus.ledger.rows import Head
from bus.ledger.tile_folder import HASH, TileFolder, hashes_in
from bus.verifier.notes import Unreadable, VerifierKey, read_checkpoint, read_note


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export did."""

    head: Head
    tiles: int
    """Complete ones that were written now."""
    leavable: dict[int, int]
    """By level, how many tiles from the first on the database need not keep: those below complete ones."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found: the head that the folder was held against, the tiles that were read, and what is wrong."""

    head: Head
    tiles: int
    findings: list[str]


def export(reader: Reader, folder: Path, progress: Progress = lambda *_: None) -> Exported | None:
    """Write the tiles under the newest signed head that are not there yet, and that head; None before the first head.

    Raises Tampered where the folder is of another tree or of another log, and OSError.
    """
    head, there = reader.heads.newest(), TileFolder(folder)
    if head is None:
        return None
    before = _head_of(there)
    if before is not None and (before.size > head.size or _root(reader, before.size) != before.root):
        raise Tampered(f"{folder} has a head of {before.size} entries that this ledger does not continue")
    written, old = 0, before.size if before else 0
    for level, whole, partial in _levels(head.size):
        begun = (old >> (tiling.HEIGHT * level)) // tiling.WIDTH
        for place in range(begun, whole):
            # A tree remembers what it has read, and this one would be all of it.
            there.put(level, place, hashes_in(reader.tree().tile(level, place, tiling.WIDTH)))
            there.drop_partial(level, place)
            written += 1
            progress(f"level {level}", place + 1, whole)
        if partial:
            there.put(level, whole, hashes_in(reader.tree().tile(level, whole, partial)), partial)
    there.put_checkpoint(published(head, [line for _, line in reader.heads.cosignatures(head.size)]))
    return Exported(head, written, leavable(head.size))


def leavable(size: int) -> dict[int, int]:
    """Return by level how many tiles stand below complete ones, in a tree of this size."""
    whole = {level: count for level, count, _ in _levels(size)}
    return {level: whole[level + 1] * tiling.WIDTH for level in whole if whole.get(level + 1)}


def check(
    reader: Reader, folder: Path, key: VerifierKey, progress: Progress = lambda *_: None
) -> Checked | None:
    """Hold every tile of a folder against the one above it, these against its head, that against the ledger.

    None where no head was exported there. Raises OSError.
    """
    there = TileFolder(folder)
    try:
        head = _head_of(there)
    except Tampered as error:
        return Checked(Head(0, "", b"", ""), 0, [str(error)])
    if head is None:
        return None
    findings = []
    try:
        require_signed_head(head, key)
        require_continues(reader.tree(), reader.head(), head, key)
    except Tampered as error:
        findings.append(f"checkpoint: {error}")
    read = _Read(there, head.size)
    count = 0
    for level, whole, partial in _levels(head.size):
        for place in range(whole + bool(partial)):
            count += 1
            if wrong := read.fault(level, place):
                findings.append(f"tile {level}/{place}: {wrong}")
            progress(f"level {level}", place + 1, whole + bool(partial))
    try:
        rooted = merkle.root(head.size, read.complete) == head.root
    except LookupError:
        rooted = False
    if not rooted:
        findings.append(f"the tiles do not lead to the root of the head of {head.size} entries")
    return Checked(head, count, findings)


class _Read:
    """The tiles of a folder under a head of so many entries."""

    def __init__(self, there: TileFolder, size: int) -> None:
        self._there = there
        self._size = size
        self._last: tuple[int, int, list[bytes]] = (-1, -1, [])

    def fault(self, level: int, place: int) -> str | None:
        """Say what is wrong with a tile, None for nothing: not there, or the one above it has another hash of it."""
        hashes = self._hashes(level, place)
        if not hashes:
            return "it is not there, or has another length"
        if len(hashes) < tiling.WIDTH:
            return None
        above, offset = divmod(place, tiling.WIDTH)
        over = self._above(level + 1, above)
        if over and over[offset] != merkle.combine(hashes):
            return "the tile above it has another hash of it"
        return None

    def complete(self, level: int, index: int) -> bytes:
        """Return the hash of a complete subtree. Raises LookupError."""
        tier, height = divmod(level, tiling.HEIGHT)
        place, offset = divmod(index << height, tiling.WIDTH)
        hashes = self._hashes(tier, place)
        if not hashes:
            raise LookupError(f"tile {tier}/{place}")
        return merkle.combine(hashes[offset : offset + (1 << height)])

    def _above(self, level: int, place: int) -> list[bytes]:
        # 256 tiles have the same one above them.
        if self._last[:2] != (level, place):
            self._last = (level, place, self._hashes(level, place))
        return self._last[2]

    def _hashes(self, level: int, place: int) -> list[bytes]:
        width = min((self._size >> (tiling.HEIGHT * level)) - place * tiling.WIDTH, tiling.WIDTH)
        data = self._there.tile(level, place, None if width == tiling.WIDTH else width)
        return hashes_in(data) if data is not None and len(data) == width * HASH else []


def _levels(size: int) -> Iterator[tuple[int, int, int]]:
    """Yield (level, complete tiles, hashes in the one after them) of a tree of this size."""
    level = 0
    while count := size >> (tiling.HEIGHT * level):
        whole, partial = divmod(count, tiling.WIDTH)
        yield level, whole, partial
        level += 1


def _root(reader: Reader, size: int) -> bytes | None:
    """The root of so many entries; None where the ledger has not all that it follows from."""
    try:
        return reader.tree().root(size)
    except LookupError:
        return None


def _head_of(there: TileFolder) -> Head | None:
    note = there.checkpoint()
    if note is None:
        return None
    try:
        checkpoint = read_checkpoint(read_note(note))
    except Unreadable as error:
        raise Tampered("the file checkpoint holds no signed head") from error
    return Head(checkpoint.size, "", checkpoint.root, note)
