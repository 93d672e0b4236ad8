"""Verifying the tiles: each is made anew from the rows below it, also those that left the database for a folder."""

from __future__ import annotations

from sqlalchemy import Connection, select

from bus.ledger import merkle
from bus.ledger import tiles as tiling
from bus.ledger.findings import Progress, Report, guarded
from bus.ledger.tables import tiles
from bus.ledger.tiles import Tree


def check_tiles(connection: Connection, report: Report, progress: Progress) -> None:
    """Hold each tile against what is below it; note those that are neither in the database nor in the folder."""
    tree = Tree(connection)
    query = select(tiles.c.level, tiles.c.place).order_by(tiles.c.level, tiles.c.place)
    if report.since:
        query = query.where(tiles.c.level > 0)
    found: dict[int, int] = {}
    for level, place in connection.execution_options(yield_per=1000).execute(query):
        for gone in range(found.get(level, 0), place):
            if wrong := _fault(tree, level, gone):
                report.note("tree.tile", f"tile {level}/{gone}", wrong)
        found[level] = place + 1
        _check_tile(connection, tree, level, place, report)
    expected = report.size
    for level in range(max(found, default=-1) + 2):
        expected //= tiling.WIDTH
        there = found.get(level, 0)
        while not report.since and there < expected and _fault(tree, level, there) is None:
            there += 1
        if not report.since and there != expected:
            report.note("tree.tile", f"level {level}", f"{there} tiles are there, {expected} should be")
    report.counts["tiles"] = sum(found.values())
    progress("tiles", 1, 1)


def _check_tile(connection: Connection, tree: Tree, level: int, place: int, report: Report) -> None:
    where = f"tile {level}/{place}"
    with guarded(report, where):
        row = connection.execute(select(tiles).where(tiles.c.level == level, tiles.c.place == place)).one()
        below = tree.below(level, place)
        if b"".join(below) != bytes(row.hashes) or merkle.combine(below) != bytes(row.root):
            report.note("tree.tile", where, "it is not that of the rows below it")


def _fault(tree: Tree, level: int, place: int) -> str | None:
    """Say what is wrong with a tile that the database does not have."""
    there = tree.exported(level, place)
    if not there:
        return "it is missing"
    return (
        None if there == tree.below(level, place) else "that in the folder is not that of the rows below it"
    )
