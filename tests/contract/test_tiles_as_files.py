"""The tree as files: laid out for any web server, held against the heads, read where the database has no tile."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from bus.documents.notes import log_key
from bus.ledger import merkle, tiles, verifying_tiles
from bus.ledger.checkpoint import Signer, Tampered
from bus.ledger.database import reading
from bus.ledger.findings import Report
from bus.ledger.store import Ledger
from bus.ledger.tile_export import Checked, check, export, leavable
from bus.ledger.tile_folder import HASH, TileFolder, hashes_in
from bus.ledger.verifying import verify
from bus.ledger.verifying_workers import side_by_side
from bus.verifier.notes import VerifierKey, read_checkpoint, read_note
from tests.contract import ledger_rig as rig
from tests.contract.test_tree import grown, leaves_of, naive_root, unguarded


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles of four hashes, so that a test has several levels of them; the code knows no other difference."""
    monkeypatch.setattr(tiles, "HEIGHT", 2)
    monkeypatch.setattr(tiles, "WIDTH", 4)


@pytest.fixture
def signer(ledger: Ledger, tmp_path: Path) -> Signer:
    return rig.signer(ledger, tmp_path)


@pytest.fixture
def key(signer: Signer, tmp_path: Path) -> VerifierKey:
    return log_key(tmp_path / "log.key.pem", rig.ORIGIN).verifier


def exported(ledger: Ledger, signer: Signer, folder: Path) -> int:
    """Sign, export, and return how many tiles were new."""
    signer.sign()
    with ledger.read() as reader:
        done = export(reader, folder)
    assert done is not None
    return done.tiles


def checked(ledger: Ledger, folder: Path, key: VerifierKey) -> Checked:
    with ledger.read() as reader:
        found = check(reader, folder, key)
    assert found is not None
    return found


def files_in(folder: Path) -> list[Path]:
    return sorted(one for one in folder.rglob("*") if one.is_file())


def test_a_folder_alone_leads_from_every_leaf_to_the_signed_root(
    ledger: Ledger, signer: Signer, key: VerifierKey, tmp_path: Path
) -> None:
    """Read as a client of tlog-tiles reads it: the checkpoint, then tiles by their names."""
    folder, total = tmp_path / "log", 0
    for count in (1, 2, 14, 3, 1, 60, 4):
        total += count
        grown(ledger, count)
        exported(ledger, signer, folder)
        head = read_checkpoint(read_note((folder / "checkpoint").read_text(encoding="utf-8")))
        whole, rest = divmod(total, 4)
        read = [(folder / "tile" / "0" / f"{place:03d}").read_bytes() for place in range(whole)]
        if rest:
            read.append((folder / "tile" / "0" / f"{whole:03d}.p" / str(rest)).read_bytes())
        assert hashes_in(b"".join(read)) == leaves_of(ledger)
        assert (head.size, head.root) == (total, naive_root(leaves_of(ledger)))
        found = checked(ledger, folder, key)
        assert (found.findings, found.head.size) == ([], total)
    assert not list(folder.rglob("*.part"))
    assert {one.name for one in (folder / "tile" / "0").glob("*.p")} == {"021.p"}


@pytest.mark.parametrize(
    ("place", "name"), [(0, "000"), (999, "999"), (1000, "x001/000"), (1234067, "x001/x234/067")]
)
def test_tiles_have_the_names_that_tlog_tiles_gives_them(tmp_path: Path, place: int, name: str) -> None:
    there = TileFolder(tmp_path)
    there.put(3, place, [bytes(32)])
    there.put(3, place, [bytes(32)], 1)
    assert [str(one.relative_to(tmp_path)) for one in files_in(tmp_path)] == [
        f"tile/3/{name}",
        f"tile/3/{name}.p/1",
    ]


def test_an_export_goes_on_where_the_last_one_ended(ledger: Ledger, signer: Signer, tmp_path: Path) -> None:
    grown(ledger, 20)
    assert exported(ledger, signer, tmp_path / "log") == 6
    assert exported(ledger, signer, tmp_path / "log") == 0
    grown(ledger, 5)
    assert exported(ledger, signer, tmp_path / "log") == 1


def test_an_export_that_was_broken_off_is_made_whole(
    ledger: Ledger, signer: Signer, key: VerifierKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, puts = tmp_path / "log", []
    grown(ledger, 37)
    put = TileFolder.put

    def failing(self: TileFolder, level: int, place: int, *rest: object) -> None:
        puts.append(place)
        if len(puts) == 7:
            raise OSError("the disk is full")
        put(self, level, place, *rest)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(TileFolder, "put", failing)
        with pytest.raises(OSError, match="full"):
            exported(ledger, signer, folder)
    assert not (folder / "checkpoint").exists()
    exported(ledger, signer, folder)
    assert checked(ledger, folder, key).findings == []


def test_any_file_that_is_changed_or_gone_is_found(
    ledger: Ledger, signer: Signer, key: VerifierKey, tmp_path: Path
) -> None:
    chosen, folder = random.Random(4), tmp_path / "log"
    grown(ledger, 71)
    exported(ledger, signer, folder)
    assert len(files_in(folder)) == 26
    for file in files_in(folder):
        kept = file.read_bytes()
        place = chosen.randrange(len(kept))
        for other in (None, kept[:-1], kept[:place] + bytes([kept[place] ^ 1]) + kept[place + 1 :]):
            file.unlink()
            if other is not None:
                file.write_bytes(other)
            with ledger.read() as reader:
                found = check(reader, folder, key)
            assert found is None or found.findings, (file, other)
            file.write_bytes(kept)
    assert checked(ledger, folder, key).findings == []


def test_a_folder_of_another_ledger_is_neither_gone_on_with_nor_passed(
    ledger: Ledger, signer: Signer, key: VerifierKey, tmp_path: Path
) -> None:
    folder = tmp_path / "log"
    grown(ledger, 30)
    exported(ledger, signer, folder)
    unguarded(ledger, "UPDATE entries SET leaf = (SELECT leaf FROM entries WHERE seq = 7) WHERE seq = 30")
    with ledger.read() as reader, pytest.raises(Tampered, match="does not continue"):
        export(reader, folder)
    assert any("not those whose head was signed" in one for one in checked(ledger, folder, key).findings)


# ---- tiles that left the database -----------------------------------------------------------------------------------


@pytest.fixture
def left(ledger: Ledger, signer: Signer, tmp_path: Path) -> Path:
    """A folder that has the tiles which a ledger of 150 entries had, and no longer has but for the uppermost."""
    grown(ledger, 90, 60)
    folder = tmp_path / "log"
    exported(ledger, signer, folder)
    assert leavable(150) == {0: 36, 1: 8}
    drop(ledger)
    return folder


def drop(ledger: Ledger) -> None:
    """As the owner of the database can."""
    counts = leavable(150).items()
    unguarded(
        ledger, *(f"DELETE FROM tiles WHERE level = {level} AND place < {most}" for level, most in counts)
    )


def with_folder(ledger: Ledger, folder: Path | None) -> Ledger:
    return Ledger(ledger.engine.url.render_as_string(hide_password=False), tiles_folder=folder)


def test_what_left_the_database_is_read_from_the_folder(ledger: Ledger, left: Path) -> None:
    leaves = leaves_of(ledger)
    # Without the folder, hashes of the upper levels are not to be had: the tiles below them are gone.
    with ledger.read() as reader, pytest.raises(LookupError):
        reader.tree().tile(1, 0, 4)
    with with_folder(ledger, left) as full, full.read() as reader:
        tree = reader.tree()
        for size in range(1, 151):
            assert tree.root(size) == naive_root(leaves[:size])
        for place in range(36):
            assert tree.tile(0, place, 4) == b"".join(leaves[place * 4 : place * 4 + 4])


def test_a_ledger_whose_tiles_left_goes_on_and_its_heads_continue_the_old_ones(
    ledger: Ledger, left: Path, tmp_path: Path, key: VerifierKey
) -> None:
    with with_folder(ledger, left) as full:
        grown(full, 1, 30, 200)
        assert exported(full, rig.signer(full, tmp_path), left) > 0
        assert checked(full, left, key).findings == []


def test_no_file_is_believed_that_the_tree_does_not_lead_to(ledger: Ledger, left: Path) -> None:
    """A file that was changed counts as one that is not there; what can be had from the entries, is had from them."""
    leaves, there = leaves_of(ledger), TileFolder(left)
    there.put(0, 3, [bytes(HASH)] * 4)
    there.put(1, 2, [bytes(HASH)] * 4)
    with with_folder(ledger, left) as full, full.read() as reader:
        assert reader.tree().tile(0, 3, 4) == b"".join(leaves[12:16])
        with pytest.raises(LookupError):
            reader.tree().tile(1, 2, 4)
        assert reader.tree().tile(1, 1, 4) == b"".join(
            merkle.combine(leaves[n : n + 4]) for n in range(16, 32, 4)
        )


def test_no_tile_is_made_of_rows_with_a_gap(ledger: Ledger) -> None:
    grown(ledger, 14)
    unguarded(ledger, "DELETE FROM tiles WHERE level = 0 AND place = 1")
    with ledger.read() as reader:
        assert len(tiles.below(reader._connection, 1, 0)) == 1
    with ledger.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM tiles")) == 2


def test_a_ledger_whose_tiles_left_verifies_with_the_folder_and_not_without(
    ledger: Ledger, left: Path, key: VerifierKey
) -> None:
    def found(folder: Path | None) -> set[str]:
        with with_folder(ledger, folder) as full, reading(full.engine) as connection:
            return {one.code for one in verify(connection, key).findings}

    assert found(left) == set()
    assert found(None) == {"tree.tile"}
    TileFolder(left).put(0, 3, [bytes(HASH)] * 4)
    assert found(left) == {"tree.tile"}


def of_four(_: Connection) -> None:
    """Have tiles of four hashes in another process too."""
    tiles.HEIGHT, tiles.WIDTH = 2, 4


def test_processes_side_by_side_look_into_the_folder_as_one_alone_does(
    ledger: Ledger, left: Path, key: VerifierKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifying_tiles, "_TILES", 1)

    def found(processes: int) -> Report:
        with with_folder(ledger, left) as full, side_by_side(full.engine, processes) as (connection, team):
            list(team.map(of_four, [()] * processes))
            return verify(connection, key, team=team)

    assert found(2) == found(1)
    assert found(2).passed
    assert found(2).counts["tiles"] == 37 + 9 + 2
    TileFolder(left).put(0, 3, [bytes(HASH)] * 4)
    assert found(2) == found(1)
    assert [one.where for one in found(2).findings] == ["tile 0/3", "tile 1/0"]


def test_each_tile_that_is_nowhere_is_named_also_beside_a_row_of_any_number(
    ledger: Ledger, left: Path, key: VerifierKey
) -> None:
    unguarded(
        ledger,
        f"INSERT INTO tiles SELECT level, {2**50}, hashes, root FROM tiles WHERE level = 0 AND place = 36",
        "DELETE FROM tiles WHERE level = 0 AND place = 36",
    )
    with with_folder(ledger, left) as full, reading(full.engine) as connection:
        found = verify(connection, key).findings
    assert [(one.code, one.where) for one in found] == [
        ("tree.tile", "tile 0/36"),
        ("tree.tile", f"tile 0/{2**50}"),
    ]
