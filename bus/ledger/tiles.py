"""The tree over the entries, kept as tiles: 256 hashes of a level in one row (C2SP tlog-tiles).

A tile is written once, in the append that completes it, and never touched again; so an append costs one row in 256
entries, and nothing is computed twice. What stands to the right of the last tile follows from the rows below: the
leaves of the entries, or the roots of the complete tiles. Entry `seq` is leaf `seq - 1`.

A tile below a complete one may leave the database for a folder (tile_folder.py). From there it is believed only where
its root is the hash that the tile above has of it; so what is believed follows from the rows that stayed.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from bus.errors import Transient
from bus.ledger import merkle
from bus.ledger.database import TILES_FOLDER, tuples
from bus.ledger.tables import entries, tiles
from bus.ledger.tile_folder import HASH, TileFolder, hashes_in

HEIGHT = 8
WIDTH = 1 << HEIGHT


class Incomplete(Transient):
    """Rows below a tile are missing, so that nothing can be appended."""


def extend(connection: Connection, before: int, after: int) -> None:
    """Store the tiles that the entries above `before` up to `after` have completed; part of the append."""
    for place in range(before // WIDTH, after // WIDTH):
        _store(connection, 0, place, _leaves(connection, place))


class Tree:
    """The tree as one snapshot of the database has it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        folder = connection.get_execution_options().get(TILES_FOLDER)
        self._folder = TileFolder(folder) if folder else None
        self._read: dict[tuple[int, int], list[bytes]] = {}
        self._combined: dict[tuple[int, int], bytes] = {}

    def root(self, size: int) -> bytes:
        """Return the root over the first `size` entries. Raises LookupError when there are not so many."""
        return merkle.root(size, self.complete)

    def inclusion_proof(self, seq: int, size: int) -> list[bytes]:
        """Return the proof that an entry is among the first `size`. Raises LookupError or ValueError."""
        return merkle.inclusion_proof(seq - 1, size, self.complete)

    def consistency_proof(self, old_size: int, size: int) -> list[bytes]:
        """Return the proof that the first `old_size` entries begin the first `size`. Raises as above."""
        return merkle.consistency_proof(old_size, size, self.complete)

    def leaf(self, seq: int) -> bytes:
        """Return the leaf hash of an entry. Raises LookupError."""
        return self.complete(0, seq - 1)

    def tile(self, level: int, place: int, width: int) -> bytes:
        """Return the first `width` hashes of a tile, one after the other. Raises LookupError."""
        return b"".join(self._hashes(level, place, width)[:width])

    def complete(self, level: int, index: int) -> bytes:
        """Return the hash of a complete subtree, as `merkle` asks for it. Raises LookupError."""
        found = self._combined.get((level, index))
        if found is None:
            tier, height = divmod(level, HEIGHT)
            place, offset = divmod(index << height, WIDTH)
            count = 1 << height
            found = merkle.combine(self._hashes(tier, place, offset + count)[offset : offset + count])
            # Proofs under one head share most of their hashes.
            self._combined[level, index] = found
        return found

    def _hashes(self, level: int, place: int, width: int) -> list[bytes]:
        if (level, place) not in self._read:
            self._read[level, place] = self._look(level, place)
        found = self._read[level, place]
        if not 0 < width <= len(found):
            raise LookupError(f"tile {place} of level {level} has {len(found)} hashes, not {width}")
        return found

    def _look(self, level: int, place: int) -> list[bytes]:
        stored = select(tiles.c.hashes).where(tiles.c.level == level, tiles.c.place == place)
        whole = self._connection.scalar(stored)
        if whole is not None:
            return hashes_in(bytes(whole))
        return self.exported(level, place) or self.below(level, place)

    def exported(self, level: int, place: int) -> list[bytes]:
        """Return the hashes of a complete tile out of the folder; none where it has none that can be believed."""
        data = self._folder.tile(level, place) if self._folder else None
        if data is None or len(data) != WIDTH * HASH:
            return []
        above, offset = divmod(place, WIDTH)
        stored = select(tiles.c.hashes).where(tiles.c.level == level + 1, tiles.c.place == above)
        whole = self._connection.scalar(stored)
        over = hashes_in(bytes(whole)) if whole is not None else self.exported(level + 1, above)
        found = hashes_in(data)
        return found if over and over[offset] == merkle.combine(found) else []

    def below(self, level: int, place: int) -> list[bytes]:
        """Return the hashes of a tile out of what is below it, rows or files, as many as there are."""
        found = below(self._connection, level, place)
        if level:
            for child in range(place * WIDTH + len(found), (place + 1) * WIDTH):
                hashes = self.exported(level - 1, child)
                root = self._root_of(level - 1, child) if not hashes else merkle.combine(hashes)
                if root is None:
                    break
                found.append(root)
        return found

    def _root_of(self, level: int, place: int) -> bytes | None:
        stored = select(tiles.c.root).where(tiles.c.level == level, tiles.c.place == place)
        found = self._connection.scalar(stored)
        return None if found is None else bytes(found)


def below(connection: Connection, level: int, place: int) -> list[bytes]:
    """Return the hashes of a tile out of the rows below it, as many as there are."""
    return _leaves(connection, place) if level == 0 else _roots(connection, level - 1, place)


def _store(connection: Connection, level: int, place: int, hashes: Sequence[bytes]) -> None:
    if len(hashes) != WIDTH:
        # Not a bug of whoever appends: rows below were taken away. The signer of heads finds that, and halts all.
        raise Incomplete(f"entries are missing: tile {place} of level {level} has {len(hashes)} hashes")
    row = {"level": level, "place": place, "hashes": b"".join(hashes), "root": merkle.combine(hashes)}
    connection.execute(tiles.insert(), [row])
    if (place + 1) % WIDTH == 0:
        above = place // WIDTH
        _store(connection, level + 1, above, _roots(connection, level, above))


def _leaves(connection: Connection, place: int) -> list[bytes]:
    """The leaf hashes of the entries below a tile of the lowest level, as many as there are."""
    first, last = place * WIDTH + 1, (place + 1) * WIDTH
    query = select(entries.c.leaf).where(entries.c.seq.between(first, last)).order_by(entries.c.seq)
    return [bytes(leaf) for (leaf,) in tuples(connection, query)]


def _roots(connection: Connection, level: int, place: int) -> list[bytes]:
    """The roots of the complete tiles below a tile of the next level, as many as there are without a gap."""
    first, last = place * WIDTH, (place + 1) * WIDTH - 1
    query = select(tiles.c.place, tiles.c.root).where(
        tiles.c.level == level, tiles.c.place.between(first, last)
    )
    found: list[bytes] = []
    for row in connection.execute(query.order_by(tiles.c.place)):
        if row.place != first + len(found):
            break
        found.append(bytes(row.root))
    return found
