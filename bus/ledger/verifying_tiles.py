"""Verifying the tiles: each is made anew from the rows below it, also those that left the database for a folder."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import Connection, select

from bus.ledger import merkle
from bus.ledger import tiles as tiling
from bus.ledger.database import tuples
from bus.ledger.findings import Progress, Report, guarded
from bus.ledger.tables import tiles
from bus.ledger.tiles import Tree
from bus.ledger.verifying_workers import Team
from bus.ledger.work import batched

_TILES = 50
"""Tiles of a part."""
_KEPT = select(tiles.c.level, tiles.c.place).order_by(tiles.c.level, tiles.c.place)


def good_tiles(
    connection: Connection, first: int, leaves: Sequence[bytes], roots: Iterable[tuple[int, bytes]]
) -> list[int]:
    """Return those of the lowest tiles that are in the database exactly as these leaves give them.

    `first` is the number of the first leaf, and `roots` are the subtrees over all of them (`merkle.subtrees`).
    """
    whole, at = dict[int, bytes](), first
    for level, root in roots:
        if level == tiling.HEIGHT:
            whole[at >> level] = root
        at += 1 << level
    found, places = list[int](), range(-(-first // tiling.WIDTH), at // tiling.WIDTH)
    query = select(tiles.c.place, tiles.c.hashes, tiles.c.root).where(
        tiles.c.level == 0, tiles.c.place.between(places.start, places.stop - 1)
    )
    rows = {place: (hashes, root) for place, hashes, root in tuples(connection, query)}
    for place in places:
        below = leaves[place * tiling.WIDTH - first :][: tiling.WIDTH]
        if rows.get(place) == (b"".join(below), whole.get(place) or merkle.combine(below)):
            found.append(place)
    return found


def check_tiles(
    team: Team,
    connection: Connection,
    report: Report,
    size: int,
    good: Collection[int],
    progress: Progress,
) -> None:
    """Check every tile that the first `size` entries complete, wherever it is, and every other that there is.

    But for the lowest ones that were seen to be `good` (`good_tiles`).
    """
    level = first = 1 if report.since else 0
    kept = dict.fromkeys(tuples(connection, _KEPT.where(tiles.c.level >= first)))
    wanted: list[tuple[int, int]] = []
    # As many as there are entries, and not as a row says: one may have any number.
    while whole := size >> tiling.HEIGHT * (level + 1):
        wanted += ((level, place) for place in range(whole))
        level += 1
    listed = dict.fromkeys([*wanted, *kept])
    left = [(*tile, tile in kept) for tile in listed if tile[0] or tile[1] not in good]
    parts = list(batched(left, _TILES))
    asked = ((report.part(), some) for some in parts)
    for done, part in enumerate(team.map(check_some, asked), 1):
        report.add(part)
        progress("tiles", done, len(parts))
    report.counts["tiles"] = len(listed)
    progress("tiles", 1, 1)


def check_some(connection: Connection, report: Report, some: Sequence[tuple[int, int, bool]]) -> Report:
    """Check tiles by (level, place, whether it is in the database)."""
    tree = Tree(connection)
    for level, place, kept in some:
        where = f"tile {level}/{place}"
        with guarded(report, where):
            wrong = _fault(connection, tree, level, place) if kept else _fault_outside(tree, level, place)
            if wrong:
                report.note("tree.tile", where, wrong)
    return report


def _fault(connection: Connection, tree: Tree, level: int, place: int) -> str | None:
    """Say what is wrong with a tile of the database."""
    row = connection.execute(select(tiles).where(tiles.c.level == level, tiles.c.place == place)).one()
    below = tree.below(level, place)
    right = b"".join(below) == bytes(row.hashes) and merkle.combine(below) == bytes(row.root)
    return None if right else "it is not that of the rows below it"


def _fault_outside(tree: Tree, level: int, place: int) -> str | None:
    """Say what is wrong with a tile that the database does not have."""
    there = tree.exported(level, place)
    if not there:
        return "it is missing"
    right = there == tree.below(level, place)
    return None if right else "that in the folder is not that of the rows below it"
